//! Upload transactions (contract 7.2): files arrive in any number of requests, then processing is asked for once.

use lamina_types::{ContentHash, DatasetId};
use sqlx::{FromRow, PgConnection, PgExecutor, Row, postgres::PgRow};

use crate::{StoreError, columns, secrets};

/// An upload transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadTransaction {
    /// Random, 63 bits, positive: the wire form is an integer and must not be guessable.
    pub id: i64,
    /// Where the files go.
    pub dataset_id: DatasetId,
    /// Whether processing was asked for.
    pub is_processed: bool,
}

/// One file of a transaction; its bytes are in the blob store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadFile {
    /// Its name as sent. The same name may come twice.
    pub file_name: String,
    /// Of its bytes.
    pub hash: ContentHash,
    /// Number of bytes.
    pub byte_size: i64,
}

impl FromRow<'_, PgRow> for UploadFile {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            file_name: row.try_get("file_name")?,
            hash: columns::hash(row, "sha256")?,
            byte_size: row.try_get("byte_size")?,
        })
    }
}

/// Opens a transaction; its id.
///
/// # Errors
/// The database, or no random bytes.
pub async fn open(ex: impl PgExecutor<'_>, dataset: DatasetId) -> Result<i64, StoreError> {
    // 2^63 ids: a collision is less likely than a broken disk, and would be an error, not a mix-up.
    let id = (i64::from_be_bytes(secrets::random_bytes::<8>()?) & i64::MAX).max(1);
    sqlx::query("insert into upload_transactions (id, dataset_id) values ($1, $2)")
        .bind(id)
        .bind(dataset.as_uuid())
        .execute(ex)
        .await?;
    Ok(id)
}

/// A transaction of this dataset.
///
/// # Errors
/// The database.
pub async fn find(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    id: i64,
) -> Result<Option<UploadTransaction>, StoreError> {
    let sql =
        "select state = 'processed' from upload_transactions where id = $1 and dataset_id = $2";
    let found: Option<bool> = sqlx::query_scalar(sql)
        .bind(id)
        .bind(dataset.as_uuid())
        .fetch_optional(ex)
        .await?;
    Ok(found.map(|is_processed| UploadTransaction {
        id,
        dataset_id: dataset,
        is_processed,
    }))
}

/// Adds files behind those already there. Must run in a transaction: it locks the upload's row, so that files can neither
/// be added twice under one position nor after processing was asked for.
///
/// # Errors
/// Not found; [`StoreError::UploadClosed`].
pub async fn add_files(
    conn: &mut PgConnection,
    dataset: DatasetId,
    id: i64,
    files: &[UploadFile],
) -> Result<(), StoreError> {
    let sql = "select state = 'processed' from upload_transactions where id = $1 and dataset_id = $2 for update";
    let state: Option<bool> = sqlx::query_scalar(sql)
        .bind(id)
        .bind(dataset.as_uuid())
        .fetch_optional(&mut *conn)
        .await?;
    match state {
        None => return Err(StoreError::NotFound("upload transaction")),
        Some(true) => return Err(StoreError::UploadClosed(id)),
        Some(false) => {}
    }
    let names: Vec<&str> = files.iter().map(|file| file.file_name.as_str()).collect();
    let hashes: Vec<&[u8]> = files
        .iter()
        .map(|file| file.hash.as_bytes().as_slice())
        .collect();
    let sizes: Vec<i64> = files.iter().map(|file| file.byte_size).collect();
    let sql = "insert into upload_files (transaction_id, position, file_name, sha256, byte_size) \
               select $1, first.position + (t.n - 1)::integer, t.file_name, t.sha256, t.byte_size \
               from unnest($2::text[], $3::bytea[], $4::bigint[]) with ordinality as t (file_name, sha256, byte_size, n), \
               (select coalesce(max(position) + 1, 0) as position from upload_files where transaction_id = $1) first";
    sqlx::query(sql)
        .bind(id)
        .bind(names)
        .bind(hashes)
        .bind(sizes)
        .execute(conn)
        .await?;
    Ok(())
}

/// Closes a transaction for processing, exactly once; the number of its files, which may be 0.
///
/// # Errors
/// Not found; [`StoreError::UploadClosed`] the second time.
pub async fn close(
    conn: &mut PgConnection,
    dataset: DatasetId,
    id: i64,
) -> Result<i64, StoreError> {
    let sql = "update upload_transactions set state = 'processed' \
               where id = $1 and dataset_id = $2 and state = 'open'";
    let closed = sqlx::query(sql)
        .bind(id)
        .bind(dataset.as_uuid())
        .execute(&mut *conn)
        .await?
        .rows_affected()
        > 0;
    if closed {
        return count(&mut *conn, id).await;
    }
    match find(&mut *conn, dataset, id).await? {
        Some(_) => Err(StoreError::UploadClosed(id)),
        None => Err(StoreError::NotFound("upload transaction")),
    }
}

/// Number of files.
///
/// # Errors
/// The database.
pub async fn count(ex: impl PgExecutor<'_>, id: i64) -> Result<i64, StoreError> {
    let sql = "select count(*) from upload_files where transaction_id = $1";
    Ok(sqlx::query_scalar(sql).bind(id).fetch_one(ex).await?)
}

/// Files in order of arrival, from position `first`.
///
/// # Errors
/// The database.
pub async fn files(
    ex: impl PgExecutor<'_>,
    id: i64,
    first: i64,
    limit: i64,
) -> Result<Vec<UploadFile>, StoreError> {
    let sql = "select file_name, sha256, byte_size from upload_files \
               where transaction_id = $1 and position >= $2 order by position limit $3";
    Ok(sqlx::query_as(sql)
        .bind(id)
        .bind(first)
        .bind(limit)
        .fetch_all(ex)
        .await?)
}
