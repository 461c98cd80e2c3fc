//! Rows at two bits a value, an eighth of their size: what a scan of very many rows looks at first.
//!
//! Each value is put into one of four steps around the mean of its place. The product of a query with such a row is the true
//! one give or take about 0.013 for 512 values, so the nearest rows are among the few hundred that look nearest; those
//! are then compared exactly. How far looks deceive is measured for every query, on some of all rows and on those that turned
//! out to be near, and more are compared until one that was left out would have to be off by three deviations more.

mod compare;
mod rows;

use std::sync::{Arc, OnceLock};

use roaring::RoaringBitmap;

pub(crate) use compare::{CERTAINTY, Deception};
pub(crate) use rows::{CoarseRows, Question};

use crate::exact::scan;
use crate::hits::Wanted;
use crate::vectors::{range_query, unit_query};
use crate::{ExactIndex, Hit, IndexError, StopFlag, VectorBlock, VectorIndex};

/// Rows from which a scan for few hits looks at coarse rows first.
pub(crate) const COARSE_FROM: usize = 2_000;
/// The same for all rows within a distance, where more have to be compared.
const COARSE_WITHIN_FROM: usize = 10_000;

/// Searches by scanning coarse rows first: for large blocks that no graph leads through.
#[derive(Debug)]
pub struct CoarseIndex {
    exact: ExactIndex,
    rows: LazyCoarseRows,
}

impl CoarseIndex {
    /// Searches these vectors. The first search for few hits makes the coarse rows.
    pub(crate) fn new(vectors: Arc<VectorBlock>) -> Self {
        Self {
            exact: ExactIndex::new(vectors),
            rows: LazyCoarseRows::default(),
        }
    }
}

impl VectorIndex for CoarseIndex {
    fn len(&self) -> usize {
        self.exact.len()
    }

    fn search(
        &self,
        query: &[f32],
        k: usize,
        allowed: Option<&RoaringBitmap>,
        stop: &StopFlag,
    ) -> Result<Vec<Hit>, IndexError> {
        let vectors = self.exact.vectors();
        let query = unit_query(query, vectors.dimension())?;
        self.rows.search(vectors, &query, k, allowed, stop)
    }

    fn range_search(
        &self,
        query: &[f32],
        max_distance: f32,
        allowed: Option<&RoaringBitmap>,
        stop: &StopFlag,
    ) -> Result<Vec<Hit>, IndexError> {
        let vectors = self.exact.vectors();
        let query = range_query(query, max_distance, vectors.dimension())?;
        self.rows
            .within(vectors, &query, max_distance, allowed, stop)
    }

    fn bytes_in_memory(&self) -> usize {
        // Coarse rows count from the start: memory is planned with what is told here.
        self.exact.bytes_in_memory() + CoarseRows::bytes_for(self.exact.vectors())
    }
}

/// Coarse rows that are made by the first search that needs them.
#[derive(Debug, Default)]
pub(crate) struct LazyCoarseRows(OnceLock<CoarseRows>);

impl LazyCoarseRows {
    /// Whether a search has needed them.
    #[cfg(test)]
    pub(crate) fn are_made(&self) -> bool {
        self.0.get().is_some()
    }

    /// The rows of a block, always the same one.
    pub(crate) fn of(&self, vectors: &VectorBlock) -> &CoarseRows {
        self.0.get_or_init(|| CoarseRows::of(vectors))
    }

    /// The `k` nearest of the allowed rows, ascending: by coarse rows where that is better than an exact scan, which follows
    /// wherever they do not tell rows apart. `query` is a unit vector.
    pub(crate) fn search(
        &self,
        vectors: &VectorBlock,
        query: &[f32],
        k: usize,
        allowed: Option<&RoaringBitmap>,
        stop: &StopFlag,
    ) -> Result<Vec<Hit>, IndexError> {
        stop.check()?;
        if k > 0
            && let Some(places) = many_places(vectors, allowed, COARSE_FROM)
        {
            let coarse = self.of(vectors);
            if let Some(hits) = coarse.nearest(vectors, query, k, &places, stop)? {
                return Ok(hits);
            }
        }
        scan(vectors, query, allowed, Wanted::nearest(k), stop)
    }

    /// All allowed rows within a distance, ascending, found as those of [`Self::search`] are.
    pub(crate) fn within(
        &self,
        vectors: &VectorBlock,
        query: &[f32],
        within: f32,
        allowed: Option<&RoaringBitmap>,
        stop: &StopFlag,
    ) -> Result<Vec<Hit>, IndexError> {
        stop.check()?;
        if let Some(places) = many_places(vectors, allowed, COARSE_WITHIN_FROM) {
            let coarse = self.of(vectors);
            if let Some(hits) = coarse.within(vectors, query, within, &places, stop)? {
                return Ok(hits);
            }
        }
        scan(vectors, query, allowed, Wanted::within(within), stop)
    }
}

/// Where the allowed rows lie, ascending, if there are at least so many: fewer are not listed, a scan does that by itself.
pub(crate) fn many_places(
    vectors: &VectorBlock,
    allowed: Option<&RoaringBitmap>,
    least: usize,
) -> Option<Vec<u32>> {
    let last = vectors.len() as u32;
    (vectors.count_allowed(allowed) >= least).then(|| match allowed {
        None => (0..last).collect(),
        Some(allowed) => vectors.places_of(allowed),
    })
}
