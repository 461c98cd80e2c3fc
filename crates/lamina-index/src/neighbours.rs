//! The nearest neighbours of every item.

use rayon::prelude::*;

use crate::column::Column;
use crate::duplicates::FORMABLE_BOUND;
use crate::frozen::FIND_BREADTH;
use crate::graph::{Edge, reduce_to_forest};
use crate::twins::Twins;
use crate::{FrozenIndex, Hit, IndexError, StopFlag, VectorBlock};

/// Kinds between two looks at the stop flag.
const KINDS_AT_ONCE: usize = 1_024;

/// Near-copies of one item that are looked up one by one above the exact limit. More of them than this are connected through
/// each other anyway.
const MOST_NEAR_COPIES: usize = 1_024;

/// The `k` nearest neighbours of every item, itself excluded, ascending by (distance, ordinal). Every item has the same
/// number: `min(k, items - 1)`.
#[derive(Clone, PartialEq)]
pub struct Neighbours {
    per_item: usize,
    /// Ordinal and the bits of the distance, as they are in a file.
    hits: Column<[u32; 2]>,
}

impl std::fmt::Debug for Neighbours {
    /// Sizes only: millions of numbers in a log line help nobody.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Neighbours")
            .field("per_item", &self.per_item)
            .field("hits", &self.hits.len())
            .finish()
    }
}

impl Neighbours {
    pub(crate) fn new(per_item: usize, hits: Vec<Hit>) -> Self {
        let hits: Vec<[u32; 2]> = hits
            .into_iter()
            .map(|hit| [hit.ordinal, hit.distance.to_bits()])
            .collect();
        Self::of_column(per_item, hits.into())
    }

    pub(crate) fn of_column(per_item: usize, hits: Column<[u32; 2]>) -> Self {
        debug_assert!(per_item == 0 || hits.len().is_multiple_of(per_item));
        Self { per_item, hits }
    }

    /// Neighbours of each item.
    pub const fn per_item(&self) -> usize {
        self.per_item
    }

    /// The neighbours of one item.
    ///
    /// # Panics
    /// When there is no such item, like a slice.
    pub fn of(&self, ordinal: u32) -> impl ExactSizeIterator<Item = Hit> + Clone + '_ {
        let start = ordinal as usize * self.per_item;
        self.hits[start..start + self.per_item].iter().map(hit)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.hits.as_bytes()
    }

    /// Bytes held; what lies in a mapped file is not counted.
    pub fn bytes_in_memory(&self) -> usize {
        self.hits.bytes_owned()
    }

    /// From neighbours of kinds (ordinals are kinds) to neighbours of items.
    pub(crate) fn spread(&self, twins: &Twins, items: usize, k: usize) -> Self {
        let per_item = k.min(items.saturating_sub(1));
        let lists: Vec<Vec<Hit>> = (0..items as u32)
            .into_par_iter()
            .map(|item| {
                let kind = twins.kind(item);
                let own = twins
                    .members(kind)
                    .iter()
                    .filter(|twin| **twin != item)
                    .map(|twin| Hit {
                        ordinal: *twin,
                        distance: 0.0,
                    });
                let others = self.of(kind).flat_map(|hit| {
                    twins.members(hit.ordinal).iter().map(move |row| Hit {
                        ordinal: *row,
                        distance: hit.distance,
                    })
                });
                // Both parts ascend by distance, so the first `per_item` of the chain are the nearest; only ties move.
                let mut list: Vec<Hit> = own.chain(others).take(per_item).collect();
                list.sort_unstable();
                list
            })
            .collect();
        Self::new(per_item, lists.concat())
    }
}

pub(crate) const fn hit(pair: &[u32; 2]) -> Hit {
    Hit {
        ordinal: pair[0],
        distance: f32::from_bits(pair[1]),
    }
}

/// Nearest kinds of every kind and the near-copy edges between kinds, walked from a graph.
pub(crate) fn walk(
    index: &FrozenIndex,
    vectors: &VectorBlock,
    twins: &Twins,
    k: usize,
    stop: &StopFlag,
) -> Result<(Neighbours, Vec<Edge>), IndexError> {
    let per_kind = k.min(twins.len().saturating_sub(1));
    let mut hits = Vec::with_capacity(per_kind * twins.len());
    let mut edges = Vec::new();
    let kinds: Vec<u32> = (0..twins.len() as u32).collect();
    let surroundings = Surroundings {
        index,
        vectors,
        twins,
        per_kind,
    };
    for part in kinds.chunks(KINDS_AT_ONCE) {
        stop.check()?;
        let lists: Vec<_> = part
            .par_iter()
            .map(|kind| surroundings.of(*kind, stop))
            .collect::<Result<_, IndexError>>()?;
        for (list, near) in lists {
            hits.extend(list);
            edges.extend(near);
        }
        if edges.len() > 8 * twins.len() {
            reduce_to_forest(&mut edges, twins.len());
        }
    }
    reduce_to_forest(&mut edges, twins.len());
    Ok((Neighbours::new(per_kind, hits), edges))
}

/// Looks around kinds.
struct Surroundings<'a> {
    index: &'a FrozenIndex,
    vectors: &'a VectorBlock,
    twins: &'a Twins,
    per_kind: usize,
}

impl Surroundings<'_> {
    /// The nearest other kinds of a kind, and its near-copies.
    fn of(&self, kind: u32, stop: &StopFlag) -> Result<(Vec<Hit>, Vec<Edge>), IndexError> {
        let point = self.twins.first(kind);
        let mut near = self.points_around(point, stop)?;
        near.retain(|hit| hit.ordinal != point);
        // The same function as below the limit: the same number from both ends of an edge.
        for hit in &mut near {
            hit.distance = self.vectors.distance(point as usize, hit.ordinal as usize);
            hit.ordinal = self.twins.kind(hit.ordinal);
        }
        near.sort_unstable();
        let edges = near
            .iter()
            .take_while(|hit| hit.distance <= FORMABLE_BOUND)
            .map(|hit| Edge {
                a: kind.min(hit.ordinal),
                b: kind.max(hit.ordinal),
                distance: hit.distance,
            })
            .collect();
        near.truncate(self.per_kind);
        Ok((near, edges))
    }

    /// The points nearest to a point: one more than wanted because it finds itself, and all of its near-copies.
    fn points_around(&self, point: u32, stop: &StopFlag) -> Result<Vec<Hit>, IndexError> {
        let query = self.vectors.unit_row(point as usize);
        let start = Hit {
            ordinal: point,
            distance: 0.0,
        };
        let wanted = self.per_kind + 1;
        let mut breadth = FIND_BREADTH.max(2 * wanted);
        let mut near = self.index.nearest_from(&query, start, breadth, stop)?;
        let reaches_out =
            |near: &[Hit]| near.last().is_some_and(|hit| hit.distance > FORMABLE_BOUND);
        while near.len() >= wanted && breadth < MOST_NEAR_COPIES && !reaches_out(&near) {
            breadth *= 4;
            near = self.index.nearest_from(&query, start, breadth, stop)?;
        }
        if near.len() < wanted {
            return Ok(self.every_point(&query));
        }
        Ok(near)
    }

    /// All points by distance, where the graph does not lead to enough of them.
    fn every_point(&self, query: &[f32]) -> Vec<Hit> {
        let mut hits: Vec<Hit> = (0..self.twins.len() as u32)
            .map(|kind| {
                let ordinal = self.twins.first(kind);
                Hit {
                    ordinal,
                    distance: self.vectors.distance_to(ordinal as usize, query),
                }
            })
            .collect();
        hits.sort_unstable();
        hits
    }
}
