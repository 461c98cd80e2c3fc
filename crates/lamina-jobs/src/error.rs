//! Errors: of the queue itself, and of a handler's run.

use std::time::Duration;

/// Anything that can go wrong when the queue is written or asked.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The database.
    #[error("the job tables could not be read or written")]
    Database(#[from] sqlx::Error),
    /// A phase without chunks would never end.
    #[error("phase {0:?} has no chunks")]
    EmptyPhase(String),
    /// A range that ends before it starts.
    #[error("phase {phase:?} has the range {first}..{end}")]
    BadRange {
        /// Which phase.
        phase: String,
        /// First unit.
        first: i64,
        /// One behind the last unit.
        end: i64,
    },
    /// The lease is somebody else's now, or the job has ended.
    #[error("the lease of chunk {0} is lost")]
    LeaseLost(i64),
    /// A spec that cannot be written down.
    #[error("the spec of a job is no JSON value")]
    Spec(#[from] serde_json::Error),
    /// A state text that this program does not know.
    #[error("job state {0:?} is unknown")]
    UnknownState(String),
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// How a handler's run ended when it did not complete its chunk.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// Try this chunk again. Counts as an attempt; when there are none left the chunk is cut in half, or its one unit is
    /// handed over as exhausted.
    #[error("{reason}")]
    Retry {
        /// Not before; by default 1 s, doubled with each attempt up to 60 s.
        after: Option<Duration>,
        /// Fit for the user's eyes: it is shown if the job fails in the end.
        reason: String,
        /// For the log.
        #[source]
        source: Option<Cause>,
    },
    /// Nothing is wrong with the chunk, but it cannot be done now (disk full, models missing). Does not count.
    #[error("{reason}")]
    Wait {
        /// Not before.
        after: Duration,
        /// Fit for the user's eyes.
        reason: String,
        /// For the log.
        #[source]
        source: Option<Cause>,
    },
    /// The job cannot succeed.
    #[error("{message}")]
    Fatal {
        /// Fit for the user's eyes.
        message: String,
        /// For the log.
        #[source]
        source: Option<Cause>,
    },
    /// Somebody else has the chunk now, or the job was cancelled; nothing may be written any more.
    #[error("the lease is lost")]
    LeaseLost,
    /// The process is shutting down; the chunk goes back as if it had not been tried.
    #[error("interrupted by shutdown")]
    Interrupted,
}

impl JobError {
    /// Try again after the usual pause.
    pub fn retry(reason: impl Into<String>) -> Self {
        Self::Retry {
            after: None,
            reason: reason.into(),
            source: None,
        }
    }

    /// Try again after the usual pause, because of `source`.
    pub fn retry_because(reason: impl Into<String>, source: impl Into<Cause>) -> Self {
        Self::Retry {
            after: None,
            reason: reason.into(),
            source: Some(source.into()),
        }
    }

    /// Not now; try again in `after`, without counting.
    pub fn wait(after: Duration, reason: impl Into<String>, source: Option<Cause>) -> Self {
        Self::Wait {
            after,
            reason: reason.into(),
            source,
        }
    }

    /// Give the job up.
    pub fn fatal(message: impl Into<String>) -> Self {
        Self::Fatal {
            message: message.into(),
            source: None,
        }
    }

    /// Give the job up, because of `source`.
    pub fn fatal_because(message: impl Into<String>, source: impl Into<Cause>) -> Self {
        Self::Fatal {
            message: message.into(),
            source: Some(source.into()),
        }
    }

    /// The label of this outcome in metrics and logs.
    pub(crate) const fn outcome(&self) -> &'static str {
        match self {
            Self::Retry { .. } => "retry",
            Self::Wait { .. } => "wait",
            Self::Fatal { .. } => "fatal",
            Self::LeaseLost => "lease_lost",
            Self::Interrupted => "interrupted",
        }
    }
}

impl From<sqlx::Error> for JobError {
    fn from(source: sqlx::Error) -> Self {
        Self::retry_because("the database could not be used", source)
    }
}

impl From<QueueError> for JobError {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::LeaseLost(_) => Self::LeaseLost,
            QueueError::Database(source) => source.into(),
            error @ (QueueError::EmptyPhase(_)
            | QueueError::BadRange { .. }
            | QueueError::Spec(_)
            | QueueError::UnknownState(_)) => Self::fatal_because("the job is malformed", error),
        }
    }
}
