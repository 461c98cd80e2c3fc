//! Search results and the bounded heap that gathers them.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// One found row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Row of the vector block.
    pub ordinal: u32,
    /// Cosine distance to the query, 0 to 2.
    pub distance: f32,
}

impl Eq for Hit {}

impl Ord for Hit {
    /// Nearest first; equal distances by ordinal.
    fn cmp(&self, other: &Self) -> Ordering {
        self.distance
            .total_cmp(&other.distance)
            .then(self.ordinal.cmp(&other.ordinal))
    }
}

impl PartialOrd for Hit {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Distance and ordinal in one number that sorts as the hit does: distances are never negative.
pub(crate) const fn key(hit: Hit) -> u64 {
    ((hit.distance.to_bits() as u64) << 32) | hit.ordinal as u64
}

/// The hit of a [`key`].
pub(crate) const fn hit(key: u64) -> Hit {
    Hit {
        ordinal: key as u32,
        distance: f32::from_bits((key >> 32) as u32),
    }
}

/// What a scan keeps: at most `count` hits, none farther than `within`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) count: usize,
    pub(crate) within: f32,
}

impl Wanted {
    /// The nearest rows, however far they are.
    pub(crate) const fn nearest(count: usize) -> Self {
        Self {
            count,
            within: f32::INFINITY,
        }
    }

    /// All rows up to a distance, however many they are.
    pub(crate) const fn within(within: f32) -> Self {
        Self {
            count: usize::MAX,
            within,
        }
    }
}

/// The nearest hits seen so far. Memory grows with what is found, not with what was asked for.
#[derive(Debug)]
pub(crate) struct Nearest {
    wanted: Wanted,
    /// All hits, where any number is wanted.
    all: Vec<Hit>,
    /// The nearest, the farthest of them first.
    heap: BinaryHeap<Hit>,
}

impl Nearest {
    pub(crate) const fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            all: Vec::new(),
            heap: BinaryHeap::new(),
        }
    }

    /// Distances above this one need not be offered.
    pub(crate) fn bound(&self) -> f32 {
        match self.heap.peek() {
            Some(farthest) if self.heap.len() >= self.wanted.count => farthest.distance,
            Some(_) | None => self.wanted.within,
        }
    }

    pub(crate) fn offer(&mut self, hit: Hit) {
        if hit.distance > self.wanted.within || self.wanted.count == 0 {
            return;
        }
        if self.wanted.count == usize::MAX {
            self.all.push(hit);
        } else if self.heap.len() < self.wanted.count {
            self.heap.push(hit);
        } else if let Some(mut farthest) = self.heap.peek_mut()
            && hit < *farthest
        {
            *farthest = hit;
        }
    }

    pub(crate) fn into_hits(self) -> Vec<Hit> {
        if self.wanted.count == usize::MAX {
            self.all
        } else {
            self.heap.into_vec()
        }
    }

    /// Ascending.
    pub(crate) fn into_sorted(self) -> Vec<Hit> {
        let mut hits = self.into_hits();
        hits.sort_unstable();
        hits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_are_kept_and_ties_go_to_the_lower_ordinal() {
        let mut nearest = Nearest::new(Wanted {
            count: 3,
            within: 0.5,
        });
        for (ordinal, distance) in [(9, 0.2), (4, 0.2), (7, 0.9), (1, 0.2), (8, 0.1), (0, 0.2)] {
            nearest.offer(Hit { ordinal, distance });
        }
        let kept: Vec<u32> = nearest
            .into_sorted()
            .iter()
            .map(|hit| hit.ordinal)
            .collect();
        assert_eq!(kept, [8, 0, 1]);
    }
}
