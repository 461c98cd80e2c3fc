//! The nearest neighbours of every item.

use rayon::prelude::*;

use crate::duplicates::FORMABLE_BOUND;
use crate::graph::{Edge, reduce_to_forest};
use crate::twins::Twins;
use crate::{Hit, HnswIndex, IndexError, StopFlag, VectorBlock};

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
    hits: Vec<Hit>,
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
    pub fn of(&self, ordinal: u32) -> &[Hit] {
        let start = ordinal as usize * self.per_item;
        &self.hits[start..start + self.per_item]
    }

    pub(crate) fn all(&self) -> &[Hit] {
        &self.hits
    }

    /// Bytes held.
    pub fn bytes_in_memory(&self) -> usize {
        self.hits.capacity() * size_of::<Hit>()
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
                let others = self.of(kind).iter().flat_map(|hit| {
                    twins.members(hit.ordinal).iter().map(|row| Hit {
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

/// Nearest kinds of every kind and the near-copy edges between kinds, walked from a graph.
pub(crate) fn walk(
    index: &HnswIndex,
    vectors: &VectorBlock,
    k: usize,
    stop: &StopFlag,
) -> Result<(Neighbours, Vec<Edge>), IndexError> {
    let twins = index.twins();
    let per_kind = k.min(twins.len().saturating_sub(1));
    let mut hits = Vec::with_capacity(per_kind * twins.len());
    let mut edges = Vec::new();
    let kinds: Vec<u32> = (0..twins.len() as u32).collect();
    for part in kinds.chunks(KINDS_AT_ONCE) {
        stop.check()?;
        let lists: Vec<(Vec<Hit>, Vec<Edge>)> = part
            .par_iter()
            .map(|kind| around(index, vectors, *kind, per_kind))
            .collect();
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

fn around(
    index: &HnswIndex,
    vectors: &VectorBlock,
    kind: u32,
    per_kind: usize,
) -> (Vec<Hit>, Vec<Edge>) {
    let query = vectors.unit_row(index.twins().first(kind) as usize);
    let mut count = per_kind + 1;
    let all_kinds = index.twins().len();
    let mut near = index.nearest_kinds(&query, count);
    while near.len() < count
        || (count < MOST_NEAR_COPIES
            && near
                .last()
                .is_some_and(|hit| hit.distance <= FORMABLE_BOUND))
    {
        if near.len() < count || index.scan_is_cheaper(all_kinds, count) {
            near = every_kind(index, vectors, &query);
            break;
        }
        count *= 4;
        near = index.nearest_kinds(&query, count);
    }
    near.retain(|hit| hit.ordinal != kind);
    // The same function as below the limit: the same number from both ends of an edge.
    for hit in &mut near {
        hit.distance = vectors.distance(
            index.twins().first(kind) as usize,
            index.twins().first(hit.ordinal) as usize,
        );
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
    near.truncate(per_kind);
    (near, edges)
}

/// All kinds by distance, where the graph does not lead to enough of them.
fn every_kind(index: &HnswIndex, vectors: &VectorBlock, query: &[f32]) -> Vec<Hit> {
    let twins = index.twins();
    let mut hits: Vec<Hit> = (0..twins.len() as u32)
        .map(|kind| Hit {
            ordinal: kind,
            distance: vectors.distance_to(twins.first(kind) as usize, query),
        })
        .collect();
    hits.sort_unstable();
    hits
}
