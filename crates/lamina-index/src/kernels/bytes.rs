//! Products of rows of eight bits a value: whole numbers, so every kind of processor gives the same.

/// The safe twin.
pub(super) fn product(a: &[i8], b: &[i8]) -> i32 {
    let products = a.iter().zip(b).map(|(a, b)| i32::from(*a) * i32::from(*b));
    products.sum()
}

#[cfg(target_arch = "x86_64")]
pub(super) mod wide {
    //! AVX-512 and AVX2: widened to 16 bits, multiplied and added in pairs to 32.

    #![expect(
        unsafe_code,
        reason = "vector instructions take addresses; every load below stays inside its slice"
    )]

    use std::arch::x86_64::{
        _mm_loadu_si128, _mm256_add_epi32, _mm256_cvtepi8_epi16, _mm256_loadu_si256,
        _mm256_madd_epi16, _mm256_setzero_si256, _mm512_add_epi32, _mm512_cvtepi8_epi16,
        _mm512_madd_epi16, _mm512_reduce_add_epi32, _mm512_setzero_si512,
    };

    use super::super::avx2::integers_total;

    #[target_feature(enable = "avx512f,avx512bw")]
    pub(in super::super) fn avx512(a: &[i8], b: &[i8]) -> i32 {
        const WIDTH: usize = 32;
        let whole = a.len().min(b.len()) / WIDTH * WIDTH;
        let mut total = _mm512_setzero_si512();
        for at in (0..whole).step_by(WIDTH) {
            // SAFETY: `at + 32` does not go beyond either row.
            let (left, right) = unsafe {
                (
                    _mm256_loadu_si256(a.as_ptr().add(at).cast()),
                    _mm256_loadu_si256(b.as_ptr().add(at).cast()),
                )
            };
            let (left, right) = (_mm512_cvtepi8_epi16(left), _mm512_cvtepi8_epi16(right));
            total = _mm512_add_epi32(total, _mm512_madd_epi16(left, right));
        }
        _mm512_reduce_add_epi32(total) + super::product(&a[whole..], &b[whole..])
    }

    #[target_feature(enable = "avx2")]
    pub(in super::super) fn avx2(a: &[i8], b: &[i8]) -> i32 {
        const WIDTH: usize = 16;
        const SUMS: usize = 2;
        let whole = a.len().min(b.len()) / (SUMS * WIDTH) * (SUMS * WIDTH);
        // Two sums: neither waits for the other.
        let mut totals = [_mm256_setzero_si256(); SUMS];
        for start in (0..whole).step_by(SUMS * WIDTH) {
            for (number, total) in totals.iter_mut().enumerate() {
                let at = start + number * WIDTH;
                // SAFETY: `at + 16` does not go beyond either row.
                let (left, right) = unsafe {
                    (
                        _mm_loadu_si128(a.as_ptr().add(at).cast()),
                        _mm_loadu_si128(b.as_ptr().add(at).cast()),
                    )
                };
                let (left, right) = (_mm256_cvtepi8_epi16(left), _mm256_cvtepi8_epi16(right));
                *total = _mm256_add_epi32(*total, _mm256_madd_epi16(left, right));
            }
        }
        let total = _mm256_add_epi32(totals[0], totals[1]);
        integers_total(total) + super::product(&a[whole..], &b[whole..])
    }
}

#[cfg(test)]
mod tests {
    use super::super::available;

    #[test]
    fn every_kind_of_processor_gives_the_same_number() {
        let mut state = 11_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 24) as u8).cast_signed().max(-127)
        };
        for length in [0, 1, 31, 64, 384, 1_280] {
            let a: Vec<i8> = (0..length).map(|_| next()).collect();
            let b: Vec<i8> = (0..length).map(|_| next()).collect();
            // The largest sums there are must not run over.
            for (a, b) in [(a, b), (vec![127; length], vec![-127; length])] {
                let plain: i64 = a
                    .iter()
                    .zip(&b)
                    .map(|(a, b)| i64::from(*a) * i64::from(*b))
                    .sum();
                for kernels in available() {
                    assert_eq!(
                        i64::from(kernels.bytes(&a, &b)),
                        plain,
                        "{}",
                        kernels.name()
                    );
                }
            }
        }
    }
}
