//! Removal: the rows of a deleted dataset, and the pixels that no other dataset uses.

use std::time::Duration;

use async_trait::async_trait;
use lamina_jobs::{ClaimedChunk, Completed, JobContext, JobError, JobHandler, Next};
use lamina_store::StoreError;
use lamina_store::removal::{self, Purge};
use lamina_store::sqlx::PgConnection;
use lamina_types::{JobKind, RemoveSpec};

use crate::PipelineError;
use crate::workshop::Workshop;

/// Rows deleted in one transaction.
const ROWS: u32 = 5_000;

/// Pixels that lost their last reference stay for so long: an ingest under way may be about to refer to them.
pub const CONTENT_GRACE: Duration = Duration::from_secs(24 * 3600);

/// Runs removal jobs.
pub struct RemoveHandler {
    workshop: Workshop,
}

impl RemoveHandler {
    /// A handler that works with these tools.
    pub const fn new(workshop: Workshop) -> Self {
        Self { workshop }
    }

    async fn remove(
        &self,
        spec: &RemoveSpec,
        context: &JobContext,
    ) -> Result<Completed, PipelineError> {
        let pool = &self.workshop.pool;
        loop {
            if context.cancelled().is_cancelled() {
                return Err(JobError::Interrupted.into());
            }
            let mut tx = pool.begin().await?;
            context.fence(&mut tx).await?;
            match removal::purge(&mut tx, spec.dataset_id, ROWS).await {
                Ok(Purge::More) => tx.commit().await?,
                Ok(Purge::Done { owner, blob_keys }) => {
                    let completed = context.complete(&mut tx, Next::Nothing).await?;
                    tx.commit().await?;
                    for key in blob_keys {
                        self.workshop.blobs.delete(&key).await?;
                    }
                    removal::collect_contents(pool, &self.workshop.blobs, owner, CONTENT_GRACE)
                        .await?;
                    tracing::info!(dataset.id = %spec.dataset_id, "removed a deleted dataset");
                    return Ok(completed);
                }
                // An earlier run got this far and was ended before it could say so.
                Err(StoreError::NotFound(_)) => {
                    let completed = context.complete(&mut tx, Next::Nothing).await?;
                    tx.commit().await?;
                    return Ok(completed);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[async_trait]
impl JobHandler for RemoveHandler {
    fn kind(&self) -> &str {
        JobKind::Remove.as_str()
    }

    async fn run(&self, chunk: &ClaimedChunk, context: &JobContext) -> Result<Completed, JobError> {
        let spec: RemoveSpec = chunk.job.spec()?;
        Ok(self.remove(&spec, context).await?)
    }

    /// The dataset is invisible already; the next upkeep asks for the removal again.
    async fn failed(
        &self,
        _: &mut PgConnection,
        _: &ClaimedChunk,
        _: &str,
    ) -> Result<(), JobError> {
        Ok(())
    }
}
