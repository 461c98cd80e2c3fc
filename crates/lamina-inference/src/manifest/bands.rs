//! The `[index]` section: distances that mean something for a package's vectors.

use lamina_types::LEVELS;
use serde::Deserialize;

/// Distances that mean something for this model's vectors, all cosine distances unless said otherwise.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DistanceBands {
    /// Joining distance of each clustering level, finest first, rising, within 0..=2.
    pub cluster_distances: [f32; LEVELS],
    /// Maximum distance of a picture search that names none, 0..=2.
    pub anchor_distance: f32,
    /// Distance to the nearest neighbours from which on a picture is an outlier, 0..=2.
    pub outlier_distance: f32,
    /// Cosine similarity from which on two pictures are duplicates, 0..=1.
    pub duplicate_similarity: f32,
}

impl DistanceBands {
    pub(super) fn out_of_range(&self) -> Option<&'static str> {
        let distance = 0.0..=2.0;
        let levels = &self.cluster_distances;
        let checks = [
            (
                "index.cluster_distances",
                levels.iter().all(|value| distance.contains(value)) && levels.is_sorted(),
            ),
            (
                "index.anchor_distance",
                distance.contains(&self.anchor_distance),
            ),
            (
                "index.outlier_distance",
                distance.contains(&self.outlier_distance),
            ),
            (
                "index.duplicate_similarity",
                (0.0..=1.0).contains(&self.duplicate_similarity),
            ),
        ];
        checks
            .iter()
            .find(|(_, holds)| !holds)
            .map(|(field, _)| *field)
    }
}
