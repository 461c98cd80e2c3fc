//! What has been applied to a dataset (contract 2.2), and the runs that apply it: how one begins and ends, its steps, what
//! it could not do, and what models take.

mod costs;
mod failures;
mod run;
mod steps;

use lamina_types::{ContextId, DatasetId, EnrichmentStatus, SpaceKey};
use sqlx::{FromRow, PgExecutor, Row, postgres::PgRow};
use uuid::Uuid;

use crate::{StoreError, columns};

pub use costs::{expected_unit_seconds, learn_cost};
pub use failures::{ItemFailure, failures, put_failures};
pub use run::{
    begin, copies_being_made, end_badly, mark_completed, release_source, release_stranded,
};
pub use steps::{Step, StepWork, add_work, insert_steps, set_extent, share_done, steps};

/// A model that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedModel {
    /// `CAPTION_IMAGES`, ...
    pub enrichment_type: String,
    /// What the API calls the model.
    pub slot: String,
    /// The package behind it.
    pub key: SpaceKey,
}

impl FromRow<'_, PgRow> for AppliedModel {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            enrichment_type: row.try_get("enrichment_type")?,
            slot: row.try_get("slot")?,
            key: SpaceKey {
                package: row.try_get("package")?,
                parameters: row.try_get("parameters")?,
            },
        })
    }
}

/// The dataset's context and its status, made on first use.
///
/// # Errors
/// Conflict when the dataset is gone.
pub async fn context(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
) -> Result<(ContextId, EnrichmentStatus), StoreError> {
    // An update that changes nothing makes the statement return the row that was there.
    let sql = "insert into enrichment_contexts (id, dataset_id) values ($1, $2) \
               on conflict (dataset_id) do update set dataset_id = excluded.dataset_id returning id, status";
    let row = sqlx::query(sql)
        .bind(ContextId::new().as_uuid())
        .bind(dataset.as_uuid())
        .fetch_one(ex)
        .await?;
    let id: Uuid = row.try_get("id")?;
    Ok((ContextId::from_uuid(id), columns::text(&row, "status")?))
}

/// Models applied to a dataset, by type.
///
/// # Errors
/// The database.
pub async fn applied(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
) -> Result<Vec<AppliedModel>, StoreError> {
    let sql = "select * from applied_models where dataset_id = $1 order by enrichment_type";
    Ok(sqlx::query_as(sql)
        .bind(dataset.as_uuid())
        .fetch_all(ex)
        .await?)
}

/// Records that a model was applied.
///
/// # Errors
/// Conflict when the dataset is gone.
pub async fn put_applied(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    model: &AppliedModel,
) -> Result<(), StoreError> {
    let sql = "insert into applied_models (dataset_id, enrichment_type, slot, package, parameters) \
               values ($1, $2, $3, $4, $5) on conflict (dataset_id, enrichment_type) do update set \
               slot = excluded.slot, package = excluded.package, parameters = excluded.parameters, applied_at = now()";
    sqlx::query(sql)
        .bind(dataset.as_uuid())
        .bind(&model.enrichment_type)
        .bind(&model.slot)
        .bind(&model.key.package)
        .bind(&model.key.parameters)
        .execute(ex)
        .await?;
    Ok(())
}
