//! AVX-512: sixteen values at a time, tails by masked loads.

#![expect(
    unsafe_code,
    reason = "vector instructions take addresses; every load below stays inside its slice"
)]

use std::arch::x86_64::{
    __m512, __mmask16, _mm256_loadu_si256, _mm256_maskz_loadu_epi16, _mm512_add_ps,
    _mm512_cvtph_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_maskz_loadu_ps, _mm512_reduce_add_ps,
    _mm512_setzero_ps,
};

use half::f16;

use super::{Kernels, TILE_COLUMNS, TILE_ROWS, TILE_STEP, Tile, common_length};

/// Values of one register.
const WIDTH: usize = 16;

pub(super) fn find() -> Option<Kernels> {
    let has_all = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl");
    has_all.then_some(Kernels {
        name: "AVX-512",
        dot: product::<f32, f32>,
        dot_half: product::<f32, f16>,
        dot_halves: product::<f16, f16>,
        tile,
        bytes: super::bytes::wide::avx512,
        codes: super::codes::wide::avx512,
    })
}

/// Values that can be loaded as f32.
trait Value {
    /// Sixteen of them.
    ///
    /// # Safety
    /// Sixteen values can be read at `at`, and the processor has the instructions.
    unsafe fn load(at: *const Self) -> __m512;

    /// Those whose bit is set in `mask`, zeros for the others.
    ///
    /// # Safety
    /// The values whose bit is set can be read, and the processor has the instructions.
    unsafe fn load_some(at: *const Self, mask: __mmask16) -> __m512;
}

impl Value for f32 {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load(at: *const Self) -> __m512 {
        // SAFETY: as promised by the caller.
        unsafe { _mm512_loadu_ps(at) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load_some(at: *const Self, mask: __mmask16) -> __m512 {
        // SAFETY: as promised by the caller; masked values are not read.
        unsafe { _mm512_maskz_loadu_ps(mask, at) }
    }
}

impl Value for f16 {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load(at: *const Self) -> __m512 {
        // SAFETY: as promised by the caller.
        _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(at.cast()) })
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load_some(at: *const Self, mask: __mmask16) -> __m512 {
        // SAFETY: as promised by the caller; masked values are not read.
        _mm512_cvtph_ps(unsafe { _mm256_maskz_loadu_epi16(mask, at.cast()) })
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn product<A: Value, B: Value>(a: &[A], b: &[B]) -> f32 {
    let length = a.len().min(b.len());
    let (a, b) = (a.as_ptr(), b.as_ptr());
    let mut low = _mm512_setzero_ps();
    let mut high = _mm512_setzero_ps();
    let mut at = 0;
    while at + 2 * WIDTH <= length {
        // SAFETY: `at + 32` does not go beyond the shorter slice.
        unsafe {
            low = _mm512_fmadd_ps(A::load(a.add(at)), B::load(b.add(at)), low);
            let next = at + WIDTH;
            high = _mm512_fmadd_ps(A::load(a.add(next)), B::load(b.add(next)), high);
        }
        at += 2 * WIDTH;
    }
    for sum in [&mut low, &mut high] {
        let left = (length - at).min(WIDTH);
        if left > 0 {
            let mask = (u32::MAX >> (32 - left)) as __mmask16;
            // SAFETY: `left` values are there from `at` on in both slices, and only those are read.
            let (x, y) = unsafe { (A::load_some(a.add(at), mask), B::load_some(b.add(at), mask)) };
            *sum = _mm512_fmadd_ps(x, y, *sum);
        }
        at += left;
    }
    _mm512_reduce_add_ps(_mm512_add_ps(low, high))
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn tile(a: [&[f32]; TILE_ROWS], b: [&[f32]; TILE_COLUMNS]) -> Tile {
    let length = common_length(&a, &b);
    let mut sums = [[_mm512_setzero_ps(); TILE_COLUMNS]; TILE_ROWS];
    for at in (0..length).step_by(TILE_STEP) {
        // SAFETY: `at + 16` does not go beyond the common length.
        let left = a.map(|row| unsafe { _mm512_loadu_ps(row.as_ptr().add(at)) });
        // SAFETY: as above.
        let right = b.map(|row| unsafe { _mm512_loadu_ps(row.as_ptr().add(at)) });
        for (sums, x) in sums.iter_mut().zip(left) {
            for (sum, y) in sums.iter_mut().zip(right) {
                *sum = _mm512_fmadd_ps(x, y, *sum);
            }
        }
    }
    sums.map(|sums| sums.map(|sum| _mm512_reduce_add_ps(sum)))
}
