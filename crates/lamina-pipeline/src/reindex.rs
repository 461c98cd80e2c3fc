//! Reindex: clusters that additions were placed into are derived anew, as in a fresh build.

use async_trait::async_trait;
use lamina_jobs::{ClaimedChunk, Completed, JobContext, JobError, JobHandler, Next};
use lamina_store::additions;
use lamina_store::sqlx::PgConnection;
use lamina_types::{DatasetStatus, JobKind, ReindexSpec};

use crate::PipelineError;
use crate::ingest::living;
use crate::publication::{Publication, settle_anew};
use crate::workshop::Workshop;

/// Runs reindexing.
pub struct ReindexHandler {
    workshop: Workshop,
}

impl ReindexHandler {
    /// A handler that works with these tools.
    pub const fn new(workshop: Workshop) -> Self {
        Self { workshop }
    }

    async fn reindex(
        &self,
        spec: &ReindexSpec,
        context: &JobContext,
    ) -> Result<Completed, PipelineError> {
        let workshop = &self.workshop;
        let dataset = living(workshop, spec.dataset_id).await?.id;
        let space = workshop.index_space(dataset).await?;
        let publication = Publication::prepare(workshop, context, dataset, &space).await?;
        let mut tx = workshop.pool.begin().await?;
        context.fence(&mut tx).await?;
        publication.publish(&mut tx).await?;
        let unused = publication.retire_older(&mut tx).await?;
        settle_anew(&mut tx, dataset).await?;
        let completed = context.complete(&mut tx, Next::Nothing).await?;
        fail::fail_point!("reindex_before_commit");
        tx.commit().await?;
        workshop.delete_files(&unused).await?;
        tracing::info!(dataset.id = %dataset, "reindexed a dataset");
        Ok(completed)
    }
}

#[async_trait]
impl JobHandler for ReindexHandler {
    fn kind(&self) -> &str {
        JobKind::Reindex.as_str()
    }

    async fn run(&self, chunk: &ClaimedChunk, context: &JobContext) -> Result<Completed, JobError> {
        let spec: ReindexSpec = chunk.job.spec()?;
        Ok(self.reindex(&spec, context).await?)
    }

    async fn failed(
        &self,
        conn: &mut PgConnection,
        chunk: &ClaimedChunk,
        _: &str,
    ) -> Result<(), JobError> {
        let spec: ReindexSpec = chunk.job.spec()?;
        additions::give_back(conn, spec.dataset_id, DatasetStatus::PartialIndex)
            .await
            .map_err(PipelineError::from)?;
        Ok(())
    }
}
