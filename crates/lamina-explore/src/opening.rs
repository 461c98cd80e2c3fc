//! A dataset opened for a request: its snapshot from memory, or loaded.

use std::sync::Arc;

use lamina_index::{IndexSettings, StopFlag, VectorBlock};
use lamina_inference::DistanceBands;
use lamina_store::datasets::Dataset;
use lamina_store::spaces::{self, DatasetSpace};
use lamina_store::text_vectors::{self, CaptionTexts};
use lamina_store::vectors;
use lamina_store::{BlobStore, sqlx::PgPool};
use lamina_types::{DatasetId, EntityType, INDEX_SLOT, Space, SpaceKey};
use tokio_util::task::TaskTracker;

use crate::cache::SnapshotCache;
use crate::columns::Columns;
use crate::encoders::{Encoders, index_settings};
use crate::explorer::ExplorerOptions;
use crate::generations::{Shelf, expectation};
use crate::label_issues::LabelIssues;
use crate::searchable::Searchable;
use crate::{DatasetSnapshot, ExploreError};

/// Where snapshots come from.
#[derive(Debug)]
pub(crate) struct Library {
    pub(crate) pool: PgPool,
    pub(crate) blobs: BlobStore,
    pub(crate) encoders: Encoders,
    pub(crate) options: ExplorerOptions,
    pub(crate) snapshots: SnapshotCache<(DatasetId, EntityType), DatasetSnapshot>,
    pub(crate) stop: StopFlag,
    /// What is read in the background.
    pub(crate) reading: TaskTracker,
}

impl Library {
    /// The dataset's snapshot of these entities; `None` while it has nothing to show.
    ///
    /// # Errors
    /// The database, the index.
    pub(crate) async fn open(
        &self,
        dataset: &Dataset,
        entity_type: EntityType,
    ) -> Result<Option<Arc<DatasetSnapshot>>, ExploreError> {
        if !dataset.status.is_browsable() {
            return Ok(None);
        }
        let (key, revision) = ((dataset.id, entity_type), dataset.revision);
        if let Some(snapshot) = self.snapshots.loaded(key, revision) {
            return Ok(Some(snapshot));
        }
        let spaces = spaces::list(&self.pool, dataset.id).await?;
        let is_own =
            |space: &&DatasetSpace| space.entity_type == entity_type && space.space == Space::Index;
        let Some(space) = spaces.iter().find(is_own).cloned() else {
            return Ok(None);
        };
        let load = |previous| self.load(dataset, &space, spaces, previous);
        Ok(Some(self.snapshots.get(key, revision, load).await?))
    }

    /// Distances of a space. A dataset whose package is gone can still be looked at, with the distances of today's.
    async fn bands(&self, key: &SpaceKey) -> Result<DistanceBands, ExploreError> {
        if let Some(bands) = self.encoders.bands(key) {
            return Ok(bands);
        }
        let bound = self.encoders.bound(&self.pool, INDEX_SLOT).await?;
        let bands = self.encoders.bands(&bound.key());
        bands.ok_or_else(|| ExploreError::MissingPackage(key.package.clone()))
    }

    async fn load(
        &self,
        dataset: &Dataset,
        space: &DatasetSpace,
        spaces: Vec<DatasetSpace>,
        previous: Option<Arc<DatasetSnapshot>>,
    ) -> Result<DatasetSnapshot, ExploreError> {
        let bands = self.bands(&space.key).await?;
        let settings = index_settings(&bands, self.options.exact_limit);
        let shelf = Shelf {
            pool: &self.pool,
            blobs: &self.blobs,
            owner: dataset.owner_id,
            settings,
            stop: self.stop.clone(),
        };
        let row = shelf.newest(dataset.id, space).await?;
        let header = expectation(&row, space).header;
        let columns = |count| Columns::load(&self.pool, dataset.id, space.entity_type, count);
        if let Some(previous) = previous.filter(|old| old.generation().header == header) {
            let columns = columns(previous.len()).await?;
            return Ok(previous.renewed(columns, spaces));
        }
        let generation = shelf.take(dataset.id, space, &row).await?;
        let columns = columns(generation.vectors.len()).await?;
        Ok(DatasetSnapshot::new(generation, columns, spaces))
    }

    /// Has the issues of labels worked out, so that the snapshot has them.
    ///
    /// # Errors
    /// The database, the index.
    pub(crate) async fn label_issues(
        &self,
        dataset: DatasetId,
        snapshot: &Arc<DatasetSnapshot>,
    ) -> Result<(), ExploreError> {
        let load = || async {
            let found = LabelIssues::load(&self.pool, dataset, snapshot).await?;
            Ok::<_, ExploreError>(Arc::new(found))
        };
        snapshot.label_issues().get_or_try_init(load).await?;
        Ok(())
    }

    /// The vectors of a space that is only searched, read from Postgres. The index of a large one is built in the background.
    ///
    /// # Errors
    /// A vector that is malformed; the database.
    pub(crate) async fn side(
        &self,
        dataset: DatasetId,
        space: &DatasetSpace,
        settings: IndexSettings,
    ) -> Result<Arc<Searchable>, ExploreError> {
        let dimension = space.dimension as usize;
        let block = |bytes: Vec<u8>| {
            tokio::task::spawn_blocking(move || VectorBlock::from_le_bytes(dimension, &bytes))
        };
        let side = if space.space == Space::CaptionText {
            let CaptionTexts { bytes, said } =
                text_vectors::of_captions(&self.pool, dataset, space).await?;
            Searchable::shared(Arc::new(block(bytes).await??), said)
        } else {
            let found = vectors::load(&self.pool, dataset, space).await?;
            Searchable::of_some(Arc::new(block(found.bytes).await??), found.ordinals)
        };
        if let Some(job) = side.index_job(settings, self.stop.clone()) {
            tokio::task::spawn_blocking(job);
        }
        Ok(Arc::new(side))
    }
}
