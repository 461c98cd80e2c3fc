//! What can go wrong in a handler, and what the queue should do about it.

use std::time::Duration;

use lamina_jobs::JobError;
use lamina_store::sqlx::Error as DatabaseError;
use lamina_store::{BlobError, StoreError};

use crate::sources::{FetchError, SourceError};

/// Pause before the disk is tried again.
const DISK_PAUSE: Duration = Duration::from_secs(10);

/// Why a chunk did not get done. Nothing here is the fault of a single file: those are rows in the report.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The database or the blob store.
    #[error("the database or the blob store failed")]
    Store(#[from] StoreError),
    /// A statement or a commit of our own.
    #[error("the database failed")]
    Database(#[from] DatabaseError),
    /// The model.
    #[error("the model failed")]
    Inference(#[from] lamina_inference::InferenceError),
    /// The index.
    #[error("the index could not be built")]
    Index(#[from] lamina_index::IndexError),
    /// Vectors or a generation could not be read.
    #[error("the vectors could not be read")]
    Explore(#[from] lamina_explore::ExploreError),
    /// An archive could not be written.
    #[error("the export could not be written")]
    Export(#[from] lamina_export::ExportError),
    /// The source as a whole cannot be read.
    #[error("the source cannot be read: {0}")]
    Source(#[from] SourceError),
    /// The source's storage failed on one file.
    #[error("a file of the source could not be read")]
    Fetch(#[source] FetchError),
    /// The queue took the chunk away, or is asking to stop.
    #[error(transparent)]
    Job(#[from] JobError),
    /// A background thread broke down.
    #[error("a background thread ended unexpectedly")]
    Thread(#[from] tokio::task::JoinError),
    /// The job can never succeed; the text is for the user.
    #[error("{0}")]
    Hopeless(String),
}

impl From<PipelineError> for JobError {
    fn from(error: PipelineError) -> Self {
        let message = error.to_string();
        match error {
            PipelineError::Job(error) => error,
            PipelineError::Hopeless(message) => Self::fatal(message),
            PipelineError::Source(SourceError::Stopped) => Self::Interrupted,
            PipelineError::Source(error) if !error.is_retryable() => {
                Self::fatal_because(message, error)
            }
            // Nothing is wrong with the chunk: it waits for somebody to make room.
            PipelineError::Store(error @ StoreError::Blob(BlobError::NoSpace { .. })) => {
                Self::wait(DISK_PAUSE, "the disk is full", Some(error.into()))
            }
            PipelineError::Store(error) if error.is_transient() => {
                Self::wait(Duration::from_secs(1), message, Some(error.into()))
            }
            other @ (PipelineError::Store(_)
            | PipelineError::Database(_)
            | PipelineError::Inference(_)
            | PipelineError::Index(_)
            | PipelineError::Explore(_)
            | PipelineError::Export(_)
            | PipelineError::Source(_)
            | PipelineError::Fetch(_)
            | PipelineError::Thread(_)) => Self::retry_because(message, other),
        }
    }
}
