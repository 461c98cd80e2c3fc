//! What a model could not be applied to: rows of a report, never the end of a run.

use lamina_types::{DatasetId, RejectReason, Rejection};
use sqlx::{FromRow, PgExecutor, Row, postgres::PgRow};
use uuid::Uuid;

use crate::{StoreError, columns};

/// One picture or object that a step left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemFailure {
    /// Of the step.
    pub enrichment_type: String,
    /// A media id or an object id, by the type.
    pub entity_id: Uuid,
    /// Why.
    pub rejection: Rejection,
}

impl FromRow<'_, PgRow> for ItemFailure {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let reason: RejectReason = columns::text(row, "reason")?;
        Ok(Self {
            enrichment_type: row.try_get("enrichment_type")?,
            entity_id: row.try_get("entity_id")?,
            rejection: Rejection::new(reason, row.try_get::<String, _>("detail")?),
        })
    }
}

/// Writes failures down; one that is known already stays as it is.
///
/// # Errors
/// The database.
pub async fn put_failures(
    ex: impl PgExecutor<'_>,
    copy: DatasetId,
    failures: &[ItemFailure],
) -> Result<(), StoreError> {
    if failures.is_empty() {
        return Ok(());
    }
    let sql = "insert into enrichment_failures (dataset_id, enrichment_type, entity_id, reason, detail) \
               select $1, t.* from unnest($2::text[], $3::uuid[], $4::text[], $5::text[]) t on conflict do nothing";
    let texts = |pick: fn(&ItemFailure) -> String| -> Vec<String> {
        failures
            .iter()
            .map(|failure| pick(failure).replace('\0', "\u{fffd}"))
            .collect()
    };
    sqlx::query(sql)
        .bind(copy.as_uuid())
        .bind(texts(|failure| failure.enrichment_type.clone()))
        .bind(
            failures
                .iter()
                .map(|failure| failure.entity_id)
                .collect::<Vec<_>>(),
        )
        .bind(texts(|failure| failure.rejection.reason.to_string()))
        .bind(texts(|failure| failure.rejection.detail.clone()))
        .execute(ex)
        .await?;
    Ok(())
}

/// What a run could not do, by type and entity.
///
/// # Errors
/// The database.
pub async fn failures(
    ex: impl PgExecutor<'_>,
    copy: DatasetId,
    limit: u32,
) -> Result<Vec<ItemFailure>, StoreError> {
    let sql = "select * from enrichment_failures where dataset_id = $1 order by enrichment_type, entity_id limit $2";
    Ok(sqlx::query_as(sql)
        .bind(copy.as_uuid())
        .bind(i64::from(limit))
        .fetch_all(ex)
        .await?)
}
