//! Products of a query with rows of two bits a value: whole numbers, so every kind of processor gives the same.
//!
//! A row's byte `j` holds four values, two bits each, lowest first; the weight of the value at bits `2 p` is at
//! `weights[p * row.len() + j]`. Weights are -127 to 127.

/// Rows are padded to a multiple of this many bytes; what is beyond the last whole step is ignored by wide kernels.
pub(crate) const CODE_STEP: usize = 64;

/// Values of one byte.
pub(crate) const PER_BYTE: usize = 4;

/// The safe twin.
pub(super) fn product(weights: &[i8], row: &[u8]) -> i32 {
    let planes = weights.chunks_exact(row.len().max(1));
    let sums = planes.take(PER_BYTE).enumerate().map(|(plane, weights)| {
        let value = |byte: &u8| i32::from((byte >> (2 * plane)) & 3);
        let products = weights.iter().zip(row);
        products
            .map(|(weight, byte)| i32::from(*weight) * value(byte))
            .sum::<i32>()
    });
    sums.sum()
}

#[cfg(target_arch = "x86_64")]
pub(super) mod wide {
    //! AVX-512 and AVX2: bytes times bytes, added in pairs to 16 bits.

    #![expect(
        unsafe_code,
        reason = "vector instructions take addresses; every load below stays inside its slice"
    )]

    use std::arch::x86_64::{
        _mm256_add_epi16, _mm256_add_epi32, _mm256_and_si256, _mm256_loadu_si256,
        _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_set1_epi8, _mm256_set1_epi16,
        _mm256_setzero_si256, _mm256_srli_epi16, _mm512_add_epi16, _mm512_add_epi32,
        _mm512_and_si512, _mm512_loadu_si512, _mm512_madd_epi16, _mm512_maddubs_epi16,
        _mm512_reduce_add_epi32, _mm512_set1_epi8, _mm512_set1_epi16, _mm512_setzero_si512,
        _mm512_srli_epi16,
    };

    use super::super::avx2::integers_total;
    use super::PER_BYTE;

    /// Registers of a row whose sums fit 16 bits: a pair of products is 762 at most, and there are four from each.
    const UNTIL_FULL: usize = 10;

    #[target_feature(enable = "avx512f,avx512bw")]
    pub(in super::super) fn avx512(weights: &[i8], row: &[u8]) -> i32 {
        const WIDTH: usize = 64;
        let length = row.len().min(weights.len() / PER_BYTE);
        let (low_bits, ones) = (_mm512_set1_epi8(3), _mm512_set1_epi16(1));
        let mut total = _mm512_setzero_si512();
        let mut at = 0;
        while at + WIDTH <= length {
            let mut sums = _mm512_setzero_si512();
            for _ in 0..UNTIL_FULL {
                if at + WIDTH > length {
                    break;
                }
                // SAFETY: `at + 64` does not go beyond the row, nor, `length` after `length`, beyond its four planes.
                unsafe {
                    let weight = |plane: usize| {
                        _mm512_loadu_si512(weights.as_ptr().add(plane * row.len() + at).cast())
                    };
                    let bytes = _mm512_loadu_si512(row.as_ptr().add(at).cast());
                    let values = [
                        bytes,
                        _mm512_srli_epi16::<2>(bytes),
                        _mm512_srli_epi16::<4>(bytes),
                        _mm512_srli_epi16::<6>(bytes),
                    ];
                    for (plane, values) in values.into_iter().enumerate() {
                        let values = _mm512_and_si512(values, low_bits);
                        let pairs = _mm512_maddubs_epi16(values, weight(plane));
                        sums = _mm512_add_epi16(sums, pairs);
                    }
                }
                at += WIDTH;
            }
            total = _mm512_add_epi32(total, _mm512_madd_epi16(sums, ones));
        }
        _mm512_reduce_add_epi32(total)
    }

    #[target_feature(enable = "avx2")]
    pub(in super::super) fn avx2(weights: &[i8], row: &[u8]) -> i32 {
        const WIDTH: usize = 32;
        let length = row.len().min(weights.len() / PER_BYTE);
        let (low_bits, ones) = (_mm256_set1_epi8(3), _mm256_set1_epi16(1));
        let mut total = _mm256_setzero_si256();
        let mut at = 0;
        while at + WIDTH <= length {
            let mut sums = _mm256_setzero_si256();
            for _ in 0..UNTIL_FULL {
                if at + WIDTH > length {
                    break;
                }
                // SAFETY: as above, with 32 bytes.
                unsafe {
                    let weight = |plane: usize| {
                        _mm256_loadu_si256(weights.as_ptr().add(plane * row.len() + at).cast())
                    };
                    let bytes = _mm256_loadu_si256(row.as_ptr().add(at).cast());
                    let values = [
                        bytes,
                        _mm256_srli_epi16::<2>(bytes),
                        _mm256_srli_epi16::<4>(bytes),
                        _mm256_srli_epi16::<6>(bytes),
                    ];
                    for (plane, values) in values.into_iter().enumerate() {
                        let values = _mm256_and_si256(values, low_bits);
                        let pairs = _mm256_maddubs_epi16(values, weight(plane));
                        sums = _mm256_add_epi16(sums, pairs);
                    }
                }
                at += WIDTH;
            }
            total = _mm256_add_epi32(total, _mm256_madd_epi16(sums, ones));
        }
        integers_total(total)
    }
}

#[cfg(target_arch = "aarch64")]
pub(super) mod wide {
    //! NEON: bytes times bytes, widened to 16 bits, added in pairs to 32.

    #![expect(
        unsafe_code,
        reason = "vector instructions take addresses; every load below stays inside its slice"
    )]

    use std::arch::aarch64::{
        int32x4_t, uint8x16_t, vaddvq_s32, vandq_u8, vdupq_n_s32, vdupq_n_u8, vget_low_s8,
        vld1q_s8, vld1q_u8, vmull_high_s8, vmull_s8, vpadalq_s16, vreinterpretq_s8_u8, vshrq_n_u8,
    };

    use super::PER_BYTE;

    const WIDTH: usize = 16;

    pub(in super::super) fn neon(weights: &[i8], row: &[u8]) -> i32 {
        let length = row.len().min(weights.len() / PER_BYTE);
        // SAFETY: NEON was looked for; `at + 16` does not go beyond the row, nor, `length` after `length`, beyond its planes.
        unsafe {
            let mut total = vdupq_n_s32(0);
            for at in (0..length / WIDTH * WIDTH).step_by(WIDTH) {
                let bytes = vld1q_u8(row.as_ptr().add(at));
                let values = [
                    bytes,
                    vshrq_n_u8::<2>(bytes),
                    vshrq_n_u8::<4>(bytes),
                    vshrq_n_u8::<6>(bytes),
                ];
                for (plane, values) in values.into_iter().enumerate() {
                    total = add(total, values, weights.as_ptr().add(plane * row.len() + at));
                }
            }
            vaddvq_s32(total)
        }
    }

    /// # Safety
    /// Sixteen weights can be read, and the processor has NEON.
    #[inline]
    unsafe fn add(total: int32x4_t, values: uint8x16_t, weights: *const i8) -> int32x4_t {
        // SAFETY: as promised by the caller.
        unsafe {
            let values = vreinterpretq_s8_u8(vandq_u8(values, vdupq_n_u8(3)));
            let weights = vld1q_s8(weights);
            let low = vmull_s8(vget_low_s8(values), vget_low_s8(weights));
            let high = vmull_high_s8(values, weights);
            vpadalq_s16(vpadalq_s16(total, low), high)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::available;
    use super::*;

    #[test]
    fn every_kind_of_processor_gives_the_same_number() {
        let mut state = 7_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        for steps in [1, 2, 3, 12, 25] {
            let row: Vec<u8> = (0..steps * CODE_STEP).map(|_| next()).collect();
            let weights: Vec<i8> = (0..row.len() * PER_BYTE)
                .map(|_| next().cast_signed().max(-127))
                .collect();
            // The largest sums there are, both ways, must not run over.
            let most = (vec![0xFF; row.len()], vec![127; weights.len()]);
            let least = (vec![0xFF; row.len()], vec![-127; weights.len()]);
            for (row, weights) in [(row, weights), most, least] {
                let plain: i32 = (0..row.len() * PER_BYTE)
                    .map(|at| {
                        let (plane, byte) = (at / row.len(), at % row.len());
                        i32::from(weights[at]) * i32::from(row[byte] >> (2 * plane) & 3)
                    })
                    .sum();
                for kernels in available() {
                    assert_eq!(kernels.codes(&weights, &row), plain, "{}", kernels.name());
                }
            }
        }
    }
}
