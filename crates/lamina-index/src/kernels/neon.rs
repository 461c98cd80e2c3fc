//! NEON: four values at a time.

#![expect(
    unsafe_code,
    reason = "vector instructions take addresses; every load below stays inside its slice"
)]

use std::arch::aarch64::{
    float32x4_t, uint16x4_t, vaddq_f32, vaddvq_f32, vdupq_n_f32, vfmaq_f32, vgetq_lane_f32,
    vld1_u16, vld1q_f32,
};
use std::arch::{asm, is_aarch64_feature_detected};

use half::f16;

use super::{Kernels, LANES, TILE_COLUMNS, TILE_ROWS, Tile, common_length};

/// Values of one register.
const WIDTH: usize = 4;
/// Registers of partial sums.
const SUMS: usize = LANES / WIDTH;

pub(super) fn find() -> Option<Kernels> {
    is_aarch64_feature_detected!("neon").then_some(Kernels {
        name: "NEON",
        dot: product::<f32, f32>,
        dot_half: product::<f32, f16>,
        dot_halves: product::<f16, f16>,
        tile,
        // Part of every 64-bit ARM processor, so the compiler makes this wide without being told.
        bytes: super::bytes::product,
        codes: super::codes::wide::neon,
    })
}

/// Values that can be loaded as f32.
trait Value: Copy {
    const ZERO: Self;

    /// Four of them.
    ///
    /// # Safety
    /// Four values can be read at `at`.
    unsafe fn load(at: *const Self) -> float32x4_t;
}

impl Value for f32 {
    const ZERO: Self = 0.0;

    #[inline]
    unsafe fn load(at: *const Self) -> float32x4_t {
        // SAFETY: as promised by the caller.
        unsafe { vld1q_f32(at) }
    }
}

impl Value for f16 {
    const ZERO: Self = Self::ZERO;

    #[inline]
    unsafe fn load(at: *const Self) -> float32x4_t {
        // SAFETY: as promised by the caller.
        let stored: uint16x4_t = unsafe { vld1_u16(at.cast()) };
        let wide: float32x4_t;
        // The intrinsic of this instruction needs the type of half-precision registers, which is not stable; the instruction
        // is in every processor of this kind.
        // SAFETY: from register to register.
        unsafe {
            asm!(
                "fcvtl {wide:v}.4s, {stored:v}.4h",
                wide = out(vreg) wide,
                stored = in(vreg) stored,
                options(pure, nomem, nostack, preserves_flags)
            );
        }
        wide
    }
}

/// Adds the products of 32 values.
#[inline]
fn add_products<A: Value, B: Value>(
    a: &[A; LANES],
    b: &[B; LANES],
    sums: &mut [float32x4_t; SUMS],
) {
    let (a, b) = (a.as_ptr(), b.as_ptr());
    for (part, sum) in sums.iter_mut().enumerate() {
        let at = part * WIDTH;
        // SAFETY: eight times four values are the 32 of each array.
        *sum = unsafe { vfmaq_f32(*sum, A::load(a.add(at)), B::load(b.add(at))) };
    }
}

fn product<A: Value, B: Value>(a: &[A], b: &[B]) -> f32 {
    let length = a.len().min(b.len());
    let (a_chunks, a_rest) = a[..length].as_chunks::<LANES>();
    let (b_chunks, b_rest) = b[..length].as_chunks::<LANES>();
    // SAFETY: NEON was looked for.
    let mut sums = unsafe { [vdupq_n_f32(0.0); SUMS] };
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        add_products(a, b, &mut sums);
    }
    if !a_rest.is_empty() {
        let (mut a_padded, mut b_padded) = ([A::ZERO; LANES], [B::ZERO; LANES]);
        a_padded[..a_rest.len()].copy_from_slice(a_rest);
        b_padded[..b_rest.len()].copy_from_slice(b_rest);
        add_products(&a_padded, &b_padded, &mut sums);
    }
    let mut width = SUMS / 2;
    while width > 0 {
        for part in 0..width {
            // SAFETY: NEON was looked for.
            sums[part] = unsafe { vaddq_f32(sums[part], sums[part + width]) };
        }
        width /= 2;
    }
    // SAFETY: NEON was looked for.
    unsafe {
        (vgetq_lane_f32::<0>(sums[0]) + vgetq_lane_f32::<2>(sums[0]))
            + (vgetq_lane_f32::<1>(sums[0]) + vgetq_lane_f32::<3>(sums[0]))
    }
}

fn tile(a: [&[f32]; TILE_ROWS], b: [&[f32]; TILE_COLUMNS]) -> Tile {
    let length = common_length(&a, &b);
    // SAFETY: NEON was looked for; `at + 4` does not go beyond the common length, which is a multiple of 16.
    unsafe {
        let mut sums = [[vdupq_n_f32(0.0); TILE_COLUMNS]; TILE_ROWS];
        for at in (0..length).step_by(WIDTH) {
            let right = b.map(|row| vld1q_f32(row.as_ptr().add(at)));
            for (row, sums) in a.iter().zip(&mut sums) {
                let x = vld1q_f32(row.as_ptr().add(at));
                for (sum, y) in sums.iter_mut().zip(right) {
                    *sum = vfmaq_f32(*sum, x, y);
                }
            }
        }
        sums.map(|sums| sums.map(|sum| vaddvq_f32(sum)))
    }
}
