//! Vectors that can be searched, whoever they belong to.

use std::sync::{Arc, OnceLock};

use lamina_index::{
    ExactIndex, FrozenGraph, FrozenIndex, Generation, Hit, IndexError, IndexSettings, StopFlag,
    VectorBlock, VectorIndex,
};
use roaring::RoaringBitmap;

use crate::ExploreError;

/// One block of vectors with its index. That of a generation comes with it; other blocks are searched exactly until the graph
/// of a large one stands.
#[derive(Debug)]
pub(crate) struct Searchable {
    vectors: Arc<VectorBlock>,
    index: Box<dyn VectorIndex>,
    graph: Arc<OnceLock<FrozenIndex>>,
    /// Whose each row is, ascending, where that is not simply the row's number: items may have none or several.
    owners: Option<Vec<u32>>,
}

impl Searchable {
    /// The vectors of a generation, one per item, in the order of ordinals.
    pub(crate) fn of_generation(generation: &Generation) -> Self {
        Self {
            vectors: Arc::clone(&generation.vectors),
            index: generation.index(),
            graph: Arc::default(),
            owners: None,
        }
    }

    /// Vectors of some items: row `i` belongs to `owners[i]`, ascending.
    pub(crate) fn of_some(vectors: Arc<VectorBlock>, owners: Vec<u32>) -> Self {
        let is_plain = (0..).zip(&owners).all(|(row, owner)| row == *owner);
        Self {
            index: Box::new(ExactIndex::new(Arc::clone(&vectors))),
            vectors,
            graph: Arc::default(),
            owners: (!is_plain).then_some(owners),
        }
    }

    /// Work that builds the graph of a large block, for a blocking thread: minutes of CPU time for a million vectors.
    /// `None` for a block that is searched exactly.
    pub(crate) fn graph_job(
        &self,
        settings: IndexSettings,
        stop: StopFlag,
    ) -> Option<impl FnOnce() + Send + use<>> {
        (self.vectors.len() > settings.exact_limit).then(|| {
            let (vectors, graph) = (Arc::clone(&self.vectors), Arc::clone(&self.graph));
            move || match grow(vectors, &settings, &stop) {
                Ok(built) => {
                    let _ = graph.set(built);
                }
                Err(error) => {
                    tracing::warn!(%error, "no graph for a large dataset; its searches stay exact")
                }
            }
        })
    }

    /// All items within `max_distance` of `query`, of those in `allowed` if given, ascending by distance, then ordinal. An item
    /// with several vectors counts by its nearest.
    ///
    /// # Errors
    /// A query of another dimension.
    pub(crate) fn within(
        &self,
        query: &[f32],
        max_distance: f32,
        allowed: Option<&RoaringBitmap>,
    ) -> Result<Vec<Hit>, ExploreError> {
        let stop = StopFlag::new();
        let index: &dyn VectorIndex = match self.graph.get() {
            Some(graph) => graph,
            None => &*self.index,
        };
        let Some(owners) = &self.owners else {
            return Ok(index.range_search(query, max_distance, allowed, &stop)?);
        };
        let rows = allowed.map(|allowed| rows_of(owners, allowed));
        let mut hits = index.range_search(query, max_distance, rows.as_ref(), &stop)?;
        for hit in &mut hits {
            hit.ordinal = owners
                .get(hit.ordinal as usize)
                .copied()
                .unwrap_or(u32::MAX);
        }
        hits.sort_unstable();
        let mut seen = RoaringBitmap::new();
        hits.retain(|hit| seen.insert(hit.ordinal));
        Ok(hits)
    }

    /// Bytes held; the vectors only if they are not another's.
    pub(crate) fn bytes_in_memory(&self, with_vectors: bool) -> usize {
        let vectors = if with_vectors {
            self.vectors.bytes_in_memory()
        } else {
            0
        };
        let graph = self.graph.get().map_or(0, |graph| {
            graph
                .bytes_in_memory()
                .saturating_sub(self.vectors.bytes_in_memory())
        });
        let owners = self.owners.as_ref().map_or(0, Vec::capacity) * size_of::<u32>();
        vectors + graph + owners
    }
}

fn grow(
    vectors: Arc<VectorBlock>,
    settings: &IndexSettings,
    stop: &StopFlag,
) -> Result<FrozenIndex, IndexError> {
    let graph = FrozenGraph::build(&vectors, stop)?;
    FrozenIndex::new(vectors, Arc::new(graph), settings)
}

/// The rows of the allowed items.
fn rows_of(owners: &[u32], allowed: &RoaringBitmap) -> RoaringBitmap {
    let rows = (0..).zip(owners);
    // Ascending by construction, which is what makes this cheap.
    RoaringBitmap::from_sorted_iter(
        rows.filter(|(_, owner)| allowed.contains(**owner))
            .map(|(row, _)| row),
    )
    .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lamina_types::Embedding;

    fn block(angles: &[f32]) -> Arc<VectorBlock> {
        let rows: Vec<Embedding> = angles
            .iter()
            .map(|angle| Embedding::new(vec![angle.cos(), angle.sin()]).unwrap())
            .collect();
        Arc::new(VectorBlock::from_embeddings(&rows).unwrap())
    }

    #[test]
    fn an_item_counts_by_its_nearest_vector_and_others_do_not_exist() {
        let some = Searchable::of_some(block(&[0.5, 0.1, 0.2, 0.3]), vec![2, 2, 5, 9]);
        let ordinals = |allowed: Option<&RoaringBitmap>| -> Vec<u32> {
            let hits = some.within(&[1.0, 0.0], 2.0, allowed).unwrap();
            hits.iter().map(|hit| hit.ordinal).collect()
        };
        assert_eq!(ordinals(None), [2, 5, 9]);
        assert_eq!(ordinals(Some(&[0, 1, 3, 5, 9].into())), [5, 9]);
        assert_eq!(ordinals(Some(&RoaringBitmap::new())), [0_u32; 0]);
        let nearest = some.within(&[1.0, 0.0], 0.01, None).unwrap();
        assert_eq!(nearest.len(), 1);
    }
}
