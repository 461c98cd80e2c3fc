//! Enrichment: models applied to a copy of a dataset.
//!
//! Five phases. `copy` (one chunk) fills the copy with the rows of its source; `pictures` (chunks of media, any number of
//! workers) shows each picture once to every model that has not seen it and turns what they said into captions and labels of
//! the copy; `objects` (one chunk) numbers the boxes that were found; `crops` (chunks of objects) does for objects what
//! `pictures` does for pictures, and gives each its `INDEX` vector; `publish` (one chunk) derives clusters of new objects and
//! makes the copy `READY` together with its source. Phases with nothing to do are left out.
//!
//! What a model says is kept by content, package and parameters: a chunk asks first what is lacking, so a run that was
//! interrupted goes on, and the same pictures are never shown to the same model twice.

pub(crate) mod added;
mod busy;
mod chunk;
mod copy;
mod crops;
pub(crate) mod embedding;
mod installed;
mod looking;
mod models;
mod objects;
pub(crate) mod originals;
mod pictures;
mod plan;
mod publish;
mod samples;
pub(crate) mod texts;
mod values;

use async_trait::async_trait;
use lamina_jobs::{ClaimedChunk, Completed, JobContext, JobError, JobHandler};
use lamina_store::datasets::Dataset;
use lamina_store::enrichment;
use lamina_store::sqlx::PgConnection;
use lamina_types::{EnrichSpec, EnrichmentStatus, JobKind, SpaceKey};

use crate::PipelineError;
use crate::ingest::living;
use crate::workshop::Workshop;

pub use installed::InstalledModels;
pub use models::{
    Answer, FoundObject, FoundTag, ModelInput, ModelSource, PictureModel, Task, TextModel,
};
use plan::RunPlan;
pub use samples::{Said, SaidOfPicture, samples};

/// First phase.
const COPY: &str = JobKind::Enrich.first_phase();
/// Second phase.
const PICTURES: &str = "pictures";
/// Third phase.
const OBJECTS: &str = "objects";
/// Fourth phase.
const CROPS: &str = "crops";
/// Last phase.
const PUBLISH: &str = "publish";

/// Runs enrichment jobs.
pub struct EnrichHandler {
    workshop: Workshop,
}

impl EnrichHandler {
    /// A handler that works with these tools.
    pub const fn new(workshop: Workshop) -> Self {
        Self { workshop }
    }
}

#[async_trait]
impl JobHandler for EnrichHandler {
    fn kind(&self) -> &str {
        JobKind::Enrich.as_str()
    }

    async fn run(&self, chunk: &ClaimedChunk, context: &JobContext) -> Result<Completed, JobError> {
        let spec: EnrichSpec = chunk.job.spec()?;
        let copy = living(&self.workshop, spec.dataset_id).await?;
        let task = EnrichTask {
            workshop: &self.workshop,
            plan: RunPlan::load(&self.workshop.pool, &spec).await?,
            readers: CaptionReaders {
                pictures: spec.caption_text.clone(),
                objects: spec.caption_text.clone(),
            },
            copy: &copy,
            added_from: None,
            chunk,
            context,
        };
        let work = async {
            match chunk.phase.as_str() {
                COPY => copy::run(&task, &spec).await,
                PICTURES => pictures::run(&task).await,
                OBJECTS => objects::run(&task).await,
                CROPS => crops::run(&task).await,
                PUBLISH => publish::run(&task, &spec).await,
                other => Err(PipelineError::Hopeless(format!(
                    "This version knows no enrichment phase {other:?}."
                ))),
            }
        };
        tokio::select! {
            done = work => Ok(done?),
            () = context.cancelled().cancelled() => Err(JobError::Interrupted),
        }
    }

    async fn failed(
        &self,
        conn: &mut PgConnection,
        chunk: &ClaimedChunk,
        message: &str,
    ) -> Result<(), JobError> {
        let spec: EnrichSpec = chunk.job.spec()?;
        enrichment::end_badly(
            conn,
            spec.dataset_id,
            spec.source_dataset_id,
            EnrichmentStatus::Failed,
            message,
        )
        .await
        .map_err(PipelineError::from)?;
        Ok(())
    }
}

/// Everything that a phase needs to know about the chunk it runs.
struct EnrichTask<'a> {
    workshop: &'a Workshop,
    plan: RunPlan,
    /// What captions are compared with.
    readers: CaptionReaders,
    copy: &'a Dataset,
    /// Number of the first picture of an addition that is looked at; a run of its own looks at all.
    added_from: Option<u32>,
    chunk: &'a ClaimedChunk,
    context: &'a JobContext,
}

/// What reads captions; none where nothing that is installed does.
#[derive(Debug, Clone)]
struct CaptionReaders {
    pictures: Option<SpaceKey>,
    objects: Option<SpaceKey>,
}

impl EnrichTask<'_> {
    /// The phase behind the last model.
    const fn last_phase(&self) -> &'static str {
        match self.added_from {
            None => PUBLISH,
            Some(_) => added::ENRICHED,
        }
    }

    /// The half-open range of ordinals of the chunk.
    fn range(&self) -> [u32; 2] {
        [self.chunk.first_unit, self.chunk.end_unit]
            .map(|unit| u32::try_from(unit).unwrap_or(u32::MAX))
    }
}
