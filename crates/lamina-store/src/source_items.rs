//! What a source was found to hold, and what became of each file: the checkpoint of an ingest and its report.
//!
//! A *batch* is one creation or addition (0, 1, ...); positions are 0..n-1 within it, in the order of the listing.

use lamina_types::{DatasetId, RejectReason, Rejection};
use sqlx::{FromRow, PgConnection, PgExecutor, Row, postgres::PgRow};

use crate::{StoreError, columns};

/// A file that the listing found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSourceItem {
    /// Unique in the batch: path inside the source, upload number, archive entry number.
    pub source_key: String,
    /// As shown; need not be unique.
    pub file_name: String,
    /// Path inside the source, as shown.
    pub original_uri: String,
    /// Where the file stays, when originals are not copied.
    pub source_path: Option<String>,
}

/// A file that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceItem {
    /// In the batch.
    pub position: u32,
    /// See [`NewSourceItem`].
    pub source_key: String,
    /// As shown.
    pub file_name: String,
    /// Path inside the source, as shown.
    pub original_uri: String,
    /// Where the file stays, when originals are not copied.
    pub source_path: Option<String>,
}

impl FromRow<'_, PgRow> for SourceItem {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            position: columns::unsigned(row, "position")?,
            source_key: row.try_get("source_key")?,
            file_name: row.try_get("file_name")?,
            original_uri: row.try_get("original_uri")?,
            source_path: row.try_get("source_path")?,
        })
    }
}

/// A file that was not taken, for the report.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RejectedItem {
    /// Which creation or addition.
    pub batch: u32,
    /// In the batch.
    pub position: u32,
    /// As shown.
    pub file_name: String,
    /// Path inside the source, as shown.
    pub original_uri: String,
    /// Why.
    pub rejection: Rejection,
}

impl FromRow<'_, PgRow> for RejectedItem {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            batch: columns::unsigned(row, "batch")?,
            position: columns::unsigned(row, "position")?,
            file_name: row.try_get("file_name")?,
            original_uri: row.try_get("original_uri")?,
            rejection: Rejection {
                reason: columns::text::<RejectReason>(row, "reason")?,
                detail: row
                    .try_get::<Option<String>, _>("detail")?
                    .unwrap_or_default(),
            },
        })
    }
}

/// How many files became what.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct OutcomeCounts {
    /// Not looked at yet.
    pub pending: u64,
    /// Taken.
    pub done: u64,
    /// Not taken.
    pub rejected: u64,
    /// Not taken, by reason, most first.
    pub by_reason: Vec<(RejectReason, u64)>,
}

/// Texts of a source may hold what Postgres does not store: a NUL in an archive's entry name.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Inserts a part of a listing, at positions `first`, `first + 1`, ... Repeating the same part changes nothing.
///
/// # Errors
/// Conflict for a source key that is in the batch at another position.
pub async fn insert(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    batch: u32,
    first: u32,
    items: &[NewSourceItem],
) -> Result<(), StoreError> {
    let sql = "insert into source_items (dataset_id, batch, position, source_key, file_name, original_uri, source_path) \
               select $1, $2, $3 + (t.n - 1)::integer, t.source_key, t.file_name, t.original_uri, t.source_path \
               from unnest($4::text[], $5::text[], $6::text[], $7::text[]) \
               with ordinality as t (source_key, file_name, original_uri, source_path, n) \
               on conflict (dataset_id, batch, position) do nothing";
    sqlx::query(sql)
        .bind(dataset.as_uuid())
        .bind(columns::to_int(batch)?)
        .bind(columns::to_int(first)?)
        .bind(
            items
                .iter()
                .map(|item| storable(&item.source_key))
                .collect::<Vec<_>>(),
        )
        .bind(
            items
                .iter()
                .map(|item| storable(&item.file_name))
                .collect::<Vec<_>>(),
        )
        .bind(
            items
                .iter()
                .map(|item| storable(&item.original_uri))
                .collect::<Vec<_>>(),
        )
        .bind(
            items
                .iter()
                .map(|item| item.source_path.as_deref().map(storable))
                .collect::<Vec<_>>(),
        )
        .execute(ex)
        .await?;
    Ok(())
}

/// Forgets a listing, before a new one is written. Only while nothing of it was worked on.
///
/// # Errors
/// The database.
pub async fn clear(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    batch: u32,
) -> Result<(), StoreError> {
    sqlx::query("delete from source_items where dataset_id = $1 and batch = $2")
        .bind(dataset.as_uuid())
        .bind(columns::to_int(batch)?)
        .execute(ex)
        .await?;
    Ok(())
}

/// The last file of a listing: its position and key.
///
/// # Errors
/// The database.
pub async fn last(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    batch: u32,
) -> Result<Option<(u32, String)>, StoreError> {
    let sql = "select position, source_key from source_items where dataset_id = $1 and batch = $2 \
               order by position desc limit 1";
    let row = sqlx::query(sql)
        .bind(dataset.as_uuid())
        .bind(columns::to_int(batch)?)
        .fetch_optional(ex)
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    Ok(Some((
        columns::unsigned(&row, "position")?,
        row.try_get("source_key")?,
    )))
}

/// The files of a batch by name, in order of position.
///
/// # Errors
/// The database.
pub async fn names(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    batch: u32,
) -> Result<Vec<SourceItem>, StoreError> {
    let sql = "select position, source_key, file_name, original_uri, source_path from source_items \
               where dataset_id = $1 and batch = $2 order by position";
    Ok(sqlx::query_as(sql)
        .bind(dataset.as_uuid())
        .bind(columns::to_int(batch)?)
        .fetch_all(ex)
        .await?)
}

/// Takes files out of a listing, before anything of it was worked on.
///
/// # Errors
/// The database.
pub async fn forget(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    batch: u32,
    positions: &[u32],
) -> Result<(), StoreError> {
    let positions = positions
        .iter()
        .map(|position| columns::to_int(*position))
        .collect::<Result<Vec<_>, _>>()?;
    let sql =
        "delete from source_items where dataset_id = $1 and batch = $2 and position = any($3)";
    sqlx::query(sql)
        .bind(dataset.as_uuid())
        .bind(columns::to_int(batch)?)
        .bind(positions)
        .execute(ex)
        .await?;
    Ok(())
}

/// Records where files lie, for originals that are served from their own place.
///
/// # Errors
/// The database.
pub async fn set_paths(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    batch: u32,
    paths: &[(u32, String)],
) -> Result<(), StoreError> {
    let positions = paths
        .iter()
        .map(|(position, _)| columns::to_int(*position))
        .collect::<Result<Vec<_>, _>>()?;
    let paths: Vec<&str> = paths.iter().map(|(_, path)| path.as_str()).collect();
    let sql = "update source_items s set source_path = t.path \
               from unnest($3::integer[], $4::text[]) as t (position, path) \
               where s.dataset_id = $1 and s.batch = $2 and s.position = t.position";
    sqlx::query(sql)
        .bind(dataset.as_uuid())
        .bind(columns::to_int(batch)?)
        .bind(positions)
        .bind(paths)
        .execute(ex)
        .await?;
    Ok(())
}

/// Files of positions `first..end` that still wait, in order: what a chunk has left to do.
///
/// # Errors
/// The database.
pub async fn pending(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    batch: u32,
    first: u32,
    end: u32,
) -> Result<Vec<SourceItem>, StoreError> {
    let sql = "select position, source_key, file_name, original_uri, source_path from source_items \
               where dataset_id = $1 and batch = $2 and position >= $3 and position < $4 and state = 'pending' \
               order by position";
    Ok(sqlx::query_as(sql)
        .bind(dataset.as_uuid())
        .bind(columns::to_int(batch)?)
        .bind(columns::to_int(first)?)
        .bind(columns::to_int(end)?)
        .fetch_all(ex)
        .await?)
}

/// Marks files as taken, by position and content id; those that are not pending stay as they are. How many changed.
///
/// # Errors
/// Conflict for a content that is gone.
pub async fn mark_done(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    batch: u32,
    done: &[(u32, i64)],
) -> Result<u64, StoreError> {
    let positions = done
        .iter()
        .map(|(position, _)| columns::to_int(*position))
        .collect::<Result<Vec<_>, _>>()?;
    let contents: Vec<i64> = done.iter().map(|(_, content)| *content).collect();
    let sql = "update source_items s set state = 'done', content_id = t.content_id \
               from unnest($3::integer[], $4::bigint[]) as t (position, content_id) \
               where s.dataset_id = $1 and s.batch = $2 and s.position = t.position and s.state = 'pending'";
    let changed = sqlx::query(sql)
        .bind(dataset.as_uuid())
        .bind(columns::to_int(batch)?)
        .bind(positions)
        .bind(contents)
        .execute(ex)
        .await?;
    Ok(changed.rows_affected())
}

/// Marks files as not taken; those that are not pending stay as they are. How many changed.
///
/// # Errors
/// The database.
pub async fn mark_rejected(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    batch: u32,
    rejected: &[(u32, Rejection)],
) -> Result<u64, StoreError> {
    let positions = rejected
        .iter()
        .map(|(position, _)| columns::to_int(*position))
        .collect::<Result<Vec<_>, _>>()?;
    let sql = "update source_items s set state = 'rejected', reason = t.reason, detail = t.detail \
               from unnest($3::integer[], $4::text[], $5::text[]) as t (position, reason, detail) \
               where s.dataset_id = $1 and s.batch = $2 and s.position = t.position and s.state = 'pending'";
    let changed = sqlx::query(sql)
        .bind(dataset.as_uuid())
        .bind(columns::to_int(batch)?)
        .bind(positions)
        .bind(
            rejected
                .iter()
                .map(|(_, rejection)| rejection.reason.as_str())
                .collect::<Vec<_>>(),
        )
        .bind(
            rejected
                .iter()
                .map(|(_, rejection)| storable(&rejection.detail))
                .collect::<Vec<_>>(),
        )
        .execute(ex)
        .await?;
    Ok(changed.rows_affected())
}

/// Counts per outcome and reason, over all batches or one.
///
/// # Errors
/// The database.
pub async fn counts(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    batch: Option<u32>,
) -> Result<OutcomeCounts, StoreError> {
    let sql = "select state, reason, count(*) as n from source_items \
               where dataset_id = $1 and ($2::integer is null or batch = $2) group by state, reason order by n desc, reason";
    let rows = sqlx::query(sql)
        .bind(dataset.as_uuid())
        .bind(batch.map(columns::to_int).transpose()?)
        .fetch_all(ex)
        .await?;
    let mut counts = OutcomeCounts::default();
    for row in &rows {
        let number = row.try_get::<i64, _>("n")?.unsigned_abs();
        match row.try_get::<&str, _>("state")? {
            "pending" => counts.pending += number,
            "done" => counts.done += number,
            _ => {
                counts.rejected += number;
                counts
                    .by_reason
                    .push((columns::text(row, "reason")?, number));
            }
        }
    }
    Ok(counts)
}

/// Files that were not taken, in order; the next page starts after the last `(batch, position)` of this one.
///
/// # Errors
/// The database.
pub async fn rejected(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    after: Option<(u32, u32)>,
    limit: u32,
) -> Result<Vec<RejectedItem>, StoreError> {
    let (batch, position) = match after {
        Some((batch, position)) => (columns::to_int(batch)?, columns::to_int(position)?),
        None => (-1, -1),
    };
    let sql = "select batch, position, file_name, original_uri, reason, detail from source_items \
               where dataset_id = $1 and state = 'rejected' and (batch, position) > ($2, $3) \
               order by batch, position limit $4";
    Ok(sqlx::query_as(sql)
        .bind(dataset.as_uuid())
        .bind(batch)
        .bind(position)
        .bind(i64::from(limit))
        .fetch_all(ex)
        .await?)
}

/// Makes the media rows of a batch from its taken files, with dense ordinals in order of position, behind the media of
/// earlier batches. Must run in a transaction. Repeating it changes nothing; the number of media of the batch.
///
/// The rows are made inside the database, so their ids are random UUIDs (version 4, as the original API's media ids
/// are); all other ids of Lamina are version 7.
///
/// # Errors
/// Not found for a dataset that is deleted.
pub async fn finalize(
    conn: &mut PgConnection,
    dataset: DatasetId,
    batch: u32,
) -> Result<u64, StoreError> {
    // One at a time per dataset: two batches must not take the same ordinals.
    let sql = "select 1 from datasets where id = $1 and deleted_at is null for update";
    let locked = sqlx::query(sql)
        .bind(dataset.as_uuid())
        .fetch_optional(&mut *conn)
        .await?;
    if locked.is_none() {
        return Err(StoreError::NotFound("dataset"));
    }
    let batch = columns::to_int(batch)?;
    let sql = "insert into media (id, dataset_id, ordinal, content_id, file_name, original_uri, source_path, batch) \
               select gen_random_uuid(), $1, first.ordinal + (row_number() over (order by s.position))::integer - 1, \
               s.content_id, s.file_name, s.original_uri, s.source_path, $2 \
               from source_items s, \
               (select coalesce(max(ordinal) + 1, 0) as ordinal from media where dataset_id = $1) first \
               where s.dataset_id = $1 and s.batch = $2 and s.state = 'done' \
               and not exists (select from media where dataset_id = $1 and batch = $2)";
    sqlx::query(sql)
        .bind(dataset.as_uuid())
        .bind(batch)
        .execute(&mut *conn)
        .await?;
    fail::fail_point!("media_inserted", |_| Err(StoreError::Database {
        class: crate::ErrorClass::Unavailable,
        constraint: None,
        source: sqlx::Error::WorkerCrashed,
    }));
    let sql = "select count(*) from media where dataset_id = $1 and batch = $2";
    let count: i64 = sqlx::query_scalar(sql)
        .bind(dataset.as_uuid())
        .bind(batch)
        .fetch_one(conn)
        .await?;
    Ok(count.unsigned_abs())
}
