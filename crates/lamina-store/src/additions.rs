//! Additions of media to datasets that are complete: how one begins, and how it is taken back.

use lamina_types::{DatasetId, DatasetStatus, RejectReason, SpaceKey};
use sqlx::{PgConnection, PgExecutor, Row};

use crate::datasets::{self, Dataset};
use crate::{StoreError, columns, source_items};

/// A dataset that was taken for an addition.
#[derive(Debug, Clone, PartialEq)]
pub struct BegunAddition {
    /// As it is now: `READ ONLY`.
    pub dataset: Dataset,
    /// What it was.
    pub previous: DatasetStatus,
    /// Number of the addition, never used before in this dataset.
    pub batch: u32,
}

/// Takes a dataset, `READ ONLY` from here on. Of two callers one gets the conflict. The job has to be enqueued in the same
/// transaction.
///
/// # Errors
/// [`StoreError::StatusConflict`] unless it is `READY` or `PARTIAL INDEX`; not found.
pub async fn begin(conn: &mut PgConnection, id: DatasetId) -> Result<BegunAddition, StoreError> {
    let previous = lock(conn, id).await?;
    let from = [DatasetStatus::Ready, DatasetStatus::PartialIndex];
    let dataset = datasets::move_status(conn, id, &from, DatasetStatus::ReadOnly).await?;
    // The rows of a dataset that was copied have the numbers of its source.
    let sql = "update datasets set batches_made = 1 + greatest(batches_made, \
               coalesce((select batch from media where dataset_id = $1 order by ordinal desc limit 1), 0), \
               coalesce((select max(batch) from source_items where dataset_id = $1), 0)) \
               where id = $1 returning batches_made";
    let row = sqlx::query(sql).bind(id.as_uuid()).fetch_one(conn).await?;
    Ok(BegunAddition {
        dataset,
        previous,
        batch: columns::unsigned(&row, "batches_made")?,
    })
}

/// The status of a dataset, which cannot change until the transaction ends.
///
/// # Errors
/// Not found.
pub async fn lock(conn: &mut PgConnection, id: DatasetId) -> Result<DatasetStatus, StoreError> {
    let sql = "select status from datasets where id = $1 and deleted_at is null for update";
    let row = sqlx::query(sql)
        .bind(id.as_uuid())
        .fetch_optional(conn)
        .await?
        .ok_or(StoreError::NotFound("dataset"))?;
    Ok(columns::text(&row, "status")?)
}

/// Gives a dataset back as it was before a change that failed. Nothing happens to one that is not `READ ONLY`.
///
/// # Errors
/// The database.
pub async fn give_back(
    ex: impl PgExecutor<'_>,
    id: DatasetId,
    previous: DatasetStatus,
) -> Result<(), StoreError> {
    let sql = "update datasets set status = $2, revision = revision + 1, updated_at = now(), \
               progress = case when $2 = 'ERROR' then least(progress, 99) else 100 end \
               where id = $1 and deleted_at is null and status = 'READ ONLY'";
    sqlx::query(sql)
        .bind(id.as_uuid())
        .bind(previous.as_str())
        .execute(ex)
        .await?;
    Ok(())
}

/// Takes an addition back: its files are forgotten, the dataset is what it was.
///
/// # Errors
/// The database.
pub async fn take_back(
    conn: &mut PgConnection,
    id: DatasetId,
    batch: u32,
    previous: DatasetStatus,
) -> Result<(), StoreError> {
    source_items::clear(&mut *conn, id, batch).await?;
    give_back(conn, id, previous).await
}

/// The vectors of the taken files of an addition, in the order in which they will be media: little-endian f16, one after the
/// other.
///
/// # Errors
/// [`StoreError::VectorsIncomplete`] when one has none.
pub async fn vectors(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    batch: u32,
    key: &SpaceKey,
) -> Result<Vec<u8>, StoreError> {
    let sql = "select o.vector from source_items s left join outputs o \
               on o.content_id = s.content_id and o.package = $3 and o.parameters = $4 \
               where s.dataset_id = $1 and s.batch = $2 and s.state = 'done' order by s.position";
    let rows = sqlx::query(sql)
        .bind(dataset.as_uuid())
        .bind(columns::to_int(batch)?)
        .bind(&key.package)
        .bind(&key.parameters)
        .fetch_all(ex)
        .await?;
    let mut bytes = Vec::new();
    for (found, row) in rows.iter().enumerate() {
        let vector: Option<&[u8]> = row.try_get("vector")?;
        let vector = vector.ok_or(StoreError::VectorsIncomplete {
            dataset,
            media: rows.len(),
            found,
            ordinal: columns::to_unsigned(found)?,
        })?;
        bytes.extend_from_slice(vector);
    }
    Ok(bytes)
}

/// Writes down which of the new media lack what models made of the others: they came after the enrichment. It is true until
/// [`note_enriched`].
///
/// # Errors
/// The database.
pub async fn note_unenriched(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    batch: u32,
) -> Result<(), StoreError> {
    let sql = "insert into enrichment_failures (dataset_id, enrichment_type, entity_id, reason, detail) \
               select $1, s.space, m.id, $3, 'it was added after the enrichment' from dataset_spaces s \
               join media m on m.dataset_id = $1 and m.batch = $2 \
               left join outputs o on o.content_id = m.content_id and o.package = s.package and o.parameters = s.parameters \
               where s.dataset_id = $1 and s.entity_type = 'IMAGES' and s.space not in ('INDEX', 'CAPTION_TEXT') \
               and o.vector is null on conflict do nothing";
    sqlx::query(sql)
        .bind(dataset.as_uuid())
        .bind(columns::to_int(batch)?)
        .bind(RejectReason::NoEmbedding.as_str())
        .execute(ex)
        .await?;
    Ok(())
}

/// Forgets what [`note_unenriched`] wrote down about media that models have looked at since.
///
/// # Errors
/// The database.
pub async fn note_enriched(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    batch: u32,
) -> Result<(), StoreError> {
    let sql = "delete from enrichment_failures f using dataset_spaces s, media m, outputs o \
               where f.dataset_id = $1 and s.dataset_id = $1 and s.entity_type = 'IMAGES' and s.space = f.enrichment_type \
               and m.dataset_id = $1 and m.batch = $2 and m.id = f.entity_id \
               and o.content_id = m.content_id and o.package = s.package and o.parameters = s.parameters and o.vector is not null";
    sqlx::query(sql)
        .bind(dataset.as_uuid())
        .bind(columns::to_int(batch)?)
        .execute(ex)
        .await?;
    Ok(())
}
