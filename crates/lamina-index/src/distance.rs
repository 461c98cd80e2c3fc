//! The one way distances are computed.

use half::f16;
use half::slice::HalfFloatSliceExt;

/// Distances below this are 0: it is above the error of half-precision storage (about 1e-7 after rows are normalised by
/// their stored length) plus that of an f32 sum of 1,280 products (about 3e-7), and far below anything a picture shows.
pub(crate) const SAME: f32 = 1e-6;

/// Independent partial sums, so that the compiler can use wide registers and rounding errors stay small.
const LANES: usize = 16;

/// Cosine distance from a cosine: 0 to 2.
pub(crate) fn from_cosine(cosine: f32) -> f32 {
    let distance = (1.0 - cosine).clamp(0.0, 2.0);
    if distance < SAME { 0.0 } else { distance }
}

/// Scalar product; lengths must agree, the shorter decides. `dot(a, b)` equals `dot(b, a)` to the last bit.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    add_products(a, b, &mut sums);
    total(&sums)
}

/// Values widened at once, on the stack.
const CHUNK: usize = 128;

/// Scalar product of a query with a stored row.
pub(crate) fn dot_half(query: &[f32], row: &[f16]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let mut buffer = [0.0f32; CHUNK];
    for (part, stored) in query.chunks(CHUNK).zip(row.chunks(CHUNK)) {
        let wide = &mut buffer[..stored.len()];
        stored.convert_to_f32_slice(wide);
        add_products(part, wide, &mut sums);
    }
    total(&sums)
}

/// Scalar product of two stored rows; the same in both orders to the last bit.
pub(crate) fn dot_halves(a: &[f16], b: &[f16]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (mut left, mut right) = ([0.0f32; CHUNK], [0.0f32; CHUNK]);
    for (a, b) in a.chunks(CHUNK).zip(b.chunks(CHUNK)) {
        let (left, right) = (&mut left[..a.len()], &mut right[..b.len()]);
        a.convert_to_f32_slice(left);
        b.convert_to_f32_slice(right);
        add_products(left, right, &mut sums);
    }
    total(&sums)
}

fn add_products(a: &[f32], b: &[f32], sums: &mut [f32; LANES]) {
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    for (lane, (x, y)) in a_rest.iter().zip(b_rest).enumerate() {
        sums[lane] += x * y;
    }
}

fn total(sums: &[f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    let mut sums = *sums;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

/// Distance for `hnsw_rs`: rows and queries are unit vectors, the result is clamped. Its own scalar-product distance
/// panics when rounding takes the product of identical vectors above 1.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ClampedCosine;

impl hnsw_rs::prelude::Distance<f32> for ClampedCosine {
    fn eval(&self, a: &[f32], b: &[f32]) -> f32 {
        from_cosine(dot(a, b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_products_agree_with_a_plain_sum() {
        for length in [1, 15, 16, 17, 127, 128, 129, 300, 1280] {
            let a: Vec<f32> = (0..length)
                .map(|i| ((i * 37 % 101) as f32 - 50.0) / 64.0)
                .collect();
            let b: Vec<f32> = (0..length)
                .map(|i| ((i * 53 % 89) as f32 - 44.0) / 64.0)
                .collect();
            let plain: f64 = a
                .iter()
                .zip(&b)
                .map(|(x, y)| f64::from(*x) * f64::from(*y))
                .sum();
            let stored: Vec<f16> = b.iter().map(|value| f16::from_f32(*value)).collect();
            assert!((f64::from(dot(&a, &b)) - plain).abs() < 1e-3, "{length}");
            // All values above are exact in half precision, so the two sums are the same sum.
            assert_eq!(dot(&a, &b), dot_half(&a, &stored), "{length}");
            let both: Vec<f16> = a.iter().map(|value| f16::from_f32(*value)).collect();
            assert_eq!(dot(&a, &b), dot_halves(&both, &stored), "{length}");
            assert_eq!(dot(&a, &b), dot(&b, &a));
        }
    }

    #[test]
    fn distances_stay_in_range() {
        assert_eq!(from_cosine(1.000_001), 0.0);
        assert_eq!(from_cosine(0.999_999_6), 0.0);
        assert_eq!(from_cosine(-1.5), 2.0);
        assert!(from_cosine(0.999_99) > 0.0);
    }
}
