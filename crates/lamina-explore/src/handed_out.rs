//! Clusters that answers named lately, by id. An id says nothing of its cluster but that it is the digest of its place, so
//! finding one means trying all there are; clients ask for those they were just shown.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use lamina_types::{ClusterId, SimilarityThreshold};

/// Entries kept: a hundred pages.
const CAPACITY: usize = 10_000;

/// Level and lowest ordinal by id.
#[derive(Debug, Default)]
pub(crate) struct HandedOut(Mutex<HashMap<ClusterId, (SimilarityThreshold, u32)>>);

impl HandedOut {
    /// Remembers clusters of one level.
    pub(crate) fn put(
        &self,
        level: SimilarityThreshold,
        clusters: impl IntoIterator<Item = (ClusterId, u32)>,
    ) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= CAPACITY {
            // Whoever still reads one of these pays for one search.
            known.clear();
        }
        known.extend(clusters.into_iter().map(|(id, first)| (id, (level, first))));
    }

    /// Bytes held.
    pub(crate) fn bytes_in_memory(&self) -> usize {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.capacity() * size_of::<(ClusterId, (SimilarityThreshold, u32))>()
    }

    /// The cluster of an id that was handed out lately.
    pub(crate) fn get(&self, id: ClusterId) -> Option<(SimilarityThreshold, u32)> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&id).copied()
    }
}
