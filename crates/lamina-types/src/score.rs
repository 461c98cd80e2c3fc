//! Clustering levels and score conventions (contract 22).

use serde::{Deserialize, Serialize};

/// Number of clustering levels.
pub const LEVELS: usize = 5;

/// Maximum cosine distance of a picture search when neither the request nor the model package says otherwise.
pub const DEFAULT_ANCHOR_DISTANCE: f32 = 0.3;

/// A level outside 0..=4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("threshold must be 0 to 4, not {0}")]
pub struct ThresholdError(pub i64);

/// One of the five clustering levels: 0 is the finest, 4 the coarsest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct SimilarityThreshold(u8);

impl SimilarityThreshold {
    /// Level 0.
    pub const FINEST: Self = Self(0);

    /// A checked level.
    ///
    /// # Errors
    /// Anything but 0 to 4.
    pub fn new(level: i64) -> Result<Self, ThresholdError> {
        u8::try_from(level)
            .ok()
            .filter(|level| usize::from(*level) < LEVELS)
            .map(Self)
            .ok_or(ThresholdError(level))
    }

    /// All levels, finest first.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..LEVELS as u8).map(Self)
    }

    /// For indexing arrays of [`LEVELS`] entries.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl TryFrom<i64> for SimilarityThreshold {
    type Error = ThresholdError;
    fn try_from(level: i64) -> Result<Self, Self::Error> {
        Self::new(level)
    }
}

impl From<SimilarityThreshold> for i64 {
    fn from(level: SimilarityThreshold) -> Self {
        Self::from(level.0)
    }
}

impl std::fmt::Display for SimilarityThreshold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
