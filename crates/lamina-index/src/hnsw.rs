//! Approximate search on a graph made by `hnsw_rs`, with every result verified.
//!
//! What the library does not promise is added here: identical vectors enter once and are spread in the answer; points that
//! a parallel build left unreachable are found by searching every point for itself and are scanned beside the graph; a
//! filtered or ranged answer that cannot be vouched for grows, and ends in an exact scan.

use std::sync::Arc;

use hnsw_rs::prelude::Hnsw;
use rayon::prelude::*;
use roaring::RoaringBitmap;

use crate::distance::ClampedCosine;
use crate::exact::scan;
use crate::hits::Wanted;
use crate::twins::Twins;
use crate::vectors::unit_query;
use crate::{Hit, IndexError, IndexSettings, StopFlag, VectorBlock, VectorIndex};

/// Links of a point per upper layer; twice that on the ground layer. 16 is measurably too few for this builder.
const LINKS: usize = 32;
/// Candidates looked at for each inserted point.
const BUILD_BREADTH: usize = 200;
const LAYERS: usize = 16;
/// Points inserted between two looks at the stop flag.
const INSERT_AT_ONCE: usize = 4_096;
/// The first points are inserted one by one: parallel insertion into an almost empty graph is what leaves points unreachable.
const INSERT_SERIALLY: usize = 256;
/// Least candidates of a search.
const SEARCH_BREADTH: usize = 96;

/// Searches a graph held in memory. Its file format is never used: it is not safe to read (see the generation file instead).
pub struct HnswIndex {
    vectors: Arc<VectorBlock>,
    twins: Twins,
    graph: Hnsw<'static, f32, ClampedCosine>,
    /// Kinds that the graph does not find; looked at in every search.
    unreachable: Vec<u32>,
    rows_per_candidate: usize,
}

impl std::fmt::Debug for HnswIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HnswIndex")
            .field("vectors", &self.vectors.len())
            .field("kinds", &self.twins.len())
            .field("unreachable", &self.unreachable.len())
            .finish_non_exhaustive()
    }
}

impl HnswIndex {
    /// Builds the graph, in parallel on the current rayon pool; the result differs a little from run to run.
    ///
    /// # Errors
    /// Settings that make no sense, or the stop flag.
    pub fn build(
        vectors: Arc<VectorBlock>,
        settings: &IndexSettings,
        stop: &StopFlag,
    ) -> Result<Self, IndexError> {
        settings.check()?;
        let twins = Twins::find(&vectors);
        let graph = Hnsw::new(
            LINKS,
            twins.len().max(1),
            LAYERS,
            BUILD_BREADTH,
            ClampedCosine,
        );
        // Shuffled, always in the same way: datasets come in order (all frames of a video, one folder after the other), and a
        // graph that begins inside one crowd of near-copies never gets links out of it.
        let mut kinds: Vec<u32> = (0..twins.len() as u32).collect();
        kinds.sort_by_cached_key(|kind| scatter(*kind));
        let insert = |kind: &u32| {
            let row = vectors.unit_row(twins.first(*kind) as usize);
            graph.insert((&row, *kind as usize));
        };
        let (head, tail) = kinds.split_at(INSERT_SERIALLY.min(kinds.len()));
        head.iter().for_each(insert);
        for part in tail.chunks(INSERT_AT_ONCE) {
            stop.check()?;
            part.par_iter().for_each(insert);
        }
        let mut index = Self {
            vectors,
            twins,
            graph,
            unreachable: Vec::new(),
            rows_per_candidate: settings.rows_per_candidate(),
        };
        index.unreachable = index.find_unreachable(stop)?;
        tracing::debug!(
            index.vectors = index.vectors.len(),
            index.unreachable = index.unreachable.len(),
            "graph built"
        );
        Ok(index)
    }

    /// Searches every kind for itself.
    fn find_unreachable(&self, stop: &StopFlag) -> Result<Vec<u32>, IndexError> {
        let mut missing = Vec::new();
        let kinds: Vec<u32> = (0..self.twins.len() as u32).collect();
        for part in kinds.chunks(INSERT_AT_ONCE) {
            stop.check()?;
            missing.par_extend(
                part.par_iter()
                    .copied()
                    .filter(|kind| !self.finds_itself(*kind)),
            );
        }
        Ok(missing)
    }

    fn finds_itself(&self, kind: u32) -> bool {
        let query = self.vectors.unit_row(self.twins.first(kind) as usize);
        // A crowd of vectors that differ by rounding alone can hide a point from a narrow search although it is reachable.
        [8, 256].into_iter().any(|count| {
            let found = self.graph.search(&query, count, count.max(SEARCH_BREADTH));
            found
                .iter()
                .any(|point| point.get_origin_id() == kind as usize)
        })
    }

    /// Points that the graph does not find by themselves and that are scanned instead.
    pub fn unreachable(&self) -> usize {
        self.unreachable.len()
    }

    pub(crate) const fn twins(&self) -> &Twins {
        &self.twins
    }

    /// About the `count` nearest kinds, ascending by (distance, kind); `ordinal` of these hits is a kind.
    pub(crate) fn nearest_kinds(&self, query: &[f32], count: usize) -> Vec<Hit> {
        let found = self.graph.search(query, count, breadth(count));
        let kinds = found
            .iter()
            .map(|point| point.get_origin_id() as u32)
            .chain(self.unreachable.iter().copied());
        // Distances are computed again from the stored rows, so that every way of searching reports the same numbers.
        let mut hits: Vec<Hit> = kinds
            .map(|kind| Hit {
                ordinal: kind,
                distance: self
                    .vectors
                    .distance_to(self.twins.first(kind) as usize, query),
            })
            .collect();
        hits.sort_unstable();
        hits.dedup_by_key(|hit| hit.ordinal);
        hits.truncate(count);
        hits
    }

    /// Whether looking at this many rows is cheaper than walking to the `count` nearest.
    pub(crate) const fn scan_is_cheaper(&self, rows: usize, count: usize) -> bool {
        rows <= breadth(count).saturating_mul(self.rows_per_candidate)
    }

    /// Rows of these kinds, of those allowed, ascending by (distance, row).
    fn rows(&self, kinds: &[Hit], allowed: Option<&RoaringBitmap>) -> Vec<Hit> {
        let mut hits: Vec<Hit> = kinds
            .iter()
            .flat_map(|kind| {
                self.twins.members(kind.ordinal).iter().map(|row| Hit {
                    ordinal: *row,
                    distance: kind.distance,
                })
            })
            .filter(|hit| allowed.is_none_or(|allowed| allowed.contains(hit.ordinal)))
            .collect();
        hits.sort_unstable();
        hits
    }

    /// Rows that may be returned.
    fn eligible(&self, allowed: Option<&RoaringBitmap>) -> usize {
        let rows = self.vectors.len();
        allowed.map_or(rows, |allowed| {
            allowed.range_cardinality(0..rows as u32) as usize
        })
    }
}

/// Candidates that a walk to the `count` nearest keeps.
const fn breadth(count: usize) -> usize {
    let wide = count.saturating_add(count / 2);
    if wide > SEARCH_BREADTH {
        wide
    } else {
        SEARCH_BREADTH
    }
}

/// Takes neighbouring numbers far apart (the finaliser of the public-domain splitmix64 generator).
const fn scatter(number: u32) -> u64 {
    let mut bits = (number as u64).wrapping_add(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

impl VectorIndex for HnswIndex {
    fn len(&self) -> usize {
        self.vectors.len()
    }

    fn search(
        &self,
        query: &[f32],
        k: usize,
        allowed: Option<&RoaringBitmap>,
        stop: &StopFlag,
    ) -> Result<Vec<Hit>, IndexError> {
        let query = unit_query(query, self.vectors.dimension())?;
        let eligible = self.eligible(allowed);
        let k = k.min(eligible);
        // The nearest allowed rows are the first allowed ones among the nearest rows, so the walk is not filtered: it is made
        // long enough for the share that is allowed, and longer where the filter keeps away from the query.
        let mut count = match allowed {
            None => k,
            Some(_) => {
                (k.saturating_mul(self.vectors.len()) / eligible.max(1)).saturating_add(k + 16)
            }
        };
        while !self.scan_is_cheaper(eligible, count) {
            stop.check()?;
            let mut hits = self.rows(&self.nearest_kinds(&query, count), allowed);
            if hits.len() >= k {
                hits.truncate(k);
                return Ok(hits);
            }
            count = count.saturating_mul(4);
        }
        scan(
            &self.vectors,
            &query,
            allowed,
            Wanted {
                count: k,
                within: f32::INFINITY,
            },
            stop,
        )
    }

    fn range_search(
        &self,
        query: &[f32],
        max_distance: f32,
        allowed: Option<&RoaringBitmap>,
        stop: &StopFlag,
    ) -> Result<Vec<Hit>, IndexError> {
        if max_distance.is_nan() {
            return Err(IndexError::Bound);
        }
        let query = unit_query(query, self.vectors.dimension())?;
        let eligible = self.eligible(allowed);
        let mut count = 64;
        while !self.scan_is_cheaper(eligible, count) {
            stop.check()?;
            let mut kinds = self.nearest_kinds(&query, count);
            let inside = kinds.partition_point(|kind| kind.distance <= max_distance);
            // The bound must lie well inside what was walked: the last hits of a walk are its least sure ones.
            if inside <= count * 3 / 4 && kinds.len() == count {
                kinds.truncate(inside);
                return Ok(self.rows(&kinds, allowed));
            }
            count *= 4;
        }
        scan(
            &self.vectors,
            &query,
            allowed,
            Wanted {
                count: usize::MAX,
                within: max_distance,
            },
            stop,
        )
    }

    fn bytes_in_memory(&self) -> usize {
        // Measured on the library: the f32 copy, 16 link vectors, and 16 bytes plus a counted 40-byte record per link.
        let per_point =
            self.vectors.dimension() * size_of::<f32>() + 16 * 24 + 160 + 2 * LINKS * (8 + 32);
        self.vectors.bytes_in_memory() + self.twins.bytes_in_memory() + self.twins.len() * per_point
    }
}
