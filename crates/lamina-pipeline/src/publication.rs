//! A new generation: built, written, and published by one row (publish order of hardening P57).

use lamina_explore::{generations as building, index_settings};
use lamina_index::{Generation, StopFlag};
use lamina_jobs::{JobContext, JobError};
use lamina_store::spaces::DatasetSpace;
use lamina_store::sqlx::PgConnection;
use lamina_store::{BlobStore, generations};
use lamina_types::DatasetId;

use crate::PipelineError;
use crate::workshop::{Workshop, not_installed};

/// A generation whose file is in the blob store and whose row is not yet in the database.
pub(crate) struct Publication {
    row: generations::Generation,
}

impl Publication {
    /// Builds the generation from the vectors in Postgres and writes its file.
    ///
    /// # Errors
    /// Vectors that are missing, a full disk, or the wish to stop.
    pub(crate) async fn prepare(
        workshop: &Workshop,
        context: &JobContext,
        dataset: DatasetId,
        space: &DatasetSpace,
    ) -> Result<Self, PipelineError> {
        let number =
            generations::next_number(&workshop.pool, dataset, space.entity_type, space.space)
                .await?;
        let bands = workshop.encoders.bands(&space.key);
        let bands = bands.ok_or_else(|| not_installed(&space.key.package))?;
        let settings = index_settings(&bands, workshop.exact_limit);
        let stop = StopFlag::new();
        let building = building::build(
            &workshop.pool,
            dataset,
            space,
            number,
            settings,
            stop.clone(),
        );
        let generation = tokio::select! {
            built = building => built?,
            () = context.cancelled().cancelled() => {
                stop.stop();
                return Err(JobError::Interrupted.into());
            }
        };
        fail::fail_point!("generation_built");
        let (bytes, checksum) = tokio::task::spawn_blocking(move || {
            let bytes = generation.encode();
            let checksum = Generation::checksum_of(&bytes);
            ((bytes, generation.vectors.len()), checksum)
        })
        .await?;
        let (bytes, count) = bytes;
        let blob_key = BlobStore::generation_key(dataset, space.entity_type, space.space, number);
        workshop
            .blobs
            .put_generation(&blob_key, bytes.into())
            .await?;
        fail::fail_point!("generation_written");
        let row = generations::Generation {
            dataset_id: dataset,
            entity_type: space.entity_type,
            space: space.space,
            number,
            origin_dataset_id: dataset,
            blob_key,
            checksum,
            count: u32::try_from(count).unwrap_or(u32::MAX),
            created_at: chrono::DateTime::UNIX_EPOCH,
        };
        Ok(Self { row })
    }

    /// Inserts the row, in the transaction that makes the new state visible.
    pub(crate) async fn publish(&self, conn: &mut PgConnection) -> Result<(), PipelineError> {
        Ok(generations::publish(conn, &self.row).await?)
    }

    /// Forgets the generations before this one; keys of files that nobody uses any more.
    pub(crate) async fn retire_older(
        &self,
        conn: &mut PgConnection,
    ) -> Result<Vec<String>, PipelineError> {
        let row = &self.row;
        Ok(
            generations::retire(conn, row.dataset_id, row.entity_type, row.space, row.number)
                .await?,
        )
    }
}
