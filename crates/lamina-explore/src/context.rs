//! What a filter may look at while it is resolved.

use std::sync::Arc;

use lamina_store::datasets::Dataset;
use lamina_store::spaces::DatasetSpace;
use lamina_store::sqlx::PgPool;
use lamina_types::{DatasetId, EntityType, SpaceKey};
use roaring::RoaringBitmap;

use crate::encoders::Encoders;
use crate::facts::Facts;
use crate::matching::Selection;
use crate::opening::Library;
use crate::searchable::Searchable;
use crate::tag_column::TagColumn;
use crate::texts::TextVectors;
use crate::threshold_sense::ThresholdSense;
use crate::word_index::WordIndex;
use crate::{DatasetSnapshot, ExploreError};

/// The items of a dataset, opened for one request.
pub(crate) struct Context<'a> {
    pub(crate) library: &'a Library,
    pub(crate) dataset: &'a Dataset,
    pub(crate) snapshot: &'a Arc<DatasetSnapshot>,
    pub(crate) texts: &'a TextVectors,
}

impl<'a> Context<'a> {
    pub(crate) const fn pool(&self) -> &'a PgPool {
        &self.library.pool
    }

    /// The models at hand.
    pub(crate) const fn encoders(&self) -> &'a Encoders {
        &self.library.encoders
    }

    /// What a caller's threshold means.
    pub(crate) const fn sense(&self) -> ThresholdSense {
        self.library.options.threshold_sense
    }

    pub(crate) const fn dataset_id(&self) -> DatasetId {
        self.dataset.id
    }

    /// Pictures or objects.
    pub(crate) fn entity_type(&self) -> EntityType {
        self.snapshot.entity_type()
    }

    /// What clusters and anchors are compared in.
    pub(crate) fn key(&self) -> &'a SpaceKey {
        &self.snapshot.generation().header.key
    }

    /// The tags as they are now, of pictures.
    pub(crate) async fn tags(&self) -> Result<Arc<TagColumn>, ExploreError> {
        let tags = &self.snapshot.tags;
        tags.at(self.pool(), self.dataset.id, self.dataset.tags_revision)
            .await
    }

    /// Names, sizes and dates of the files.
    pub(crate) async fn facts(&self) -> Result<Arc<Facts>, ExploreError> {
        let load = || async {
            let columns = self.snapshot.columns();
            let facts = Facts::load(self.pool(), self.dataset.id, self.entity_type(), columns);
            facts.await.map(Arc::new)
        };
        self.snapshot.facts().get_or_try_init(load).await.cloned()
    }

    /// Who says what in captions.
    pub(crate) async fn words(&self) -> Result<Arc<WordIndex>, ExploreError> {
        let load = || async {
            let count = self.snapshot.len();
            let words = WordIndex::load(self.pool(), self.dataset.id, self.entity_type(), count);
            words.await.map(Arc::new)
        };
        self.snapshot.words().get_or_try_init(load).await.cloned()
    }

    /// Has the issues of labels worked out, so that the snapshot has them.
    pub(crate) async fn label_issues(&self) -> Result<(), ExploreError> {
        self.library
            .label_issues(self.dataset.id, self.snapshot)
            .await
    }

    /// The vectors of a space that is only searched.
    pub(crate) async fn side(&self, space: &DatasetSpace) -> Result<Arc<Searchable>, ExploreError> {
        let load = || async {
            let settings = self.snapshot.generation().settings;
            self.library.side(self.dataset_id(), space, settings).await
        };
        match self.snapshot.side(space.space) {
            Some(place) => place.get_or_try_init(load).await.cloned(),
            None => load().await,
        }
    }

    /// Looks at the items on a thread that may take its time.
    pub(crate) async fn scan(
        &self,
        select: impl FnOnce(&DatasetSnapshot) -> RoaringBitmap + Send + 'static,
    ) -> Result<Selection, ExploreError> {
        let snapshot = Arc::clone(self.snapshot);
        let set = tokio::task::spawn_blocking(move || select(&snapshot)).await?;
        Ok(Selection::Set(set))
    }
}
