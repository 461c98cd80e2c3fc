//! The steps of a run: what each has to cover, how far it is, and what it took.

use lamina_types::{DatasetId, SpaceKey};
use sqlx::{FromRow, PgExecutor, Row, postgres::PgRow};

use crate::{StoreError, columns};

/// One step of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// 0, 1, ... in the order of work.
    pub position: u32,
    /// An enrichment type, or `INDEX` for the vectors of found objects.
    pub enrichment_type: String,
    /// What the API calls the model.
    pub slot: String,
    /// The package behind it.
    pub key: SpaceKey,
    /// Pictures or objects to cover; 0 for those of objects until they are found.
    pub units_total: u64,
    /// Of those, how many are done, the failed ones included.
    pub units_done: u64,
    /// For how many the model was run.
    pub units_run: u64,
    /// For how many it could not.
    pub units_failed: u64,
    /// What the step was expected to take, seconds: its weight in the progress.
    pub expected_seconds: f64,
    /// What it took so far, seconds.
    pub busy_seconds: f64,
}

impl FromRow<'_, PgRow> for Step {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let count = |column: &str| row.try_get::<i64, _>(column).map(i64::unsigned_abs);
        Ok(Self {
            position: columns::unsigned(row, "position")?,
            enrichment_type: row.try_get("enrichment_type")?,
            slot: row.try_get("slot")?,
            key: SpaceKey {
                package: row.try_get("package")?,
                parameters: row.try_get("parameters")?,
            },
            units_total: count("units_total")?,
            units_done: count("units_done")?,
            units_run: count("units_run")?,
            units_failed: count("units_failed")?,
            expected_seconds: row.try_get("expected_seconds")?,
            busy_seconds: row.try_get("busy_seconds")?,
        })
    }
}

/// What a chunk did for one step.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StepWork {
    /// Units that are done now, the failed ones included.
    pub done: u64,
    /// For how many the model was run.
    pub run: u64,
    /// For how many it could not.
    pub failed: u64,
    /// What that took, seconds.
    pub busy_seconds: f64,
}

/// Writes down the steps of a run; `(enrichment type, slot, key)` in the order of work.
///
/// # Errors
/// Conflict when the run has steps already.
pub async fn insert_steps(
    ex: impl PgExecutor<'_>,
    copy: DatasetId,
    steps: &[(&str, &str, &SpaceKey)],
) -> Result<(), StoreError> {
    let sql = "insert into enrichment_steps (dataset_id, position, enrichment_type, slot, package, parameters) \
               select $1, (t.n - 1)::integer, t.type, t.slot, t.package, t.parameters \
               from unnest($2::text[], $3::text[], $4::text[], $5::text[]) with ordinality as t (type, slot, package, parameters, n)";
    sqlx::query(sql)
        .bind(copy.as_uuid())
        .bind(steps.iter().map(|step| step.0).collect::<Vec<_>>())
        .bind(steps.iter().map(|step| step.1).collect::<Vec<_>>())
        .bind(
            steps
                .iter()
                .map(|step| step.2.package.as_str())
                .collect::<Vec<_>>(),
        )
        .bind(
            steps
                .iter()
                .map(|step| step.2.parameters.as_str())
                .collect::<Vec<_>>(),
        )
        .execute(ex)
        .await?;
    Ok(())
}

/// The steps of a run, in order; none for a dataset that is no copy.
///
/// # Errors
/// The database.
pub async fn steps(ex: impl PgExecutor<'_>, copy: DatasetId) -> Result<Vec<Step>, StoreError> {
    let sql = "select * from enrichment_steps where dataset_id = $1 order by position";
    Ok(sqlx::query_as(sql)
        .bind(copy.as_uuid())
        .fetch_all(ex)
        .await?)
}

/// Says what a step has to cover and, unless that was said before, what it is expected to take.
///
/// # Errors
/// Not finite.
pub async fn set_extent(
    ex: impl PgExecutor<'_>,
    copy: DatasetId,
    position: u32,
    units_total: u64,
    expected_seconds: f64,
) -> Result<(), StoreError> {
    if !expected_seconds.is_finite() {
        return Err(StoreError::NotFinite("an expected duration"));
    }
    let sql = "update enrichment_steps set units_total = $3, \
               expected_seconds = case when expected_seconds = 0 then $4 else expected_seconds end \
               where dataset_id = $1 and position = $2";
    sqlx::query(sql)
        .bind(copy.as_uuid())
        .bind(columns::to_int(position)?)
        .bind(i64::try_from(units_total).unwrap_or(i64::MAX))
        .bind(expected_seconds.max(0.0))
        .execute(ex)
        .await?;
    Ok(())
}

/// Adds what a chunk did. In the transaction that has the chunk's effects, so that every unit is counted once.
///
/// # Errors
/// Not finite; the database.
pub async fn add_work(
    ex: impl PgExecutor<'_>,
    copy: DatasetId,
    work: &[(u32, StepWork)],
) -> Result<(), StoreError> {
    if work.iter().any(|(_, work)| !work.busy_seconds.is_finite()) {
        return Err(StoreError::NotFinite("a measured duration"));
    }
    let positions = work
        .iter()
        .map(|(position, _)| columns::to_int(*position))
        .collect::<Result<Vec<_>, _>>()?;
    let column = |pick: fn(&StepWork) -> u64| -> Vec<i64> {
        work.iter()
            .map(|(_, work)| i64::try_from(pick(work)).unwrap_or(i64::MAX))
            .collect()
    };
    let sql = "update enrichment_steps s set units_done = least(s.units_total, s.units_done + t.done), \
               units_run = s.units_run + t.run, units_failed = s.units_failed + t.failed, \
               busy_seconds = s.busy_seconds + t.busy \
               from unnest($2::integer[], $3::bigint[], $4::bigint[], $5::bigint[], $6::float8[]) as t (position, done, run, failed, busy) \
               where s.dataset_id = $1 and s.position = t.position";
    sqlx::query(sql)
        .bind(copy.as_uuid())
        .bind(positions)
        .bind(column(|work| work.done))
        .bind(column(|work| work.run))
        .bind(column(|work| work.failed))
        .bind(
            work.iter()
                .map(|(_, work)| work.busy_seconds)
                .collect::<Vec<_>>(),
        )
        .execute(ex)
        .await?;
    Ok(())
}

/// How much of a run's work is done, 0 to 1: each step by its share, weighted by what it was expected to take.
pub fn share_done(steps: &[Step]) -> f32 {
    let whole: f64 = steps.iter().map(|step| step.expected_seconds).sum();
    if whole <= 0.0 {
        return 0.0;
    }
    let done: f64 = steps
        .iter()
        .filter(|step| step.units_total > 0)
        .map(|step| step.expected_seconds * step.units_done as f64 / step.units_total as f64)
        .sum();
    (done / whole).clamp(0.0, 1.0) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(total: u64, done: u64, expected_seconds: f64) -> Step {
        Step {
            position: 0,
            enrichment_type: String::new(),
            slot: String::new(),
            key: SpaceKey {
                package: String::new(),
                parameters: String::new(),
            },
            units_total: total,
            units_done: done,
            units_run: 0,
            units_failed: 0,
            expected_seconds,
            busy_seconds: 0.0,
        }
    }

    #[test]
    fn a_slow_step_weighs_more_than_a_quick_one() {
        let half = share_done(&[step(10, 10, 1.0), step(10, 0, 9.0)]);
        assert!((half - 0.1).abs() < 1e-6);
        assert_eq!(share_done(&[step(10, 10, 1.0), step(10, 10, 9.0)]), 1.0);
    }

    #[test]
    fn steps_whose_extent_is_not_known_count_as_not_begun() {
        assert!((share_done(&[step(10, 10, 1.0), step(0, 0, 1.0)]) - 0.5).abs() < 1e-6);
        assert_eq!(share_done(&[]), 0.0);
    }
}
