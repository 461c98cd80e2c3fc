//! Scalar products at the speed of the machine.
//!
//! One table of functions is chosen when it is first asked for: AVX-512, AVX2 with FMA and F16C, or NEON where the processor
//! has them, else the safe twin, which the tests compare all others with. All add up the same 32 partial sums in the same
//! order; they differ from the twin by fused rounding alone, so the numbers of one machine are the same everywhere in it.
//!
//! All products are the same in both orders to the last bit. Where lengths differ the shorter decides.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod bytes;
mod codes;
#[cfg(target_arch = "aarch64")]
mod neon;
mod safe;

use std::sync::LazyLock;

use half::f16;

pub(crate) use self::codes::{CODE_STEP, PER_BYTE};

/// Partial sums of every product.
const LANES: usize = 32;

/// Rows of [`f32`] are padded with zeros to a multiple of this for [`Kernels::tile`].
pub(crate) const TILE_STEP: usize = 16;

/// Rows on the left of a tile.
pub(crate) const TILE_ROWS: usize = 4;
/// Rows on the right of a tile.
pub(crate) const TILE_COLUMNS: usize = 4;

/// Products of every left row with every right row.
pub(crate) type Tile = [[f32; TILE_COLUMNS]; TILE_ROWS];

/// Computes a tile of rows that are all of one length.
type TileProduct = unsafe fn([&[f32]; TILE_ROWS], [&[f32]; TILE_COLUMNS]) -> Tile;

/// The functions for one kind of processor. The members are only called where that kind was found.
pub(crate) struct Kernels {
    name: &'static str,
    dot: unsafe fn(&[f32], &[f32]) -> f32,
    dot_half: unsafe fn(&[f32], &[f16]) -> f32,
    dot_halves: unsafe fn(&[f16], &[f16]) -> f32,
    tile: TileProduct,
    bytes: unsafe fn(&[i8], &[i8]) -> i32,
    codes: unsafe fn(&[i8], &[u8]) -> i32,
}

/// The functions for this processor.
pub(crate) fn kernels() -> &'static Kernels {
    static CHOSEN: LazyLock<Kernels> = LazyLock::new(|| available().swap_remove(0));
    &CHOSEN
}

/// What runs on this processor, the best first, the safe twin last.
fn available() -> Vec<Kernels> {
    let mut found = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        found.extend(avx512::find());
        found.extend(avx2::find());
    }
    #[cfg(target_arch = "aarch64")]
    found.extend(neon::find());
    found.push(safe::KERNELS);
    found
}

#[expect(
    unsafe_code,
    reason = "a table is only handed out where its instructions exist, which is all its functions ask for"
)]
impl Kernels {
    /// The instructions, for reports.
    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// Product of two plain rows.
    #[inline]
    pub(crate) fn dot(&self, a: &[f32], b: &[f32]) -> f32 {
        // SAFETY: `available` looked for the instructions.
        unsafe { (self.dot)(a, b) }
    }

    /// Product of a query with a stored row.
    #[inline]
    pub(crate) fn dot_half(&self, query: &[f32], row: &[f16]) -> f32 {
        // SAFETY: `available` looked for the instructions.
        unsafe { (self.dot_half)(query, row) }
    }

    /// Product of two stored rows.
    #[inline]
    pub(crate) fn dot_halves(&self, a: &[f16], b: &[f16]) -> f32 {
        // SAFETY: `available` looked for the instructions.
        unsafe { (self.dot_halves)(a, b) }
    }

    /// Products of four rows with four others, each value loaded once. All rows have one length, a multiple of
    /// [`TILE_STEP`]; what is beyond the shortest or beyond the last whole step is ignored.
    #[inline]
    pub(crate) fn tile(&self, a: [&[f32]; TILE_ROWS], b: [&[f32]; TILE_COLUMNS]) -> Tile {
        // SAFETY: `available` looked for the instructions.
        unsafe { (self.tile)(a, b) }
    }

    /// Product of two rows of eight bits a value.
    #[inline]
    pub(crate) fn bytes(&self, a: &[i8], b: &[i8]) -> i32 {
        // SAFETY: `available` looked for the instructions.
        unsafe { (self.bytes)(a, b) }
    }

    /// Product of whole weights with a row of two bits a value, whose length is a multiple of [`CODE_STEP`].
    #[inline]
    pub(crate) fn codes(&self, weights: &[i8], row: &[u8]) -> i32 {
        // SAFETY: `available` looked for the instructions.
        unsafe { (self.codes)(weights, row) }
    }
}

/// Adds partial sums by halves; every kind of processor adds them in this order.
fn total(sums: &[f32; LANES]) -> f32 {
    let mut sums = *sums;
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

/// Length that the rows of a tile have in common, in whole steps.
fn common_length(a: &[&[f32]; TILE_ROWS], b: &[&[f32]; TILE_COLUMNS]) -> usize {
    let shortest = a.iter().chain(b).map(|row| row.len()).min().unwrap_or(0);
    shortest - shortest % TILE_STEP
}

/// Asks for the first bytes of a row to be fetched from memory; a hint, without effect on results.
#[inline]
#[expect(
    unsafe_code,
    reason = "a prefetch is a hint: it reads nothing and cannot fault"
)]
pub(crate) fn prefetch<T>(row: &[T], bytes: usize) {
    let start = row.as_ptr().cast::<u8>();
    for line in (0..bytes.min(size_of_val(row))).step_by(64) {
        let at = start.wrapping_add(line);
        #[cfg(target_arch = "x86_64")]
        // SAFETY: SSE is part of every x86-64 processor, and a prefetch faults at no address.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast());
        }
        #[cfg(target_arch = "aarch64")]
        // SAFETY: a prefetch faults at no address and changes no register.
        unsafe {
            std::arch::asm!("prfm pldl1keep, [{at}]", at = in(reg) at, options(nostack, readonly, preserves_flags));
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let _ = at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values that need all bits of f32, seeded; lengths of rows of one kind and another.
    fn values(seed: u32, length: usize) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_761) | 1;
        (0..length)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                (state as f32 / u32::MAX as f32 - 0.5) / (length as f32).sqrt()
            })
            .collect()
    }

    fn halves(values: &[f32]) -> Vec<f16> {
        values.iter().map(|value| f16::from_f32(*value)).collect()
    }

    #[test]
    fn every_kind_of_processor_agrees_with_a_plain_sum() {
        for length in (0..70).chain([127, 128, 129, 300, 512, 768, 1_279, 1_280]) {
            let (a, b) = (values(3, length), values(5, length));
            let (half_a, half_b) = (halves(&a), halves(&b));
            let plain = |a: &[f32], b: &[f32]| -> f64 {
                a.iter()
                    .zip(b)
                    .map(|(x, y)| f64::from(*x) * f64::from(*y))
                    .sum()
            };
            let wide = |row: &[f16]| row.iter().map(|value| value.to_f32()).collect::<Vec<f32>>();
            for kernels in available() {
                let close = |found: f32, wanted: f64| {
                    assert!(
                        (f64::from(found) - wanted).abs() < 1e-6,
                        "{} at {length}: {found} {wanted}",
                        kernels.name
                    );
                };
                close(kernels.dot(&a, &b), plain(&a, &b));
                close(kernels.dot_half(&a, &half_b), plain(&a, &wide(&half_b)));
                close(
                    kernels.dot_halves(&half_a, &half_b),
                    plain(&wide(&half_a), &wide(&half_b)),
                );
                assert_eq!(kernels.dot(&a, &b), kernels.dot(&b, &a));
                assert_eq!(
                    kernels.dot_halves(&half_a, &half_b),
                    kernels.dot_halves(&half_b, &half_a)
                );
                // One number for one pair, whichever way its rows are held.
                assert_eq!(
                    kernels.dot_half(&wide(&half_a), &half_b),
                    kernels.dot_halves(&half_a, &half_b)
                );
                // The shorter decides.
                let short = length / 2;
                assert_eq!(
                    kernels.dot(&a[..short], &b),
                    kernels.dot(&a[..short], &b[..short])
                );
                assert_eq!(
                    kernels.dot_half(&a, &half_b[..short]),
                    kernels.dot_half(&a[..short], &half_b[..short])
                );
            }
        }
    }

    #[test]
    fn wide_kernels_agree_with_each_other_to_the_last_bit() {
        let kinds = available();
        let (a, b) = (values(7, 517), values(9, 517));
        let stored = halves(&b);
        let products: Vec<f32> = kinds[..kinds.len() - 1]
            .iter()
            .map(|kind| kind.dot_half(&a, &stored))
            .collect();
        assert!(
            products.windows(2).all(|pair| pair[0] == pair[1]),
            "{products:?}"
        );
    }

    #[test]
    fn a_tile_is_sixteen_products() {
        for length in [0, 16, 48, 512] {
            let rows: Vec<Vec<f32>> = (0..8).map(|row| values(11 + row, length)).collect();
            let (a, b) = rows.split_at(4);
            for kernels in available() {
                let tile = kernels.tile([&a[0], &a[1], &a[2], &a[3]], [&b[0], &b[1], &b[2], &b[3]]);
                for (row, products) in a.iter().zip(tile) {
                    for (column, product) in b.iter().zip(products) {
                        let wanted = kernels.dot(row, column);
                        assert!((product - wanted).abs() < 1e-6, "{}", kernels.name);
                    }
                }
            }
        }
    }

    #[test]
    fn not_a_number_stays_one() {
        for kernels in available() {
            let mut row = values(13, 40);
            row[33] = f32::NAN;
            assert!(kernels.dot(&row, &values(15, 40)).is_nan());
            assert!(kernels.dot_half(&values(15, 40), &halves(&row)).is_nan());
        }
    }
}
