//! Ingest: from a source to a searchable dataset.
//!
//! Three phases. `list` (one chunk) writes what the source holds into `source_items`; `process` (chunks of files, any
//! number of workers) turns files into contents, measures and vectors; `publish` (one chunk) makes the media rows,
//! derives clusters and publishes the generation together with `READY`.

mod add;
mod annotations;
mod item;
mod list;
mod prepare;
pub use add::AddHandler;
pub use prepare::{Prepared, prepare};
mod process;
mod publish;
mod sources;
mod upload;

use async_trait::async_trait;
use lamina_jobs::{ClaimedChunk, Completed, JobContext, JobError, JobHandler};
use lamina_store::datasets::{self, Dataset};
use lamina_store::sqlx::PgConnection;
use lamina_types::{DatasetId, IngestSpec, JobKind};

use crate::PipelineError;
use crate::workshop::Workshop;
use sources::OpenSources;

/// First phase of an ingest.
const LIST: &str = JobKind::Ingest.first_phase();
/// Second phase.
const PROCESS: &str = "process";
/// Last phase.
const PUBLISH: &str = "publish";

/// The batch number of a dataset's creation; additions count on from it.
const CREATION: u32 = 0;

/// Runs ingest jobs.
pub struct IngestHandler {
    workshop: Workshop,
    sources: OpenSources,
}

impl IngestHandler {
    /// A handler that works with these tools.
    pub fn new(workshop: Workshop) -> Self {
        Self {
            workshop,
            sources: OpenSources::default(),
        }
    }
}

#[async_trait]
impl JobHandler for IngestHandler {
    fn kind(&self) -> &str {
        JobKind::Ingest.as_str()
    }

    async fn run(&self, chunk: &ClaimedChunk, context: &JobContext) -> Result<Completed, JobError> {
        let spec: IngestSpec = chunk.job.spec()?;
        let dataset = living(&self.workshop, spec.dataset_id).await?;
        let task = IngestTask {
            workshop: &self.workshop,
            sources: &self.sources,
            spec: &spec,
            batch: CREATION,
            dataset: &dataset,
            chunk,
            context,
        };
        let done = match chunk.phase.as_str() {
            LIST => list::run(&task).await,
            PROCESS => process::run(&task).await,
            PUBLISH => publish::run(&task).await,
            other => Err(PipelineError::Hopeless(format!(
                "This version knows no ingest phase {other:?}."
            ))),
        };
        Ok(task.ended(done)?)
    }

    async fn failed(
        &self,
        conn: &mut PgConnection,
        chunk: &ClaimedChunk,
        message: &str,
    ) -> Result<(), JobError> {
        let spec: IngestSpec = chunk.job.spec()?;
        self.sources.close(chunk.job.id);
        datasets::fail(conn, spec.dataset_id, message)
            .await
            .map_err(PipelineError::from)?;
        Ok(())
    }
}

/// Everything that a phase needs to know about the chunk it runs.
struct IngestTask<'a> {
    workshop: &'a Workshop,
    sources: &'a OpenSources,
    spec: &'a IngestSpec,
    /// Which creation or addition.
    batch: u32,
    dataset: &'a Dataset,
    chunk: &'a ClaimedChunk,
    context: &'a JobContext,
}

impl IngestTask<'_> {
    /// After a phase: nothing reads the source once the media are published.
    fn ended(&self, done: Result<Completed, PipelineError>) -> Result<Completed, PipelineError> {
        if done.as_ref().is_ok_and(Completed::closed_phase) && self.chunk.phase == PUBLISH {
            self.sources.close(self.chunk.job.id);
        }
        done
    }
}

/// The dataset of a job.
///
/// # Errors
/// It was deleted: the job has nothing left to do.
pub(crate) async fn living(workshop: &Workshop, id: DatasetId) -> Result<Dataset, PipelineError> {
    datasets::find(&workshop.pool, id)
        .await?
        .ok_or_else(|| PipelineError::Hopeless("The dataset was deleted.".to_owned()))
}
