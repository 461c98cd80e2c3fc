//! Generations: built from the vectors in Postgres, loaded from their file, rebuilt in memory when the file is bad.
//!
//! The worker that publishes a generation and the reader that falls back build it by the same function, so a reader
//! sees the same clusters either way.
//!
//! Every `INDEX` space has generations; a space that is only searched (captions, encodings of enrichments) needs none, its
//! vectors are read from Postgres.

use std::path::Path;
use std::sync::Arc;

use lamina_index::{
    ExpectedGeneration, FileBytes, Generation, GenerationHeader, IndexSettings, StopFlag,
    VectorBlock,
};
use lamina_jobs::{NewJob, Phase};
use lamina_store::spaces::DatasetSpace;
use lamina_store::sqlx::PgPool;
use lamina_store::{BlobStore, generations, vectors};
use lamina_types::{DatasetId, JobKind, RebuildSpec, UserId};

use crate::ExploreError;

/// Loads the vectors of a space of pictures or objects, one per item, in ordinal order.
///
/// # Errors
/// A vector that is missing or malformed, as those of items without a caption are; the database.
pub async fn load_vectors(
    pool: &PgPool,
    dataset: DatasetId,
    space: &DatasetSpace,
) -> Result<Arc<VectorBlock>, ExploreError> {
    let dimension = space.dimension as usize;
    let bytes = vectors::load_complete(pool, dataset, space).await?;
    let block = tokio::task::spawn_blocking(move || VectorBlock::from_le_bytes(dimension, &bytes))
        .await??;
    Ok(Arc::new(block))
}

/// Derives neighbours, clusters, duplicates and scores from the vectors in Postgres.
///
/// # Errors
/// As [`load_vectors`]; the index.
pub async fn build(
    pool: &PgPool,
    dataset: DatasetId,
    space: &DatasetSpace,
    number: i32,
    settings: IndexSettings,
    stop: StopFlag,
) -> Result<Generation, ExploreError> {
    let vectors = load_vectors(pool, dataset, space).await?;
    let header = GenerationHeader {
        origin_dataset_id: dataset,
        entity_type: space.entity_type,
        space: space.space,
        key: space.key.clone(),
        number,
    };
    Ok(
        tokio::task::spawn_blocking(move || lamina_index::build(header, vectors, &settings, &stop))
            .await??,
    )
}

/// What the file of a published generation must say of itself.
pub fn expectation(row: &generations::Generation, space: &DatasetSpace) -> ExpectedGeneration {
    ExpectedGeneration {
        header: GenerationHeader {
            origin_dataset_id: row.origin_dataset_id,
            entity_type: row.entity_type,
            space: row.space,
            key: space.key.clone(),
            number: row.number,
        },
        count: row.count,
        checksum: row.checksum,
    }
}

/// Reads a generation's file, or says why it cannot be used.
fn open(path: &Path, expected: &ExpectedGeneration) -> Result<Generation, String> {
    let file = FileBytes::open(path).map_err(|error| error.to_string())?;
    Generation::load(&Arc::new(file), expected).map_err(|damage| damage.to_string())
}

/// What a reader needs to load or rebuild a generation.
pub struct Shelf<'a> {
    /// Postgres.
    pub pool: &'a PgPool,
    /// Where the files are.
    pub blobs: &'a BlobStore,
    /// Whose dataset it is; a rebuild is done on their account.
    pub owner: UserId,
    /// How to index, should it have to be rebuilt.
    pub settings: IndexSettings,
    /// Raised when the reader goes away: ends a rebuild in memory.
    pub stop: StopFlag,
}

impl Shelf<'_> {
    /// The newest published generation of a space.
    ///
    /// # Errors
    /// Nothing published yet; the database.
    pub async fn newest(
        &self,
        dataset: DatasetId,
        space: &DatasetSpace,
    ) -> Result<generations::Generation, ExploreError> {
        let row = generations::latest(self.pool, dataset, space.entity_type, space.space).await?;
        row.ok_or(ExploreError::NothingIndexed(space.entity_type))
    }

    /// What the file of a published generation holds, or why it cannot be used.
    async fn open(
        &self,
        space: &DatasetSpace,
        row: &generations::Generation,
    ) -> Result<Result<Generation, String>, ExploreError> {
        let expected = expectation(row, space);
        let path = self.blobs.generation_path(&row.blob_key)?;
        Ok(tokio::task::spawn_blocking(move || open(&path, &expected)).await?)
    }

    /// What the file of a published generation should hold, from the vectors in Postgres.
    async fn derive(
        &self,
        dataset: DatasetId,
        space: &DatasetSpace,
        row: &generations::Generation,
    ) -> Result<Generation, ExploreError> {
        let (settings, stop) = (self.settings, self.stop.clone());
        build(self.pool, dataset, space, row.number, settings, stop).await
    }

    /// A published generation for a job that builds on it: from its file, or derived anew when that is damaged.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub async fn load(
        &self,
        dataset: DatasetId,
        space: &DatasetSpace,
        row: &generations::Generation,
    ) -> Result<Generation, ExploreError> {
        let reason = match self.open(space, row).await? {
            Ok(generation) => return Ok(generation),
            Err(reason) => reason,
        };
        tracing::warn!(
            dataset.id = %dataset, generation.number = row.number, reason,
            "the index file of a dataset cannot be used: what builds on it derives it anew"
        );
        self.derive(dataset, space, row).await
    }

    /// A published generation. A file that is damaged, missing or of another generation is reported once, a rebuild job is
    /// queued, and the same data is derived in memory, so that answers stay right meanwhile.
    ///
    /// # Errors
    /// The vectors in Postgres; the database.
    pub async fn take(
        &self,
        dataset: DatasetId,
        space: &DatasetSpace,
        row: &generations::Generation,
    ) -> Result<Generation, ExploreError> {
        let reason = match self.open(space, row).await? {
            Ok(generation) => return Ok(generation),
            Err(reason) => reason,
        };
        tracing::warn!(
            dataset.id = %dataset, generation.number = row.number, reason,
            "the index file of a dataset cannot be used: answering from a copy rebuilt in memory, and a rebuild is queued"
        );
        self.request_rebuild(dataset, space).await?;
        self.derive(dataset, space, row).await
    }

    /// Queues a rebuild unless one is waiting or running.
    async fn request_rebuild(
        &self,
        dataset: DatasetId,
        space: &DatasetSpace,
    ) -> Result<(), ExploreError> {
        let spec = RebuildSpec {
            dataset_id: dataset,
            entity_type: space.entity_type,
            space: space.space,
        };
        let mut tx = self
            .pool
            .begin()
            .await
            .map_err(lamina_store::StoreError::from)?;
        let live = lamina_jobs::live_of_subject(&mut *tx, dataset.as_uuid()).await?;
        if live.iter().any(|job| job.kind == JobKind::Rebuild.as_str()) {
            return Ok(());
        }
        let job = NewJob::new(
            JobKind::Rebuild.as_str(),
            Some(self.owner.as_uuid()),
            Some(dataset.as_uuid()),
            &spec,
            Phase::single(JobKind::Rebuild.first_phase()),
        )?;
        lamina_jobs::enqueue(&mut tx, job).await?;
        tx.commit().await.map_err(lamina_store::StoreError::from)?;
        Ok(())
    }
}
