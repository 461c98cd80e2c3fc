//! AVX2 with FMA and F16C: eight values at a time.

#![expect(
    unsafe_code,
    reason = "vector instructions take addresses; every load below stays inside its slice"
)]

use std::arch::x86_64::{
    __m256, __m256i, _mm_add_epi32, _mm_add_ps, _mm_add_ss, _mm_cvtsi128_si32, _mm_cvtss_f32,
    _mm_loadu_si128, _mm_movehl_ps, _mm_shuffle_epi32, _mm_shuffle_ps, _mm256_add_ps,
    _mm256_castps256_ps128, _mm256_castsi256_si128, _mm256_cvtph_ps, _mm256_extractf128_ps,
    _mm256_extracti128_si256, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_setzero_ps,
};

use half::f16;

use super::{Kernels, LANES, TILE_COLUMNS, TILE_ROWS, Tile, common_length};

/// Values of one register.
const WIDTH: usize = 8;
/// Registers of partial sums.
const SUMS: usize = LANES / WIDTH;

pub(super) fn find() -> Option<Kernels> {
    let has_all = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c");
    has_all.then_some(Kernels {
        name: "AVX2",
        dot: product::<f32, f32>,
        dot_half: product::<f32, f16>,
        dot_halves: product::<f16, f16>,
        tile,
        bytes: super::bytes::wide::avx2,
        codes: super::codes::wide::avx2,
    })
}

/// The sum of whole numbers.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn integers_total(sums: __m256i) -> i32 {
    let four = _mm_add_epi32(
        _mm256_castsi256_si128(sums),
        _mm256_extracti128_si256::<1>(sums),
    );
    let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0b_01_00_11_10>(four));
    _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<0b_10_11_00_01>(two)))
}

/// Values that can be loaded as f32.
trait Value: Copy {
    const ZERO: Self;

    /// Eight of them.
    ///
    /// # Safety
    /// Eight values can be read at `at`, and the processor has the instructions.
    unsafe fn load(at: *const Self) -> __m256;
}

impl Value for f32 {
    const ZERO: Self = 0.0;

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn load(at: *const Self) -> __m256 {
        // SAFETY: as promised by the caller.
        unsafe { _mm256_loadu_ps(at) }
    }
}

impl Value for f16 {
    const ZERO: Self = Self::ZERO;

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn load(at: *const Self) -> __m256 {
        // SAFETY: as promised by the caller.
        _mm256_cvtph_ps(unsafe { _mm_loadu_si128(at.cast()) })
    }
}

/// Adds the products of 32 values.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn add_products<A: Value, B: Value>(a: &[A; LANES], b: &[B; LANES], sums: &mut [__m256; SUMS]) {
    let (a, b) = (a.as_ptr(), b.as_ptr());
    for (part, sum) in sums.iter_mut().enumerate() {
        let at = part * WIDTH;
        // SAFETY: four times eight values are the 32 of each array.
        *sum = unsafe { _mm256_fmadd_ps(A::load(a.add(at)), B::load(b.add(at)), *sum) };
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn product<A: Value, B: Value>(a: &[A], b: &[B]) -> f32 {
    let length = a.len().min(b.len());
    let (a_chunks, a_rest) = a[..length].as_chunks::<LANES>();
    let (b_chunks, b_rest) = b[..length].as_chunks::<LANES>();
    let mut sums = [_mm256_setzero_ps(); SUMS];
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        add_products(a, b, &mut sums);
    }
    if !a_rest.is_empty() {
        let (mut a_padded, mut b_padded) = ([A::ZERO; LANES], [B::ZERO; LANES]);
        a_padded[..a_rest.len()].copy_from_slice(a_rest);
        b_padded[..b_rest.len()].copy_from_slice(b_rest);
        add_products(&a_padded, &b_padded, &mut sums);
    }
    let [first, second, third, fourth] = sums;
    let (low, high) = (_mm256_add_ps(first, third), _mm256_add_ps(second, fourth));
    total(_mm256_add_ps(low, high))
}

/// Adds eight values by halves.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn total(sums: __m256) -> f32 {
    let four = _mm_add_ps(
        _mm256_castps256_ps128(sums),
        _mm256_extractf128_ps::<1>(sums),
    );
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
}

/// Four times two products at a time: with four times four the sums would not fit the sixteen registers.
#[target_feature(enable = "avx2,fma,f16c")]
fn tile(a: [&[f32]; TILE_ROWS], b: [&[f32]; TILE_COLUMNS]) -> Tile {
    let length = common_length(&a, &b);
    let mut products = [[0.0; TILE_COLUMNS]; TILE_ROWS];
    for (pair, columns) in b.as_chunks::<2>().0.iter().enumerate() {
        let mut sums = [[_mm256_setzero_ps(); 2]; TILE_ROWS];
        for at in (0..length).step_by(WIDTH) {
            // SAFETY: `at + 8` does not go beyond the common length, which is a multiple of 16.
            let right = columns.map(|row| unsafe { _mm256_loadu_ps(row.as_ptr().add(at)) });
            for (row, sums) in a.iter().zip(&mut sums) {
                // SAFETY: as above.
                let x = unsafe { _mm256_loadu_ps(row.as_ptr().add(at)) };
                for (sum, y) in sums.iter_mut().zip(right) {
                    *sum = _mm256_fmadd_ps(x, y, *sum);
                }
            }
        }
        for (products, sums) in products.iter_mut().zip(sums) {
            for (product, sum) in products[2 * pair..].iter_mut().zip(sums) {
                *product = total(sum);
            }
        }
    }
    products
}
