//! The search interface and the choice of its form.

use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::{
    CoarseIndex, ExactIndex, FrozenGraph, FrozenIndex, Hit, IndexError, IndexSettings, StopFlag,
    VectorBlock,
};

/// Nearest-neighbour search over one block of vectors. Immutable and shareable; ordinals are rows of the block.
///
/// Results are ascending by (distance, ordinal). A search is never silently short: it returns `min(k, rows that are allowed)`
/// hits. Queries need not be normalised, but must be finite, not all zero, and of the block's dimension.
pub trait VectorIndex: Send + Sync + std::fmt::Debug {
    /// Number of vectors.
    fn len(&self) -> usize;

    /// Whether there are no vectors.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The `k` nearest rows, of those in `allowed` if given (ordinals beyond the last row are ignored).
    ///
    /// # Errors
    /// An unusable query, or the stop flag.
    fn search(
        &self,
        query: &[f32],
        k: usize,
        allowed: Option<&RoaringBitmap>,
        stop: &StopFlag,
    ) -> Result<Vec<Hit>, IndexError>;

    /// All rows at a cosine distance of at most `max_distance` (0 to 2; more is harmless). Complete below the exact limit.
    ///
    /// # Errors
    /// An unusable query, a bound that is NaN, or the stop flag.
    fn range_search(
        &self,
        query: &[f32],
        max_distance: f32,
        allowed: Option<&RoaringBitmap>,
        stop: &StopFlag,
    ) -> Result<Vec<Hit>, IndexError>;

    /// Bytes held, the vector block included.
    fn bytes_in_memory(&self) -> usize;
}

/// The form of index that fits the number of vectors: exact up to `settings.exact_limit`; above it a graph, or coarse rows
/// where no graph leads. Above the limit this builds the graph, which takes minutes for a million vectors; a
/// [`crate::Generation`] brings its own.
///
/// # Errors
/// Settings that make no sense, or the stop flag.
pub fn open_index(
    vectors: Arc<VectorBlock>,
    settings: &IndexSettings,
    stop: &StopFlag,
) -> Result<Box<dyn VectorIndex>, IndexError> {
    settings.check()?;
    if vectors.len() > settings.exact_limit {
        let graph = Arc::new(FrozenGraph::build(&vectors, stop)?);
        let index = FrozenIndex::new(Arc::clone(&vectors), graph, settings)?;
        if index.leads(stop)? {
            return Ok(Box::new(index));
        }
    }
    Ok(without_graph(vectors, settings))
}

/// The form of index of vectors that have no graph: because they are few, or because none would lead.
pub(crate) fn without_graph(
    vectors: Arc<VectorBlock>,
    settings: &IndexSettings,
) -> Box<dyn VectorIndex> {
    if vectors.len() <= settings.exact_limit {
        Box::new(ExactIndex::new(vectors))
    } else {
        Box::new(CoarseIndex::new(vectors))
    }
}
