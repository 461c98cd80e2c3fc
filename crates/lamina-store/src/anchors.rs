//! Anchors: pictures uploaded for a search (contract 5). Vectors only, bound to one dataset, gone after a while.

use std::time::Duration;

use lamina_types::{AnchorId, DatasetId, EntityType, SpaceKey};
use sqlx::{FromRow, PgExecutor, Row, postgres::PgRow};

use crate::{StoreError, columns};

/// An anchor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// Id.
    pub id: AnchorId,
    /// The only dataset it may be used with.
    pub dataset_id: DatasetId,
    /// What it is compared with.
    pub entity_type: EntityType,
    /// What made the vector.
    pub key: SpaceKey,
    /// Little-endian f16, L2-normalised.
    pub vector: Vec<u8>,
}

impl FromRow<'_, PgRow> for Anchor {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: AnchorId::from_uuid(row.try_get("id")?),
            dataset_id: DatasetId::from_uuid(row.try_get("dataset_id")?),
            entity_type: columns::text(row, "entity_type")?,
            key: SpaceKey {
                package: row.try_get("package")?,
                parameters: row.try_get("parameters")?,
            },
            vector: row.try_get("vector")?,
        })
    }
}

/// Stores an anchor for `life`, by the database's clock.
///
/// # Errors
/// Conflict when the dataset is gone.
pub async fn insert(
    ex: impl PgExecutor<'_>,
    anchor: &Anchor,
    life: Duration,
) -> Result<(), StoreError> {
    let sql = "insert into anchors (id, dataset_id, entity_type, package, parameters, vector, expires_at) \
               values ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7))";
    sqlx::query(sql)
        .bind(anchor.id.as_uuid())
        .bind(anchor.dataset_id.as_uuid())
        .bind(anchor.entity_type.as_str())
        .bind(&anchor.key.package)
        .bind(&anchor.key.parameters)
        .bind(&anchor.vector)
        .bind(life.as_secs_f64())
        .execute(ex)
        .await?;
    Ok(())
}

/// An anchor of this dataset that has not expired.
///
/// # Errors
/// The database.
pub async fn find(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    id: AnchorId,
) -> Result<Option<Anchor>, StoreError> {
    let sql = "select * from anchors where id = $1 and dataset_id = $2 and expires_at > now()";
    Ok(sqlx::query_as(sql)
        .bind(id.as_uuid())
        .bind(dataset.as_uuid())
        .fetch_optional(ex)
        .await?)
}

/// Deletes up to `limit` expired anchors; how many.
///
/// # Errors
/// The database.
pub async fn delete_expired(ex: impl PgExecutor<'_>, limit: u32) -> Result<u64, StoreError> {
    let sql = "delete from anchors where id in (select id from anchors where expires_at <= now() \
               order by expires_at limit $1 for update skip locked)";
    Ok(sqlx::query(sql)
        .bind(i64::from(limit))
        .execute(ex)
        .await?
        .rows_affected())
}
