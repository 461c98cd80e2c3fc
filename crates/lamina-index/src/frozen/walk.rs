//! Walking a frozen graph towards a query.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Mutex, PoisonError};

use half::f16;

use super::sight::{Exact, Sight};
use super::{FrozenGraph, Layer, NONE, STRIDE, links_of};
use crate::distance::from_cosine;
use crate::hits::{hit, key};
use crate::kernels::{Kernels, kernels, prefetch};
use crate::{Hit, IndexError, StopFlag, VectorBlock};

/// Points of the layer above the ground for each candidate that is kept there, and most candidates: one for 100,000 vectors, 15 for
/// a million.
const POINTS_PER_CANDIDATE: usize = 2_000;
const MOST_CANDIDATES: usize = 32;
/// Points expanded between two looks at the stop flag.
const EXPANDED_AT_ONCE: usize = 256;

/// Which points a walk has seen: a bit each. A walk through a million points touches all of it, so it is better small than never
/// cleared: 125 kB stay in the cache beside the core, and are cleared in microseconds.
#[derive(Default)]
pub(crate) struct Visited(Vec<u64>);

impl Visited {
    pub(super) fn begin(&mut self, points: usize) {
        self.0.clear();
        self.0.resize(points.div_ceil(64), 0);
    }

    /// Marks a point; whether it is new.
    #[inline]
    pub(super) fn mark(&mut self, point: u32) -> bool {
        let word = &mut self.0[point as usize / 64];
        let bit = 1 << (point % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    const fn bytes_in_memory(&self) -> usize {
        self.0.capacity() * size_of::<u64>()
    }
}

/// What walks need and can use again.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(super) visited: Visited,
    pub(super) candidates: BinaryHeap<Reverse<u64>>,
    pub(super) results: BinaryHeap<u64>,
}

/// Scratches that no walk uses; as many as ever walked at once.
#[derive(Default)]
pub(crate) struct ScratchPool(Mutex<Vec<Scratch>>);

impl ScratchPool {
    pub(super) fn take(&self) -> Scratch {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        free.pop().unwrap_or_default()
    }

    pub(super) fn give(&self, scratch: Scratch) {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        free.push(scratch);
    }

    pub(crate) fn bytes_in_memory(&self) -> usize {
        let free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        free.iter().map(|one| one.visited.bytes_in_memory()).sum()
    }
}

/// Keeps the nearest of what is found; the farthest distance that is of use from now on, which is `bound` until there is enough.
#[inline]
fn keep(results: &mut BinaryHeap<u64>, found: u64, breadth: usize, bound: u64) -> u64 {
    results.push(found);
    if results.len() > breadth {
        results.pop();
    }
    match results.peek() {
        Some(farthest) if results.len() == breadth => *farthest,
        Some(_) | None => bound,
    }
}

/// How a walk ended.
#[derive(Debug, PartialEq)]
pub(crate) enum Walk {
    /// The nearest points that were asked for, ascending, as many as the breadth if there are so many.
    Found(Vec<Hit>),
    /// More points were looked at than it was worth.
    TooLong,
}

/// How far a walk may go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach {
    /// Points that are kept.
    pub(crate) breadth: usize,
    /// Points that may be looked at.
    pub(crate) most: usize,
}

/// A graph with the vectors it links.
#[derive(Clone, Copy)]
pub(crate) struct Walker<'a> {
    graph: &'a FrozenGraph,
    pub(super) ground: &'a [u32],
    values: &'a [f16],
    pub(super) scales: &'a [f32],
    dimension: usize,
    kernels: &'static Kernels,
}

impl<'a> Walker<'a> {
    pub(crate) fn new(graph: &'a FrozenGraph, vectors: &'a VectorBlock) -> Self {
        let (values, scales) = vectors.rows().parts();
        Self {
            graph,
            ground: &graph.ground,
            values,
            scales,
            dimension: vectors.dimension(),
            kernels: kernels(),
        }
    }

    #[inline]
    pub(super) fn row(&self, point: u32) -> &'a [f16] {
        let start = point as usize * self.dimension;
        &self.values[start..start + self.dimension]
    }

    /// The same number as every other way of searching reports.
    #[inline]
    pub(crate) fn distance(&self, query: &[f32], point: u32) -> f32 {
        let cosine = self.kernels.dot_half(query, self.row(point));
        from_cosine(cosine * self.scales[point as usize])
    }

    /// The nearest point that the upper layers lead to; `None` in a graph without points.
    ///
    /// Greedy, but on the lowest of them several candidates are kept where it has many points: there the nearest crowd is easily
    /// missed by a step, and a walk on the ground that begins in another one seldom leaves it.
    pub(crate) fn descend(&self, query: &[f32], pool: &ScratchPool) -> Option<Hit> {
        if self.graph.entry == NONE {
            return None;
        }
        let mut at = Hit {
            ordinal: self.graph.entry,
            distance: self.distance(query, self.graph.entry),
        };
        for (number, layer) in self.graph.layers.iter().enumerate().rev() {
            let Ok(place) = layer.nodes.binary_search(&at.ordinal) else {
                continue;
            };
            let breadth = (layer.nodes.len() / POINTS_PER_CANDIDATE).min(MOST_CANDIDATES);
            at = if number > 0 || breadth < 2 {
                self.greedy(query, layer, place, at)
            } else {
                let start = Hit {
                    ordinal: place as u32,
                    ..at
                };
                let mut scratch = pool.take();
                let nearest = self.nearest_of_layer(query, layer, start, breadth, &mut scratch);
                pool.give(scratch);
                nearest
            };
        }
        Some(at)
    }

    /// The point of a layer from which no link leads nearer.
    fn greedy(&self, query: &[f32], layer: &Layer, mut place: usize, mut at: Hit) -> Hit {
        let (nodes, links): (&[u32], &[u32]) = (&layer.nodes, &layer.links);
        let sight = Exact {
            walker: self,
            query,
        };
        loop {
            let here = place;
            let row = links_of(links, here);
            for target in row {
                sight.fetch(nodes[*target as usize]);
            }
            for target in row {
                let ordinal = nodes[*target as usize];
                let distance = sight.distance(ordinal);
                if distance < at.distance {
                    at = Hit { ordinal, distance };
                    place = *target as usize;
                }
            }
            if place == here {
                return at;
            }
        }
    }

    /// The nearest point of a layer that is found with so many candidates. `start` names its place in the layer.
    fn nearest_of_layer(
        &self,
        query: &[f32],
        layer: &Layer,
        start: Hit,
        breadth: usize,
        scratch: &mut Scratch,
    ) -> Hit {
        let (nodes, links): (&[u32], &[u32]) = (&layer.nodes, &layer.links);
        let sight = Exact {
            walker: self,
            query,
        };
        let Scratch {
            visited,
            candidates,
            results,
        } = scratch;
        visited.begin(self.scales.len());
        visited.mark(start.ordinal);
        candidates.push(Reverse(key(start)));
        results.push(key(start));
        let mut best = key(start);
        let mut bound = u64::MAX;
        while let Some(Reverse(nearest)) = candidates.pop() {
            if nearest > bound {
                break;
            }
            let row = links_of(links, hit(nearest).ordinal as usize);
            for target in row {
                sight.fetch(nodes[*target as usize]);
            }
            for target in row {
                if !visited.mark(*target) {
                    continue;
                }
                let found = key(Hit {
                    ordinal: *target,
                    distance: sight.distance(nodes[*target as usize]),
                });
                if found >= bound {
                    continue;
                }
                best = best.min(found);
                candidates.push(Reverse(found));
                bound = keep(results, found, breadth, bound);
            }
        }
        candidates.clear();
        results.clear();
        let best = hit(best);
        Hit {
            ordinal: nodes[best.ordinal as usize],
            ..best
        }
    }

    /// Walks the ground from `start` and keeps the nearest points that `allowed` lets through.
    pub(crate) fn walk(
        &self,
        query: &[f32],
        start: Hit,
        reach: Reach,
        allowed: impl Fn(u32) -> bool,
        pool: &ScratchPool,
        stop: &StopFlag,
    ) -> Result<Walk, IndexError> {
        let mut scratch = pool.take();
        let ended = self.walk_with(query, start, reach, allowed, &mut scratch, stop);
        scratch.candidates.clear();
        scratch.results.clear();
        pool.give(scratch);
        ended
    }

    fn walk_with(
        &self,
        query: &[f32],
        start: Hit,
        reach: Reach,
        allowed: impl Fn(u32) -> bool,
        scratch: &mut Scratch,
        stop: &StopFlag,
    ) -> Result<Walk, IndexError> {
        let Scratch {
            visited,
            candidates,
            results,
        } = scratch;
        visited.begin(self.scales.len());
        visited.mark(start.ordinal);
        candidates.push(Reverse(key(start)));
        if allowed(start.ordinal) {
            results.push(key(start));
        }
        let sight = Exact {
            walker: self,
            query,
        };
        let mut fresh = [0; STRIDE];
        let (mut looked_at, mut expanded) = (1, 0);
        // The farthest distance that is of use: without end until enough is found.
        let mut bound = u64::MAX;
        while let Some(Reverse(nearest)) = candidates.pop() {
            if nearest > bound {
                break;
            }
            expanded += 1;
            if expanded % EXPANDED_AT_ONCE == 0 {
                stop.check()?;
            }
            let count = self.unseen(hit(nearest).ordinal, visited, &mut fresh);
            let fresh = &fresh[..count];
            fresh.iter().for_each(|point| sight.fetch(*point));
            looked_at += count;
            if looked_at > reach.most {
                return Ok(Walk::TooLong);
            }
            for (place, &ordinal) in fresh.iter().enumerate() {
                if let Some(next) = fresh.get(place + 1) {
                    sight.fetch_rest(*next);
                }
                let found = key(Hit {
                    ordinal,
                    distance: sight.distance(ordinal),
                });
                if found >= bound {
                    continue;
                }
                candidates.push(Reverse(found));
                if !allowed(ordinal) {
                    continue;
                }
                bound = keep(results, found, reach.breadth, bound);
            }
            if let Some(Reverse(next)) = candidates.peek() {
                self.fetch_links(hit(*next).ordinal);
            }
        }
        let mut found: Vec<Hit> = results.drain().map(hit).collect();
        found.sort_unstable();
        Ok(Walk::Found(found))
    }
}

impl Walker<'_> {
    /// Asks for the links of a point that will be walked through soon.
    #[inline]
    pub(super) fn fetch_links(&self, point: u32) {
        let at = point as usize * STRIDE;
        prefetch(&self.ground[at..at + STRIDE], usize::MAX);
    }

    /// Marks the points that a point links to, and lists those that are new in `fresh`, which has room for [`STRIDE`].
    #[inline]
    pub(super) fn unseen(&self, point: u32, visited: &mut Visited, fresh: &mut [u32]) -> usize {
        let at = point as usize * STRIDE;
        let mut count = 0;
        // Whether a point is new is anybody's guess, the processor's too: no branch depends on it.
        for &link in links_of(&self.ground[at..at + STRIDE], 0) {
            fresh[count] = link;
            count += usize::from(visited.mark(link));
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_hits_do() {
        let hits = [(0.0, 7), (0.0, 9), (1e-6, 2), (0.5, 1), (2.0, 0)];
        let hits = hits.map(|(distance, ordinal)| Hit { ordinal, distance });
        assert!(hits.is_sorted());
        assert!(hits.map(key).is_sorted());
        assert_eq!(hits.map(|one| hit(key(one))), hits);
    }

    #[test]
    fn a_walk_starts_without_a_trace_of_the_one_before() {
        let mut visited = Visited::default();
        for walk in 0..300 {
            visited.begin(130);
            assert!(visited.mark(walk % 130) && !visited.mark(walk % 130));
            assert!(visited.mark((walk + 64) % 130));
        }
        visited.begin(1_000);
        assert!((0..1_000).all(|point| visited.mark(point)));
    }
}
