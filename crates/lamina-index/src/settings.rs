//! What a model package says about its vector space, and the sizes at which plans change.

use lamina_types::LEVELS;

use crate::IndexError;

/// Up to this many vectors, searches and neighbour graphs are exact.
pub const DEFAULT_EXACT_LIMIT: usize = 50_000;

/// Neighbours kept for every item.
pub const DEFAULT_NEIGHBOURS: usize = 20;

/// How a set of vectors is indexed. Distances are cosine distances, 0 to 2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IndexSettings {
    /// Bound of the average distance between two parts of one cluster, finest level first, never falling.
    pub cluster_distances: [f32; LEVELS],
    /// Similarity (1 - distance) from which an item counts as a near-copy of another; 0.5 to 1.
    pub duplicate_similarity: f32,
    /// Mean distance to the nearest neighbours from which an item may count as an outlier; above 0.
    pub outlier_distance: f32,
    /// Vectors up to which everything is exact.
    pub exact_limit: usize,
    /// Neighbours kept for every item; at least 1.
    pub neighbours: usize,
}

impl IndexSettings {
    /// Settings of a vector space with the default sizes.
    pub const fn new(
        cluster_distances: [f32; LEVELS],
        duplicate_similarity: f32,
        outlier_distance: f32,
    ) -> Self {
        Self {
            cluster_distances,
            duplicate_similarity,
            outlier_distance,
            exact_limit: DEFAULT_EXACT_LIMIT,
            neighbours: DEFAULT_NEIGHBOURS,
        }
    }

    /// # Errors
    /// [`IndexError::Settings`] names the first value that makes no sense.
    pub fn check(&self) -> Result<(), IndexError> {
        let distances = &self.cluster_distances;
        if !distances.iter().all(|bound| (0.0..=2.0).contains(bound)) {
            return Err(IndexError::Settings("cluster_distances must lie in 0..=2"));
        }
        if !distances.is_sorted() {
            return Err(IndexError::Settings(
                "cluster_distances must not fall from one level to the next",
            ));
        }
        if !(0.5..=1.0).contains(&self.duplicate_similarity) {
            return Err(IndexError::Settings(
                "duplicate_similarity must lie in 0.5..=1",
            ));
        }
        if !(self.outlier_distance > 0.0 && self.outlier_distance <= 2.0) {
            return Err(IndexError::Settings(
                "outlier_distance must lie above 0 and up to 2",
            ));
        }
        if !(1..=1_000).contains(&self.neighbours) {
            return Err(IndexError::Settings("neighbours must lie in 1..=1000"));
        }
        Ok(())
    }

    /// Rows that can be scanned in the time in which an unfiltered walk weighs one of the candidates it keeps: about 32
    /// (see `docs/benchmarks.md`). It shrinks with the limit, so that small limits still walk.
    pub(crate) const fn rows_per_candidate(&self) -> usize {
        let share = self.exact_limit / 1_500;
        if share > 32 {
            32
        } else if share < 1 {
            1
        } else {
            share
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_contradict_themselves_are_named() {
        let good = IndexSettings::new([0.1, 0.2, 0.3, 0.4, 0.5], 0.96, 0.4);
        assert_eq!(good.check(), Ok(()));
        for bad in [
            IndexSettings {
                cluster_distances: [0.2, 0.1, 0.3, 0.4, 0.5],
                ..good
            },
            IndexSettings {
                cluster_distances: [0.1, 0.2, 0.3, 0.4, f32::NAN],
                ..good
            },
            IndexSettings {
                duplicate_similarity: 1.1,
                ..good
            },
            IndexSettings {
                outlier_distance: 0.0,
                ..good
            },
            IndexSettings {
                neighbours: 0,
                ..good
            },
        ] {
            assert!(
                matches!(bad.check(), Err(IndexError::Settings(_))),
                "{bad:?}"
            );
        }
    }
}
