//! The encoders that are loaded, and which of them new datasets are indexed with.

use lamina_index::IndexSettings;
use lamina_inference::{DistanceBands, DualEncoder};
use lamina_types::SpaceKey;

/// The loaded encoders. Never empty: one of them is bound to the `INDEX` slot.
#[derive(Clone)]
pub struct Encoders {
    index: DualEncoder,
}

impl Encoders {
    /// `index` is bound to the `INDEX` slot.
    pub const fn new(index: DualEncoder) -> Self {
        Self { index }
    }

    /// What new datasets are indexed with.
    pub const fn index(&self) -> &DualEncoder {
        &self.index
    }

    /// The encoder that makes vectors of `key`'s space, if it is loaded.
    pub fn of(&self, key: &SpaceKey) -> Option<&DualEncoder> {
        (self.index.key() == key).then_some(&self.index)
    }
}

impl std::fmt::Debug for Encoders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoders")
            .field("index", self.index.key())
            .finish()
    }
}

/// How a space of a package with these bands is indexed.
pub fn index_settings(bands: &DistanceBands, exact_limit: usize) -> IndexSettings {
    IndexSettings {
        exact_limit,
        ..IndexSettings::new(
            bands.cluster_distances,
            bands.duplicate_similarity,
            bands.outlier_distance,
        )
    }
}
