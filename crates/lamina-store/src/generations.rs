//! Index generations: one immutable file of derived data each. The row publishes the file, so it is written last, in the
//! transaction that makes the dataset `READY`, fenced by the job's lease (hardening P57, P60).

use chrono::{DateTime, Utc};
use lamina_types::{DatasetId, EntityType, Space};
use sqlx::{FromRow, PgExecutor, Row, postgres::PgRow};

use crate::{StoreError, columns};

/// One published generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// Whose.
    pub dataset_id: DatasetId,
    /// Of pictures or of boxes.
    pub entity_type: EntityType,
    /// Of which vectors.
    pub space: Space,
    /// 1, 2, ...; the highest counts.
    pub number: i32,
    /// Whose ordinals the file speaks of: a copy points at its source's file.
    pub origin_dataset_id: DatasetId,
    /// Where the file is; see [`crate::BlobStore::generation_key`].
    pub blob_key: String,
    /// As `lamina-index` computes it over the file.
    pub checksum: [u8; 32],
    /// Number of vectors.
    pub count: u32,
    /// When it was published; ignored on publishing.
    pub created_at: DateTime<Utc>,
}

impl FromRow<'_, PgRow> for Generation {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            dataset_id: DatasetId::from_uuid(row.try_get("dataset_id")?),
            entity_type: columns::text(row, "entity_type")?,
            space: columns::text(row, "space")?,
            number: row.try_get("number")?,
            origin_dataset_id: DatasetId::from_uuid(row.try_get("origin_dataset_id")?),
            blob_key: row.try_get("blob_key")?,
            checksum: columns::digest(row, "checksum")?,
            count: columns::unsigned(row, "count")?,
            created_at: row.try_get("created_at")?,
        })
    }
}

/// The number that the next generation will have.
///
/// # Errors
/// The database.
pub async fn next_number(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    entity: EntityType,
    space: Space,
) -> Result<i32, StoreError> {
    // A dataset that was restored has lost generations whose files somebody may still read: their numbers are not used again.
    let sql = "select 1 + greatest(coalesce((select max(number) from index_generations \
               where dataset_id = $1 and entity_type = $2 and space = $3), 0), \
               coalesce((select generations_made from datasets where id = $1), 0))";
    Ok(sqlx::query_scalar(sql)
        .bind(dataset.as_uuid())
        .bind(entity.as_str())
        .bind(space.as_str())
        .fetch_one(ex)
        .await?)
}

/// Publishes a generation whose file is in the blob store already.
///
/// # Errors
/// Conflict when somebody else published this number.
pub async fn publish(ex: impl PgExecutor<'_>, new: &Generation) -> Result<(), StoreError> {
    let sql = "insert into index_generations \
               (dataset_id, entity_type, space, number, origin_dataset_id, blob_key, checksum, count) \
               values ($1, $2, $3, $4, $5, $6, $7, $8)";
    sqlx::query(sql)
        .bind(new.dataset_id.as_uuid())
        .bind(new.entity_type.as_str())
        .bind(new.space.as_str())
        .bind(new.number)
        .bind(new.origin_dataset_id.as_uuid())
        .bind(&new.blob_key)
        .bind(new.checksum.as_slice())
        .bind(columns::to_int(new.count)?)
        .execute(ex)
        .await?;
    fail::fail_point!("generation_inserted", |_| Err(StoreError::Database {
        class: crate::ErrorClass::Unavailable,
        constraint: None,
        source: sqlx::Error::WorkerCrashed,
    }));
    Ok(())
}

/// The generation that counts.
///
/// # Errors
/// The database.
pub async fn latest(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    entity: EntityType,
    space: Space,
) -> Result<Option<Generation>, StoreError> {
    let sql = "select * from index_generations where dataset_id = $1 and entity_type = $2 and space = $3 \
               order by number desc limit 1";
    Ok(sqlx::query_as(sql)
        .bind(dataset.as_uuid())
        .bind(entity.as_str())
        .bind(space.as_str())
        .fetch_optional(ex)
        .await?)
}

/// All generations of a dataset, newest first.
///
/// # Errors
/// The database.
pub async fn list(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
) -> Result<Vec<Generation>, StoreError> {
    let sql = "select * from index_generations where dataset_id = $1 order by entity_type, space, number desc";
    Ok(sqlx::query_as(sql)
        .bind(dataset.as_uuid())
        .fetch_all(ex)
        .await?)
}

/// Lets copies and snapshots that share the file of `old`, which is damaged, share that of `new` instead, which was made of the same
/// vectors; the datasets whose newest generation that was.
///
/// # Errors
/// The database.
pub async fn share_successor(
    ex: impl PgExecutor<'_>,
    old: &Generation,
    new: &Generation,
) -> Result<Vec<DatasetId>, StoreError> {
    let sql = "update index_generations g set number = $3, origin_dataset_id = $4, blob_key = $5, checksum = $6 \
               where g.blob_key = $1 and g.dataset_id <> $2 and g.count = $7 and g.number < $3 \
               and not exists (select from index_generations newer where newer.dataset_id = g.dataset_id \
               and newer.entity_type = g.entity_type and newer.space = g.space and newer.number > g.number) \
               returning g.dataset_id";
    let ids: Vec<uuid::Uuid> = sqlx::query_scalar(sql)
        .bind(&old.blob_key)
        .bind(new.dataset_id.as_uuid())
        .bind(new.number)
        .bind(new.origin_dataset_id.as_uuid())
        .bind(&new.blob_key)
        .bind(new.checksum.as_slice())
        .bind(columns::to_int(new.count)?)
        .fetch_all(ex)
        .await?;
    Ok(ids.into_iter().map(DatasetId::from_uuid).collect())
}

/// Forgets generations below `keep_from`; the blob keys that no other dataset uses, which may be deleted after commit
/// (readers that still hold the old file have it in memory).
///
/// # Errors
/// The database.
pub async fn retire(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    entity: EntityType,
    space: Space,
    keep_from: i32,
) -> Result<Vec<String>, StoreError> {
    let sql = "with gone as (delete from index_generations \
               where dataset_id = $1 and entity_type = $2 and space = $3 and number < $4 \
               returning dataset_id, entity_type, space, number, blob_key) \
               select gone.blob_key from gone where not exists (select from index_generations other \
               where other.blob_key = gone.blob_key and (other.dataset_id, other.entity_type, other.space, other.number) \
               not in (select dataset_id, entity_type, space, number from gone))";
    Ok(sqlx::query_scalar(sql)
        .bind(dataset.as_uuid())
        .bind(entity.as_str())
        .bind(space.as_str())
        .bind(keep_from)
        .fetch_all(ex)
        .await?)
}
