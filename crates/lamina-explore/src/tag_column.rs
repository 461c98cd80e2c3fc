//! Who carries which tag. Tags are put on and taken off all the time, so they have a revision of their own, and only those
//! that changed are read again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use lamina_store::sqlx::PgPool;
use lamina_store::tags;
use lamina_types::{DatasetId, TagId};
use roaring::RoaringBitmap;
use tokio::sync::Mutex;

use crate::ExploreError;

/// The tags of a dataset at one revision.
#[derive(Debug, Clone, Default)]
pub(crate) struct TagColumn {
    revision: Option<i64>,
    /// Ordinals of pictures by tag.
    by_tag: BTreeMap<TagId, RoaringBitmap>,
    /// Of pictures that carry any.
    tagged: RoaringBitmap,
}

impl TagColumn {
    /// The pictures that carry a tag; `None` when nobody does.
    pub(crate) fn owners(&self, tag: TagId) -> Option<&RoaringBitmap> {
        self.by_tag.get(&tag)
    }

    /// The pictures that carry any tag.
    pub(crate) const fn tagged(&self) -> &RoaringBitmap {
        &self.tagged
    }

    fn bytes_in_memory(&self) -> usize {
        let sets = self.by_tag.values().map(RoaringBitmap::serialized_size);
        self.tagged.serialized_size()
            + sets.sum::<usize>()
            + self.by_tag.len() * size_of::<(TagId, RoaringBitmap)>()
    }
}

/// The newest tags that a reader asked for. Copies are the same tags.
#[derive(Debug, Clone, Default)]
pub(crate) struct LiveTags(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    held: RwLock<Arc<TagColumn>>,
    /// One reader brings the column up to date, the others wait for it.
    turn: Mutex<()>,
}

impl LiveTags {
    /// The tags at `revision` or later.
    ///
    /// # Errors
    /// The database.
    pub(crate) async fn at(
        &self,
        pool: &PgPool,
        dataset: DatasetId,
        revision: i64,
    ) -> Result<Arc<TagColumn>, ExploreError> {
        let is_new = |column: &TagColumn| column.revision.is_some_and(|held| held >= revision);
        let held = self.held();
        if is_new(&held) {
            return Ok(held);
        }
        let _turn = self.0.turn.lock().await;
        let held = self.held();
        if is_new(&held) {
            return Ok(held);
        }
        let changed = tags::changed_since(pool, dataset, held.revision).await?;
        let living: BTreeSet<TagId> = tags::ids(pool, dataset).await?.into_iter().collect();
        let mut column = TagColumn::clone(&held);
        column.revision = Some(revision);
        for (tag, ordinals) in changed {
            column.by_tag.insert(tag, ordinals.into_iter().collect());
        }
        column.by_tag.retain(|tag, _| living.contains(tag));
        column.tagged = RoaringBitmap::new();
        for owners in column.by_tag.values() {
            column.tagged |= owners;
        }
        let column = Arc::new(column);
        *self.0.held.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&column);
        Ok(column)
    }

    fn held(&self) -> Arc<TagColumn> {
        Arc::clone(&self.0.held.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Bytes held.
    pub(crate) fn bytes_in_memory(&self) -> usize {
        self.held().bytes_in_memory()
    }
}
