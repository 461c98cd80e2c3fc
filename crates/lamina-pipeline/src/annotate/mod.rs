//! Annotations that people bring become labels, captions and objects of a dataset.
//!
//! Three phases over the rows that were read from the files: `match` (one chunk) finds the picture of each row and the region of
//! each box; `cut` (chunks of rows) gives each new region a vector and measures; `take` (one chunk) makes labels, captions and
//! objects, derives the clusters of all objects and makes the dataset `READY`. Until then it is `INDEXING` (its creation) or
//! `READ ONLY` (later): nobody else changes it meanwhile. A row that cannot be used keeps a problem and is the report; rows never
//! fail a dataset, and neither does the job.

mod matching;
mod taking;

use async_trait::async_trait;
use lamina_jobs::{ClaimedChunk, Completed, JobContext, JobError, JobHandler, Next, Phase};
use lamina_store::datasets::{self, Dataset};
use lamina_store::spaces::{self, DatasetSpace};
use lamina_store::sqlx::PgConnection;
use lamina_store::{StoreError, annotation_imports};
use lamina_types::{AnnotateSpec, DatasetStatus, EntityType, JobKind, Space};

use crate::PipelineError;
use crate::enrich::embedding;
use crate::ingest::living;
use crate::workshop::Workshop;

/// First phase.
const MATCH: &str = JobKind::Annotate.first_phase();
/// Second phase.
const CUT: &str = "cut";
/// Last phase.
const TAKE: &str = "take";

/// Runs annotation jobs.
pub struct AnnotateHandler {
    workshop: Workshop,
}

/// Everything that a phase needs to know about the chunk it runs.
struct AnnotateTask<'a> {
    workshop: &'a Workshop,
    spec: &'a AnnotateSpec,
    dataset: &'a Dataset,
    /// What the dataset is indexed with.
    index: DatasetSpace,
    chunk: &'a ClaimedChunk,
    context: &'a JobContext,
}

impl AnnotateHandler {
    /// A handler that works with these tools.
    pub const fn new(workshop: Workshop) -> Self {
        Self { workshop }
    }

    async fn work(
        &self,
        spec: &AnnotateSpec,
        chunk: &ClaimedChunk,
        context: &JobContext,
    ) -> Result<Completed, PipelineError> {
        let workshop = &self.workshop;
        let dataset = living(workshop, spec.dataset_id).await?;
        let index =
            spaces::find(&workshop.pool, dataset.id, EntityType::Images, Space::Index).await?;
        let index = index.ok_or_else(|| {
            PipelineError::Hopeless("The dataset has no vectors, it was never indexed.".to_owned())
        })?;
        let task = AnnotateTask {
            workshop,
            spec,
            dataset: &dataset,
            index,
            chunk,
            context,
        };
        match chunk.phase.as_str() {
            MATCH => matching::run(&task).await,
            CUT => cut(&task).await,
            TAKE => taking::run(&task).await,
            other => Err(PipelineError::Hopeless(format!(
                "This version knows no annotation phase {other:?}."
            ))),
        }
    }
}

/// Vectors and measures of the new boxes of a range of rows.
async fn cut(task: &AnnotateTask<'_>) -> Result<Completed, PipelineError> {
    let (workshop, chunk) = (task.workshop, task.chunk);
    let range = [chunk.first_unit, chunk.end_unit];
    let wanted =
        annotation_imports::regions_of_range(&workshop.pool, task.spec.import_id, range).await?;
    // Rows that ended their worker stay without a vector, and are told so.
    let embedded = if chunk.exhausted {
        None
    } else {
        let space = (task.dataset.id, &task.index.key);
        let tick = || task.context.tick();
        Some(embedding::embed(workshop, space, &wanted, chunk.attempt, tick).await?)
    };
    let mut tx = workshop.pool.begin().await?;
    task.context.fence(&mut tx).await?;
    if let Some(embedded) = embedded {
        embedded.keep(&mut tx).await?;
    }
    let completed = task
        .context
        .complete(&mut tx, Next::Phase(Phase::single(TAKE)))
        .await?;
    fail::fail_point!("annotate_cut_before_commit");
    tx.commit().await?;
    Ok(completed)
}

#[async_trait]
impl JobHandler for AnnotateHandler {
    fn kind(&self) -> &str {
        JobKind::Annotate.as_str()
    }

    async fn run(&self, chunk: &ClaimedChunk, context: &JobContext) -> Result<Completed, JobError> {
        let spec: AnnotateSpec = chunk.job.spec()?;
        tokio::select! {
            done = self.work(&spec, chunk, context) => Ok(done?),
            () = context.cancelled().cancelled() => Err(JobError::Interrupted),
        }
    }

    /// The dataset is as good as it was before: only the import has failed.
    async fn failed(
        &self,
        conn: &mut PgConnection,
        chunk: &ClaimedChunk,
        message: &str,
    ) -> Result<(), JobError> {
        let spec: AnnotateSpec = chunk.job.spec()?;
        let given_up = async {
            annotation_imports::fail(&mut *conn, spec.import_id, message).await?;
            datasets::recount(&mut *conn, spec.dataset_id).await?;
            let from = [DatasetStatus::Indexing, DatasetStatus::ReadOnly];
            datasets::move_status(conn, spec.dataset_id, &from, DatasetStatus::Ready).await?;
            Ok(())
        };
        match given_up.await {
            Ok(()) | Err(StoreError::NotFound(_) | StoreError::StatusConflict { .. }) => Ok(()),
            Err(error) => Err(PipelineError::from(error).into()),
        }
    }
}
