//! Contents: pixels, once per owner and SHA-256. Everything a model says about them hangs on these rows.

use std::collections::HashMap;

use lamina_types::{ContentHash, SpaceKey, UserId};
use sqlx::{FromRow, PgConnection, PgExecutor, Row, postgres::PgRow};

use crate::{BlobStore, StoreError, columns};

/// What is known of a picture's bytes once they were decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewContent {
    /// Of the bytes.
    pub hash: ContentHash,
    /// Number of bytes.
    pub byte_size: i64,
    /// By content: `jpeg`, `png`, ...
    pub format: String,
    /// Of the turned picture, in pixels, above 0.
    pub width: u32,
    /// Of the turned picture, in pixels, above 0.
    pub height: u32,
    /// Whether the bytes are in the blob store, or are served from their own place.
    pub has_original: bool,
}

/// What the store already has for a content: decides which work may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownContent {
    /// Row id.
    pub id: i64,
    /// Of the bytes.
    pub hash: ContentHash,
    /// Whether the bytes are in the blob store.
    pub has_original: bool,
    /// Whether its measures are of the asked version.
    pub has_measures: bool,
    /// Whether the asked package has spoken about it.
    pub has_output: bool,
}

impl FromRow<'_, PgRow> for KnownContent {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            hash: columns::hash(row, "sha256")?,
            has_original: row.try_get("has_original")?,
            has_measures: row.try_get("has_measures")?,
            has_output: row.try_get("has_output")?,
        })
    }
}

/// Which of `hashes` this owner has, in no particular order; unknown ones are left out.
///
/// # Errors
/// The database.
pub async fn known(
    ex: impl PgExecutor<'_>,
    owner: UserId,
    hashes: &[ContentHash],
    key: &SpaceKey,
    measures_version: i32,
) -> Result<Vec<KnownContent>, StoreError> {
    let hashes: Vec<&[u8]> = hashes
        .iter()
        .map(|hash| hash.as_bytes().as_slice())
        .collect();
    let sql = "select c.id, c.sha256, c.has_original, \
               exists (select from content_measures m where m.content_id = c.id and m.version = $5) as has_measures, \
               exists (select from outputs o where o.content_id = c.id and o.package = $3 and o.parameters = $4) as has_output \
               from contents c where c.owner_id = $1 and c.sha256 = any($2)";
    Ok(sqlx::query_as(sql)
        .bind(owner.as_uuid())
        .bind(hashes)
        .bind(&key.package)
        .bind(&key.parameters)
        .bind(measures_version)
        .fetch_all(ex)
        .await?)
}

/// Takes the owner's content lock until the transaction ends: shared by writers, exclusive for the collector of unused
/// blobs. Without it the collector could delete a file between "the file is there" and "here is its row" (hardening P31).
pub(crate) async fn lock_owner(
    conn: &mut PgConnection,
    owner: UserId,
    exclusive: bool,
) -> Result<(), StoreError> {
    let sql = if exclusive {
        "select pg_advisory_xact_lock(hashtextextended($1, 7))"
    } else {
        "select pg_advisory_xact_lock_shared(hashtextextended($1, 7))"
    };
    sqlx::query(sql)
        .bind(format!("lamina contents {owner}"))
        .execute(conn)
        .await?;
    Ok(())
}

/// Inserts contents, or finds those that are there; ids in the order of `contents`. Must run in a transaction.
///
/// Does not look at the blob store: use [`record`] when pixels are behind the rows.
///
/// # Errors
/// Malformed for sizes beyond their columns.
pub async fn upsert(
    conn: &mut PgConnection,
    owner: UserId,
    contents: &[NewContent],
) -> Result<Vec<i64>, StoreError> {
    lock_owner(&mut *conn, owner, false).await?;
    let mut rows: Vec<&NewContent> = contents.iter().collect();
    // Sorted and without doubles: one statement must not meet a row twice, and all writers lock rows in one order.
    rows.sort_by_key(|content| content.hash);
    rows.dedup_by_key(|content| content.hash);
    let hashes: Vec<&[u8]> = rows
        .iter()
        .map(|content| content.hash.as_bytes().as_slice())
        .collect();
    let sizes: Vec<i64> = rows.iter().map(|content| content.byte_size).collect();
    let formats: Vec<&str> = rows.iter().map(|content| content.format.as_str()).collect();
    let widths = rows
        .iter()
        .map(|content| columns::to_int(content.width))
        .collect::<Result<Vec<_>, _>>()?;
    let heights = rows
        .iter()
        .map(|content| columns::to_int(content.height))
        .collect::<Result<Vec<_>, _>>()?;
    let originals: Vec<bool> = rows.iter().map(|content| content.has_original).collect();
    let sql = "insert into contents (owner_id, sha256, byte_size, format, width, height, has_original) \
               select $1, t.* from unnest($2::bytea[], $3::bigint[], $4::text[], $5::integer[], $6::integer[], $7::boolean[]) t \
               on conflict (owner_id, sha256) \
               do update set has_original = contents.has_original or excluded.has_original \
               returning id, sha256";
    let found = sqlx::query(sql)
        .bind(owner.as_uuid())
        .bind(hashes)
        .bind(sizes)
        .bind(formats)
        .bind(widths)
        .bind(heights)
        .bind(originals)
        .fetch_all(conn)
        .await?;
    let mut ids = HashMap::with_capacity(found.len());
    for row in &found {
        ids.insert(columns::hash(row, "sha256")?, row.try_get::<i64, _>("id")?);
    }
    let id_of = |content: &NewContent| ids.get(&content.hash).copied();
    contents
        .iter()
        .map(|content| id_of(content).ok_or(StoreError::NotFound("content")))
        .collect()
}

/// As [`upsert`], for contents whose thumbnail and, if so marked, original were put into `blobs` before.
///
/// Checks under the lock that they are still there, so a committed row never lacks its files.
///
/// # Errors
/// [`StoreError::ContentGone`]: the files were collected in between; put them again and retry the transaction.
pub async fn record(
    conn: &mut PgConnection,
    blobs: &BlobStore,
    owner: UserId,
    contents: &[NewContent],
) -> Result<Vec<i64>, StoreError> {
    let ids = upsert(conn, owner, contents).await?;
    for content in contents {
        let lacks_original =
            content.has_original && !blobs.has_content(owner, content.hash).await?;
        if lacks_original || !blobs.has_thumbnail(owner, content.hash).await? {
            return Err(StoreError::ContentGone(content.hash));
        }
    }
    Ok(ids)
}
