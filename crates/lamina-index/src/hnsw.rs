//! Growing a graph with `hnsw_rs`. Searching happens in the frozen form; the library's own search is kept for comparison.

use hnsw_rs::prelude::Hnsw;
use rayon::prelude::*;
use roaring::RoaringBitmap;

use crate::distance::ClampedCosine;
use crate::twins::Twins;
use crate::vectors::unit_query;
use crate::{Hit, IndexError, StopFlag, VectorBlock};

/// Links of a point per upper layer; twice that on the ground layer. 16 is measurably too few for this builder.
const LINKS: usize = 32;
/// Candidates looked at for each inserted point.
const BUILD_BREADTH: usize = 200;
const LAYERS: usize = 16;
/// Points inserted between two looks at the stop flag.
const INSERT_AT_ONCE: usize = 4_096;
/// The first points are inserted one by one: parallel insertion into an almost empty graph is what leaves points unreachable.
const INSERT_SERIALLY: usize = 256;

/// A graph in the memory of `hnsw_rs`: a heap object behind a lock for every point. Its file format is never used: it is not
/// safe to read (see the generation file instead).
pub struct HnswGraph {
    graph: Hnsw<'static, f32, ClampedCosine>,
    dimension: usize,
}

impl std::fmt::Debug for HnswGraph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HnswGraph")
            .field("points", &self.graph.get_nb_point())
            .finish_non_exhaustive()
    }
}

/// A point of the graph with its links, layer by layer from the ground to its top.
pub(crate) struct GrownPoint {
    pub(crate) ordinal: u32,
    pub(crate) links: Vec<Vec<u32>>,
}

impl HnswGraph {
    /// Builds the graph over one row of each kind, in parallel on the current rayon pool; it differs a little from run to run.
    ///
    /// # Errors
    /// The stop flag.
    pub fn build(vectors: &VectorBlock, stop: &StopFlag) -> Result<Self, IndexError> {
        Self::grow(vectors, Twins::find(vectors).firsts(), stop)
    }

    /// Builds the graph over the given rows.
    pub(crate) fn grow(
        vectors: &VectorBlock,
        mut rows: Vec<u32>,
        stop: &StopFlag,
    ) -> Result<Self, IndexError> {
        let graph = Hnsw::new(
            LINKS,
            rows.len().max(1),
            LAYERS,
            BUILD_BREADTH,
            ClampedCosine,
        );
        // Shuffled, always in the same way: datasets come in order (all frames of a video, one folder after the other), and a
        // graph that begins inside one crowd of near-copies never gets links out of it.
        rows.sort_by_cached_key(|row| scatter(*row));
        let insert = |row: &u32| {
            graph.insert((&vectors.unit_row(*row as usize), *row as usize));
        };
        let (head, tail) = rows.split_at(INSERT_SERIALLY.min(rows.len()));
        head.iter().for_each(insert);
        for part in tail.chunks(INSERT_AT_ONCE) {
            stop.check()?;
            part.par_iter().for_each(insert);
        }
        Ok(Self {
            graph,
            dimension: vectors.dimension(),
        })
    }

    /// About the `count` nearest rows, of those allowed, by the library's own search, with this breadth; identical rows are
    /// found once, and a filter may leave too few.
    ///
    /// # Errors
    /// An unusable query.
    pub fn search(
        &self,
        query: &[f32],
        count: usize,
        breadth: usize,
        allowed: Option<&RoaringBitmap>,
    ) -> Result<Vec<Hit>, IndexError> {
        let query = unit_query(query, self.dimension)?;
        let found = match allowed {
            None => self.graph.search(&query, count, breadth),
            Some(allowed) => {
                let is_allowed = |row: &usize| allowed.contains(*row as u32);
                self.graph
                    .search_filter(&query, count, breadth, Some(&is_allowed))
            }
        };
        Ok(found
            .iter()
            .map(|point| Hit {
                ordinal: point.get_origin_id() as u32,
                distance: point.get_distance(),
            })
            .collect())
    }

    /// Every point, those of the highest layer first: the first one is where searches begin.
    pub(crate) fn points(&self) -> Vec<GrownPoint> {
        let points = self.graph.get_point_indexation();
        let mut grown = Vec::with_capacity(self.graph.get_nb_point());
        for top in (0..=self.graph.get_max_level_observed()).rev() {
            for point in points.get_layer_iterator(top.into()) {
                // Rows above the point's own layer and links to points below the row's layer are leftovers of the library.
                let rows = point
                    .get_neighborhood_id()
                    .into_iter()
                    .take(usize::from(top) + 1);
                let links = (0..).zip(rows).map(|(layer, row)| {
                    let links = row.iter().filter(|link| link.p_id.0 >= layer);
                    links.map(|link| link.get_origin_id() as u32).collect()
                });
                grown.push(GrownPoint {
                    ordinal: point.get_origin_id() as u32,
                    links: links.collect(),
                });
            }
        }
        grown
    }
}

/// Takes neighbouring numbers far apart (the finaliser of the public-domain splitmix64 generator).
const fn scatter(number: u32) -> u64 {
    let mut bits = (number as u64).wrapping_add(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}
