//! What models take for one picture or object, learnt from runs, so that the next run's progress means something.

use lamina_types::SpaceKey;
use sqlx::PgExecutor;

use crate::StoreError;

/// The weight of a new measurement against what was known, so that one slow moment does not decide.
const WEIGHT: f64 = 0.2;

/// Takes note of a measurement, in seconds for one unit.
///
/// # Errors
/// Not finite.
pub async fn learn_cost(
    ex: impl PgExecutor<'_>,
    key: &SpaceKey,
    unit_seconds: f64,
) -> Result<(), StoreError> {
    if !unit_seconds.is_finite() {
        return Err(StoreError::NotFinite("a measured duration"));
    }
    let sql = "insert into model_costs (package, parameters, unit_seconds) values ($1, $2, $3) \
               on conflict (package, parameters) do update set measured_at = now(), \
               unit_seconds = model_costs.unit_seconds * (1 - $4) + excluded.unit_seconds * $4";
    sqlx::query(sql)
        .bind(&key.package)
        .bind(&key.parameters)
        .bind(unit_seconds.max(1e-6))
        .bind(WEIGHT)
        .execute(ex)
        .await?;
    Ok(())
}

/// What one unit is expected to take, in seconds; nothing for a model that was never run here.
///
/// # Errors
/// The database.
pub async fn expected_unit_seconds(
    ex: impl PgExecutor<'_>,
    key: &SpaceKey,
) -> Result<Option<f64>, StoreError> {
    let sql = "select unit_seconds from model_costs where package = $1 and parameters = $2";
    Ok(sqlx::query_scalar(sql)
        .bind(&key.package)
        .bind(&key.parameters)
        .fetch_optional(ex)
        .await?)
}
