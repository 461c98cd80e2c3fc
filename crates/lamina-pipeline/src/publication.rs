//! A new generation: built, written, and published by one row (publish order of hardening P57).

use std::sync::Arc;

use lamina_explore::generations::{self as building, Shelf};
use lamina_explore::index_settings;
use lamina_index::{Generation, GenerationHeader, StopFlag, VectorBlock};
use lamina_jobs::{JobContext, JobError};
use lamina_store::spaces::DatasetSpace;
use lamina_store::sqlx::PgConnection;
use lamina_store::{BlobStore, datasets, generations};
use lamina_types::{DatasetId, DatasetStatus, UserId};

use crate::PipelineError;
use crate::workshop::{Workshop, not_installed};

/// What becomes of the clusters when vectors are added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// The new ones are placed into those that are there.
    Placed,
    /// All are derived anew.
    Anew,
}

/// Takes a dataset whose clusters were derived anew from `READ ONLY` to `READY`. Readers see what was there until the transaction
/// that brings the new ones, so it is `INDEXING` within that transaction only.
pub(crate) async fn settle_anew(
    conn: &mut PgConnection,
    dataset: DatasetId,
) -> Result<(), PipelineError> {
    use DatasetStatus::{Indexing, ReadOnly, Ready};
    for (from, next) in [(ReadOnly, Indexing), (Indexing, Ready)] {
        datasets::move_status(conn, dataset, &[from], next).await?;
    }
    Ok(())
}

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
        Self::write(workshop, dataset, space, number, generation).await
    }

    /// Writes the file.
    async fn write(
        workshop: &Workshop,
        dataset: DatasetId,
        space: &DatasetSpace,
        number: i32,
        generation: Generation,
    ) -> Result<Self, PipelineError> {
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

    /// Builds the generation of a dataset with more vectors behind those it has, before their media are rows.
    ///
    /// # Errors
    /// As [`Self::prepare`]; a dataset without a generation.
    pub(crate) async fn with_added(
        workshop: &Workshop,
        context: &JobContext,
        (dataset, owner): (DatasetId, UserId),
        space: &DatasetSpace,
        added: Vec<u8>,
        way: Way,
    ) -> Result<Self, PipelineError> {
        let (pool, stop) = (&workshop.pool, StopFlag::new());
        let latest = generations::latest(pool, dataset, space.entity_type, space.space).await?;
        let latest = latest
            .ok_or_else(|| PipelineError::Hopeless("The dataset was never indexed.".to_owned()))?;
        let number =
            generations::next_number(pool, dataset, space.entity_type, space.space).await?;
        let bands = workshop.encoders.bands(&space.key);
        let bands = bands.ok_or_else(|| not_installed(&space.key.package))?;
        let settings = index_settings(&bands, workshop.exact_limit);
        let header = GenerationHeader {
            origin_dataset_id: dataset,
            entity_type: space.entity_type,
            space: space.space,
            key: space.key.clone(),
            number,
        };
        let work = async {
            let shelf = Shelf {
                pool,
                blobs: &workshop.blobs,
                owner,
                settings,
                stop: stop.clone(),
            };
            let old = shelf.load(dataset, space, &latest).await?;
            let stop = stop.clone();
            let built = tokio::task::spawn_blocking(move || match way {
                Way::Placed => lamina_index::append(&old, header, &added, &settings, &stop),
                Way::Anew => {
                    let mut vectors = VectorBlock::clone(&old.vectors);
                    for row in added.chunks(2 * vectors.dimension()) {
                        vectors.push_le_bytes(row)?;
                    }
                    lamina_index::build(header, Arc::new(vectors), &settings, &stop)
                }
            });
            Ok::<_, PipelineError>(built.await??)
        };
        let generation = tokio::select! {
            built = work => built?,
            () = context.cancelled().cancelled() => {
                stop.stop();
                return Err(JobError::Interrupted.into());
            }
        };
        Self::write(workshop, dataset, space, number, generation).await
    }

    /// Inserts the row, in the transaction that makes the new state visible.
    pub(crate) async fn publish(&self, conn: &mut PgConnection) -> Result<(), PipelineError> {
        Ok(generations::publish(conn, &self.row).await?)
    }

    /// As [`Self::publish`], in the place of a file that cannot be used: the datasets that share that file share this one from here
    /// on, and are returned.
    pub(crate) async fn replace(
        &self,
        conn: &mut PgConnection,
    ) -> Result<Vec<DatasetId>, PipelineError> {
        let new = &self.row;
        let old = generations::latest(&mut *conn, new.dataset_id, new.entity_type, new.space);
        let old = old.await?;
        self.publish(&mut *conn).await?;
        match old {
            Some(old) => Ok(generations::share_successor(conn, &old, new).await?),
            None => Ok(Vec::new()),
        }
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
