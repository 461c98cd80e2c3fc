//! Going back to a snapshot, and datasets made of one: one chunk and one transaction each, so that there is no half of either.

use async_trait::async_trait;
use lamina_jobs::{ClaimedChunk, Completed, JobContext, JobError, JobHandler, Next};
use lamina_store::copies::{self, LeftOut};
use lamina_store::snapshots::{self, NewSnapshot};
use lamina_store::sqlx::PgConnection;
use lamina_store::{additions, datasets};
use lamina_types::{CloneSpec, DatasetStatus, JobKind, RestoreSpec, SnapshotReason};

use crate::PipelineError;
use crate::ingest::living;
use crate::workshop::Workshop;

/// Makes datasets what they were.
pub struct RestoreHandler {
    workshop: Workshop,
}

impl RestoreHandler {
    /// A handler that works with these tools.
    pub const fn new(workshop: Workshop) -> Self {
        Self { workshop }
    }

    async fn restore(
        &self,
        spec: &RestoreSpec,
        context: &JobContext,
    ) -> Result<Completed, PipelineError> {
        let workshop = &self.workshop;
        let dataset = living(workshop, spec.dataset_id).await?.id;
        living(workshop, spec.snapshot_id).await?;
        let mut tx = workshop.pool.begin().await?;
        context.fence(&mut tx).await?;
        let unused = snapshots::restore(&mut tx, dataset, spec.snapshot_id).await?;
        datasets::recount(&mut *tx, dataset).await?;
        let (from, next) = ([DatasetStatus::ReadOnly], DatasetStatus::Ready);
        datasets::move_status(&mut tx, dataset, &from, next).await?;
        let completed = context.complete(&mut tx, Next::Nothing).await?;
        fail::fail_point!("restore_before_commit");
        tx.commit().await?;
        fail::fail_point!("restore_committed");
        workshop.delete_files(&unused).await?;
        tracing::info!(dataset.id = %dataset, snapshot.id = %spec.snapshot_id, "restored a dataset");
        Ok(completed)
    }
}

#[async_trait]
impl JobHandler for RestoreHandler {
    fn kind(&self) -> &str {
        JobKind::Restore.as_str()
    }

    async fn run(&self, chunk: &ClaimedChunk, context: &JobContext) -> Result<Completed, JobError> {
        let spec: RestoreSpec = chunk.job.spec()?;
        Ok(self.restore(&spec, context).await?)
    }

    async fn failed(
        &self,
        conn: &mut PgConnection,
        chunk: &ClaimedChunk,
        _: &str,
    ) -> Result<(), JobError> {
        let spec: RestoreSpec = chunk.job.spec()?;
        additions::give_back(conn, spec.dataset_id, spec.previous)
            .await
            .map_err(PipelineError::from)?;
        Ok(())
    }
}

/// Makes datasets of snapshots.
pub struct CloneHandler {
    workshop: Workshop,
}

impl CloneHandler {
    /// A handler that works with these tools.
    pub const fn new(workshop: Workshop) -> Self {
        Self { workshop }
    }

    async fn fill(
        &self,
        spec: &CloneSpec,
        context: &JobContext,
    ) -> Result<Completed, PipelineError> {
        let pool = &self.workshop.pool;
        let clone = living(&self.workshop, spec.dataset_id).await?;
        living(&self.workshop, spec.snapshot_id).await?;
        let mut tx = pool.begin().await?;
        context.fence(&mut tx).await?;
        copies::fill(&mut tx, spec.snapshot_id, clone.id, LeftOut::of(&[])).await?;
        datasets::recount(&mut *tx, clone.id).await?;
        let from = [DatasetStatus::Indexing];
        let ready = datasets::move_status(&mut tx, clone.id, &from, DatasetStatus::Ready).await?;
        let new = NewSnapshot {
            dataset: &ready,
            created_by: ready.owner_id,
            name: None,
            description: String::new(),
            reason: SnapshotReason::Clone,
        };
        snapshots::create(&mut tx, new).await?;
        let completed = context.complete(&mut tx, Next::Nothing).await?;
        fail::fail_point!("clone_before_commit");
        tx.commit().await?;
        tracing::info!(dataset.id = %clone.id, snapshot.id = %spec.snapshot_id, "made a dataset of a snapshot");
        Ok(completed)
    }
}

#[async_trait]
impl JobHandler for CloneHandler {
    fn kind(&self) -> &str {
        JobKind::Clone.as_str()
    }

    async fn run(&self, chunk: &ClaimedChunk, context: &JobContext) -> Result<Completed, JobError> {
        let spec: CloneSpec = chunk.job.spec()?;
        Ok(self.fill(&spec, context).await?)
    }

    async fn failed(
        &self,
        conn: &mut PgConnection,
        chunk: &ClaimedChunk,
        message: &str,
    ) -> Result<(), JobError> {
        let spec: CloneSpec = chunk.job.spec()?;
        datasets::fail(conn, spec.dataset_id, message)
            .await
            .map_err(PipelineError::from)?;
        Ok(())
    }
}
