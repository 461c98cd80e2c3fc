//! Rebuild: a generation whose file was damaged or lost is derived anew from the vectors.

use async_trait::async_trait;
use lamina_jobs::{ClaimedChunk, Completed, JobContext, JobError, JobHandler, Next};
use lamina_store::sqlx::PgConnection;
use lamina_store::{datasets, spaces};
use lamina_types::{JobKind, RebuildSpec};

use crate::PipelineError;
use crate::ingest::living;
use crate::publication::Publication;
use crate::workshop::Workshop;

/// Runs rebuild jobs.
pub struct RebuildHandler {
    workshop: Workshop,
}

impl RebuildHandler {
    /// A handler that works with these tools.
    pub const fn new(workshop: Workshop) -> Self {
        Self { workshop }
    }

    async fn rebuild(
        &self,
        spec: &RebuildSpec,
        context: &JobContext,
    ) -> Result<Completed, PipelineError> {
        let workshop = &self.workshop;
        let dataset = living(workshop, spec.dataset_id).await?;
        let space = spaces::find(&workshop.pool, dataset.id, spec.entity_type, spec.space)
            .await?
            .ok_or_else(|| {
                PipelineError::Hopeless("The dataset has no such vectors.".to_owned())
            })?;
        let publication = Publication::prepare(workshop, context, dataset.id, &space).await?;
        let mut tx = workshop.pool.begin().await?;
        context.fence(&mut tx).await?;
        let sharers = publication.replace(&mut tx).await?;
        let unused = publication.retire_older(&mut tx).await?;
        for id in sharers.into_iter().chain([dataset.id]) {
            datasets::bump_revision(&mut *tx, id).await?;
        }
        let completed = context.complete(&mut tx, Next::Nothing).await?;
        tx.commit().await?;
        workshop.delete_files(&unused).await?;
        tracing::info!(dataset.id = %dataset.id, "rebuilt the index file of a dataset");
        Ok(completed)
    }
}

#[async_trait]
impl JobHandler for RebuildHandler {
    fn kind(&self) -> &str {
        JobKind::Rebuild.as_str()
    }

    async fn run(&self, chunk: &ClaimedChunk, context: &JobContext) -> Result<Completed, JobError> {
        let spec: RebuildSpec = chunk.job.spec()?;
        Ok(self.rebuild(&spec, context).await?)
    }

    /// Nothing to mark: readers go on with the copy in memory and ask again.
    async fn failed(
        &self,
        _: &mut PgConnection,
        _: &ClaimedChunk,
        _: &str,
    ) -> Result<(), JobError> {
        Ok(())
    }
}
