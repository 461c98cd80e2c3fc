//! What every job handler works with: database, blobs, encoder, limits.

use std::sync::Arc;

use lamina_explore::{Encoders, ExploreError};
use lamina_inference::PictureEncoder;
use lamina_media::DecodeLimits;
use lamina_store::remote::Remotes;
use lamina_store::spaces::{self, DatasetSpace};
use lamina_store::sqlx::PgPool;
use lamina_store::{BlobStore, StoreError};
use lamina_types::{DatasetId, EntityType, INDEX_SLOT, Space};
use tokio::sync::Semaphore;

use crate::PipelineError;
use crate::enrich::{InstalledModels, ModelSource};
use crate::stages::StageTimes;

/// Bytes of files that may be held at once while they are worked on, over all chunks of this process.
const FILES_IN_MEMORY_BYTES: usize = 512 << 20;

/// One permit stands for this many bytes.
const PERMIT_BYTES: usize = 1 << 10;

/// Shared by all handlers of a process; cheap to clone.
#[derive(Debug, Clone)]
pub struct Workshop {
    /// Postgres.
    pub pool: PgPool,
    /// Originals, thumbnails, generations.
    pub blobs: BlobStore,
    /// The models at hand.
    pub encoders: Encoders,
    /// The models of enrichments.
    pub models: Arc<dyn ModelSource>,
    /// Buckets and hosts that files may be read from.
    pub remotes: Remotes,
    /// What a picture may be.
    pub limits: DecodeLimits,
    /// Files of one chunk.
    pub chunk_files: i64,
    /// Vectors up to which a dataset is searched exactly.
    pub exact_limit: usize,
    /// CPU time by stage.
    pub stages: Arc<StageTimes>,
    decode_slots: Arc<Semaphore>,
    file_memory: Arc<Semaphore>,
}

/// The choices an operator makes for a worker.
#[derive(Debug, Clone, Copy)]
pub struct WorkshopOptions {
    /// Pictures decoded at once; usually one per core.
    pub decoders: usize,
    /// Files of one chunk.
    pub chunk_files: i64,
    /// Vectors up to which a dataset is searched exactly.
    pub exact_limit: usize,
}

impl Workshop {
    /// Deletes files that no row names any more. To be called after the commit that took the last name away.
    ///
    /// # Errors
    /// The blob store.
    pub(crate) async fn delete_files(&self, keys: &[String]) -> Result<(), StoreError> {
        for key in keys {
            self.blobs.delete(key).await?;
        }
        Ok(())
    }

    /// Puts the tools together.
    pub fn new(
        pool: PgPool,
        blobs: BlobStore,
        encoders: Encoders,
        options: WorkshopOptions,
    ) -> Self {
        let models = Arc::new(InstalledModels::new(encoders.models().clone()));
        Self {
            pool,
            blobs,
            encoders,
            models,
            remotes: Remotes::default(),
            limits: DecodeLimits::default(),
            chunk_files: options.chunk_files.max(1),
            exact_limit: options.exact_limit,
            stages: Arc::default(),
            decode_slots: Arc::new(Semaphore::new(options.decoders.max(1))),
            file_memory: Arc::new(Semaphore::new(FILES_IN_MEMORY_BYTES / PERMIT_BYTES)),
        }
    }

    /// The same tools, with places elsewhere that files may be read from.
    #[must_use]
    pub fn with_remotes(self, remotes: Remotes) -> Self {
        Self { remotes, ..self }
    }

    /// The same tools with enrichment models from elsewhere.
    #[must_use]
    pub fn with_models(self, models: Arc<dyn ModelSource>) -> Self {
        Self { models, ..self }
    }

    /// The `INDEX` space of a dataset. The first job that asks settles it by what is bound to the slot at that moment: a slot bound
    /// anew changes what later datasets are made with, and nothing that is under way.
    ///
    /// # Errors
    /// No usable package; the database.
    pub(crate) async fn index_space(
        &self,
        dataset: DatasetId,
    ) -> Result<DatasetSpace, PipelineError> {
        let (entity_type, space) = (EntityType::Images, Space::Index);
        if let Some(settled) = spaces::find(&self.pool, dataset, entity_type, space).await? {
            return Ok(settled);
        }
        let key = self.encoders.bound(&self.pool, INDEX_SLOT).await?.key();
        let manifest = self.encoders.manifest(&key);
        let dimension = manifest.and_then(|manifest| manifest.dimension);
        let Some(dimension) = dimension.and_then(|found| u32::try_from(found).ok()) else {
            return Err(not_installed(&key.package));
        };
        let wanted = DatasetSpace {
            entity_type,
            space,
            key,
            dimension,
        };
        let mut conn = self.pool.acquire().await?;
        Ok(spaces::settle(&mut conn, dataset, &wanted).await?)
    }

    /// The encoder of a space, loaded if it is not.
    ///
    /// # Errors
    /// No usable package; a model that does not start.
    pub(crate) async fn encoder(
        &self,
        space: &DatasetSpace,
    ) -> Result<PictureEncoder, PipelineError> {
        let found = self.encoders.pictures(&space.key).await;
        found.map_err(|error| {
            if let ExploreError::MissingPackage(package) = &error {
                return not_installed(package);
            }
            error.into()
        })
    }

    /// Waits for a turn at the CPU.
    pub(crate) async fn decode_slot(&self) -> Option<tokio::sync::OwnedSemaphorePermit> {
        Arc::clone(&self.decode_slots).acquire_owned().await.ok()
    }

    /// Waits until a file of this size may stay in memory while it is worked on. A file larger than everything there is
    /// takes everything.
    pub(crate) async fn file_memory(
        &self,
        bytes: usize,
    ) -> Option<tokio::sync::OwnedSemaphorePermit> {
        let permits = (bytes / PERMIT_BYTES).clamp(1, FILES_IN_MEMORY_BYTES / PERMIT_BYTES);
        let permits = u32::try_from(permits).unwrap_or(u32::MAX);
        Arc::clone(&self.file_memory)
            .acquire_many_owned(permits)
            .await
            .ok()
    }
}

/// For the owner of a dataset whose job cannot go on.
pub(crate) fn not_installed(package: &str) -> PipelineError {
    PipelineError::Hopeless(format!("The model package {package} is not installed."))
}
