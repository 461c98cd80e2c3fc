//! Looking at jobs: what the API, the page and the command line show.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgExecutor, Row, postgres::PgRow};
use uuid::Uuid;

use crate::QueueError;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Nobody has started.
    Queued,
    /// Being worked on, or waiting for its next chunk to be claimed.
    Running,
    /// Done.
    Succeeded,
    /// Given up.
    Failed,
    /// Taken back.
    Cancelled,
}

impl JobState {
    /// Whether it still can change.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Queued | Self::Running)
    }

    fn parse(text: &str) -> Result<Self, QueueError> {
        Ok(match text {
            "queued" => Self::Queued,
            "running" => Self::Running,
            "succeeded" => Self::Succeeded,
            "failed" => Self::Failed,
            "cancelled" => Self::Cancelled,
            other => return Err(QueueError::UnknownState(other.to_owned())),
        })
    }
}

/// A job as seen from outside.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct JobProgress {
    /// Id.
    pub id: Uuid,
    /// Which handler.
    pub kind: String,
    /// Whose.
    pub owner_id: Option<Uuid>,
    /// About what.
    pub subject_id: Option<Uuid>,
    /// Where it stands.
    pub state: JobState,
    /// The present (or last) step.
    pub phase: String,
    /// Units of the present phase.
    pub units_total: i64,
    /// Of those, how many are done.
    pub units_done: i64,
    /// Why it failed, for the user.
    pub error: Option<String>,
    /// When it was enqueued.
    pub created_at: DateTime<Utc>,
    /// When it was first claimed.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

impl FromRow<'_, PgRow> for JobProgress {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let state =
            JobState::parse(row.try_get("state")?).map_err(|error| sqlx::Error::ColumnDecode {
                index: "state".to_owned(),
                source: Box::new(error),
            })?;
        Ok(Self {
            id: row.try_get("id")?,
            kind: row.try_get("kind")?,
            owner_id: row.try_get("owner_id")?,
            subject_id: row.try_get("subject_id")?,
            state,
            phase: row.try_get("phase")?,
            units_total: row.try_get("units_total")?,
            units_done: row.try_get("units_done")?,
            error: row.try_get("error_message")?,
            created_at: row.try_get("created_at")?,
            started_at: row.try_get("started_at")?,
            finished_at: row.try_get("finished_at")?,
        })
    }
}

/// A job.
///
/// # Errors
/// The database.
pub async fn progress(
    ex: impl PgExecutor<'_>,
    job: Uuid,
) -> Result<Option<JobProgress>, QueueError> {
    let sql = "select * from jobs j join job_states s on s.job_id = j.id where j.id = $1";
    Ok(sqlx::query_as(sql).bind(job).fetch_optional(ex).await?)
}

/// The newest job about `subject`.
///
/// # Errors
/// The database.
pub async fn latest_of_subject(
    ex: impl PgExecutor<'_>,
    subject: Uuid,
) -> Result<Option<JobProgress>, QueueError> {
    let sql = "select * from jobs j join job_states s on s.job_id = j.id where j.subject_id = $1 \
               order by j.created_at desc, j.id desc limit 1";
    Ok(sqlx::query_as(sql).bind(subject).fetch_optional(ex).await?)
}

/// Jobs about `subject` that have not ended, oldest first.
///
/// # Errors
/// The database.
pub async fn live_of_subject(
    ex: impl PgExecutor<'_>,
    subject: Uuid,
) -> Result<Vec<JobProgress>, QueueError> {
    let sql = "select * from jobs j join job_states s on s.job_id = j.id where j.subject_id = $1 \
               and s.state in ('queued', 'running') order by j.created_at, j.id";
    Ok(sqlx::query_as(sql).bind(subject).fetch_all(ex).await?)
}
