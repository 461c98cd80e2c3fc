//! Five nested cluster levels by agglomeration with average linkage on the neighbour graph.
//!
//! The model is the sub-cluster component algorithm (Monath et al., "Scalable Hierarchical Agglomerative Clustering", 2021):
//! rounds of falling similarity, in each of which every cluster may join the cluster it is most similar to. The neighbour graph
//! says *which* pairs of clusters are worth looking at; *how far* they are apart is not estimated from the few edges between
//! them but computed: the average cosine of all pairs between two sets of unit vectors is the scalar product of their
//! sums over the product of their sizes. A merge happens only if that average, at that moment, is within the round's bound, so
//! chains of pairwise similar pictures do not run together as they do in connected components.

use rayon::prelude::*;

use crate::distance::from_cosine;
use crate::graph::Sets;
use crate::kernels::kernels;
use crate::{IndexError, StopFlag};

/// Rounds from one level's bound to the next. More rounds come closer to joining the globally nearest pair first.
const ROUNDS_PER_LEVEL: usize = 8;

/// What is to be clustered: weighted unit vectors and the pairs worth looking at.
pub(crate) struct Points<'a> {
    /// Rows of unit vectors, one after the other.
    pub(crate) units: Vec<f32>,
    pub(crate) dimension: usize,
    /// How many identical items a row stands for.
    pub(crate) weights: Vec<f32>,
    /// Pairs of rows, any order.
    pub(crate) pairs: Vec<(u32, u32)>,
    /// Pairs that are one cluster at every level.
    pub(crate) same: &'a [(u32, u32)],
}

/// For each bound the lowest row of the cluster of each row. Bounds must not fall. Deterministic.
pub(crate) fn agglomerate<const L: usize>(
    points: Points<'_>,
    bounds: &[f32; L],
    stop: &StopFlag,
) -> Result<[Vec<u32>; L], IndexError> {
    let mut state = Agglomeration::new(points);
    let mut levels = [const { Vec::new() }; L];
    let mut last = 0.0;
    for (level, bound) in levels.iter_mut().zip(bounds) {
        for round in 1..=ROUNDS_PER_LEVEL {
            stop.check()?;
            state.round(last + (bound - last) * round as f32 / ROUNDS_PER_LEVEL as f32);
        }
        // The level is complete when nothing within its bound is left to join.
        while state.round(*bound) {
            stop.check()?;
        }
        *level = state.sets.labels();
        last = *bound;
    }
    Ok(levels)
}

/// A candidate pair of clusters, by their lowest rows, `a < b`.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    a: u32,
    b: u32,
    distance: f32,
}

struct Agglomeration {
    sets: Sets,
    /// Sum of the weighted vectors of a cluster, at the row of its lowest member.
    sums: Vec<f32>,
    weights: Vec<f32>,
    dimension: usize,
    /// Ascending by (a, b), without repetition.
    candidates: Vec<Candidate>,
}

impl Agglomeration {
    fn new(points: Points<'_>) -> Self {
        let Points {
            units: mut sums,
            dimension,
            weights,
            pairs,
            same,
        } = points;
        for (sum, weight) in sums.chunks_exact_mut(dimension).zip(&weights) {
            sum.iter_mut().for_each(|value| *value *= weight);
        }
        let candidates = pairs
            .into_iter()
            .map(|(a, b)| Candidate {
                a,
                b,
                distance: f32::NAN,
            })
            .collect();
        let mut state = Self {
            sets: Sets::new(weights.len()),
            sums,
            weights,
            dimension,
            candidates,
        };
        for (a, b) in same {
            state.join(*a, *b);
        }
        state.contract();
        state
    }

    fn sum(&self, cluster: u32) -> &[f32] {
        let start = cluster as usize * self.dimension;
        &self.sums[start..start + self.dimension]
    }

    /// Average distance of all pairs between two clusters.
    fn linkage(&self, a: u32, b: u32) -> f32 {
        let pairs = self.weights[a as usize] * self.weights[b as usize];
        from_cosine(kernels().dot(self.sum(a), self.sum(b)) / pairs)
    }

    /// Joins the clusters of two rows.
    fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.sets.find(a), self.sets.find(b));
        if !self.sets.join(a, b) {
            return;
        }
        let (keep, gone) = (a.min(b) as usize, a.max(b) as usize);
        let (head, tail) = self.sums.split_at_mut(gone * self.dimension);
        let kept = &mut head[keep * self.dimension..(keep + 1) * self.dimension];
        kept.iter_mut()
            .zip(&tail[..self.dimension])
            .for_each(|(kept, gone)| *kept += gone);
        self.weights[keep] += self.weights[gone];
    }

    /// Renames the ends of the candidates to the clusters they are in now, drops repetitions, and measures what changed.
    fn contract(&mut self) {
        let mut changed = false;
        let mut sets = std::mem::replace(&mut self.sets, Sets::new(0));
        self.candidates.retain_mut(|candidate| {
            let (a, b) = (sets.find(candidate.a), sets.find(candidate.b));
            let (a, b) = (a.min(b), a.max(b));
            if (a, b) != (candidate.a, candidate.b) {
                (candidate.a, candidate.b, changed) = (a, b, true);
            }
            a != b
        });
        self.sets = sets;
        if changed {
            self.candidates
                .par_sort_unstable_by_key(|candidate| (candidate.a, candidate.b));
            self.candidates
                .dedup_by_key(|candidate| (candidate.a, candidate.b));
        }
        let mut candidates = std::mem::take(&mut self.candidates);
        let this = &*self;
        candidates
            .par_iter_mut()
            .filter(|candidate| candidate.distance.is_nan())
            .for_each(|candidate| {
                candidate.distance = this.linkage(candidate.a, candidate.b);
            });
        self.candidates = candidates;
    }

    /// Lets every cluster join its nearest one if that is within `bound`. Whether anything was joined.
    fn round(&mut self, bound: f32) -> bool {
        let mut wishes = self.nearest_within(bound);
        wishes.sort_unstable_by(|x, y| {
            x.distance
                .total_cmp(&y.distance)
                .then((x.a, x.b).cmp(&(y.a, y.b)))
        });
        wishes.dedup_by_key(|wish| (wish.a, wish.b));
        let mut grown = vec![false; self.weights.len()];
        let mut joined = false;
        for wish in wishes {
            let (a, b) = (self.sets.find(wish.a), self.sets.find(wish.b));
            // Either end may have grown since it was measured.
            if a == b || ((grown[a as usize] || grown[b as usize]) && self.linkage(a, b) > bound) {
                continue;
            }
            self.join(a, b);
            grown[a.min(b) as usize] = true;
            joined = true;
        }
        if joined {
            let sets = &mut self.sets;
            for candidate in &mut self.candidates {
                let ends = [candidate.a, candidate.b];
                if ends.into_iter().any(|end| grown[sets.find(end) as usize]) {
                    candidate.distance = f32::NAN;
                }
            }
            self.contract();
        }
        joined
    }

    /// The nearest candidate of every cluster, where it is within the bound; ties go to the lower ends.
    fn nearest_within(&self, bound: f32) -> Vec<Candidate> {
        const NONE: u32 = u32::MAX;
        let mut best = vec![NONE; self.weights.len()];
        for (place, candidate) in self
            .candidates
            .iter()
            .enumerate()
            .filter(|(_, candidate)| candidate.distance <= bound)
        {
            for end in [candidate.a, candidate.b] {
                let known = &mut best[end as usize];
                if *known == NONE || candidate.distance < self.candidates[*known as usize].distance
                {
                    *known = place as u32;
                }
            }
        }
        best.into_iter()
            .filter(|place| *place != NONE)
            .map(|place| self.candidates[place as usize])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Unit vectors at these angles (degrees) in the plane, every pair a candidate.
    fn on_circle(angles: &[f32], bounds: &[f32; 3]) -> [Vec<u32>; 3] {
        let units = angles
            .iter()
            .flat_map(|angle| [angle.to_radians().cos(), angle.to_radians().sin()])
            .collect();
        let count = angles.len() as u32;
        let pairs = (0..count)
            .flat_map(|a| (a + 1..count).map(move |b| (a, b)))
            .collect();
        let points = Points {
            units,
            dimension: 2,
            weights: vec![1.0; angles.len()],
            pairs,
            same: &[],
        };
        agglomerate(points, bounds, &StopFlag::new()).unwrap()
    }

    fn distance(degrees: f32) -> f32 {
        1.0 - degrees.to_radians().cos()
    }

    #[test]
    fn nearest_pairs_join_first_and_levels_nest() {
        let levels = on_circle(
            &[0.0, 40.0, 2.0, 42.0, 120.0],
            &[distance(3.0), distance(45.0), distance(150.0)],
        );
        assert_eq!(levels[0], [0, 1, 0, 1, 4]);
        assert_eq!(levels[1], [0, 0, 0, 0, 4]);
        assert_eq!(levels[2], [0, 0, 0, 0, 0]);
    }

    #[test]
    fn chains_do_not_run_together() {
        // Thirteen pictures, each 5 degrees from the next: connected components at 5 degrees make them one cluster.
        let angles: Vec<f32> = (0..13).map(|step| step as f32 * 5.0).collect();
        let levels = on_circle(&angles, &[distance(5.1), distance(10.0), distance(20.0)]);
        for (level, bound) in levels
            .iter()
            .zip([distance(5.1), distance(10.0), distance(20.0)])
        {
            assert!(
                level.iter().any(|first| *first != 0),
                "one chain: {level:?}"
            );
            for first in level.iter().copied() {
                let members: Vec<f32> = (0..13)
                    .filter(|item| level[*item] == first)
                    .map(|item| angles[item])
                    .collect();
                let ends = members.last().unwrap() - members.first().unwrap();
                assert!(distance(ends) < 4.0 * bound, "{members:?}");
            }
        }
    }

    #[test]
    fn weights_count_as_that_many_items() {
        let at = |angle: f32| [angle.to_radians().cos(), angle.to_radians().sin()];
        let cluster = |weights: [f32; 3], copies: usize| {
            let mut units: Vec<f32> = [at(0.0), at(10.0), at(24.0)].concat();
            let mut all = weights.to_vec();
            units.extend(at(0.0).repeat(copies));
            all.extend(vec![1.0; copies]);
            let count = all.len() as u32;
            let pairs = (0..count)
                .flat_map(|a| (a + 1..count).map(move |b| (a, b)))
                .collect();
            let points = Points {
                units,
                dimension: 2,
                weights: all,
                pairs,
                same: &[],
            };
            agglomerate(points, &[distance(10.5), distance(20.0)], &StopFlag::new())
                .unwrap()
                .map(|l| l[..3].to_vec())
        };
        assert_eq!(cluster([1.0, 1.0, 1.0], 0)[1], [0, 0, 0]);
        assert_eq!(cluster([9.0, 1.0, 1.0], 0), cluster([1.0, 1.0, 1.0], 8));
        assert_eq!(cluster([9.0, 1.0, 1.0], 0)[1], [0, 0, 2]);
    }

    #[test]
    fn a_raised_flag_stops() {
        let stop = StopFlag::new();
        stop.stop();
        let points = Points {
            units: vec![1.0, 1.0],
            dimension: 1,
            weights: vec![1.0; 2],
            pairs: vec![(0, 1)],
            same: &[(0, 1)],
        };
        assert_eq!(agglomerate(points, &[0.1], &stop), Err(IndexError::Stopped));
    }
}
