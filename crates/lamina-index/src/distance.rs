//! The one way distances are computed.

use crate::kernels::kernels;

/// Distances below this are 0: it is above the error of half-precision storage (about 1e-7 after rows are normalised by
/// their stored length) plus that of an f32 sum of 1,280 products (about 3e-7), and far below anything a picture shows.
pub(crate) const SAME: f32 = 1e-6;

/// Cosine distance from a cosine: 0 to 2.
#[inline]
pub(crate) fn from_cosine(cosine: f32) -> f32 {
    let distance = (1.0 - cosine).clamp(0.0, 2.0);
    if distance < SAME { 0.0 } else { distance }
}

/// Distance for `hnsw_rs`: rows and queries are unit vectors, the result is clamped. Its own scalar-product distance
/// panics when rounding takes the product of identical vectors above 1.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ClampedCosine;

impl hnsw_rs::prelude::Distance<f32> for ClampedCosine {
    fn eval(&self, a: &[f32], b: &[f32]) -> f32 {
        from_cosine(kernels().dot(a, b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_stay_in_range() {
        assert_eq!(from_cosine(1.000_001), 0.0);
        assert_eq!(from_cosine(0.999_999_6), 0.0);
        assert_eq!(from_cosine(-1.5), 2.0);
        assert!(from_cosine(0.999_99) > 0.0);
    }
}
