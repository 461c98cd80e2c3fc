//! Numbers for tests inside the crate, the same on every machine.

/// About normal, seeded: sums of twelve uniform values (xorshift), less their mean.
pub(crate) fn normals(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed;
    move || {
        let mut sum = -6.0;
        for _ in 0..12 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            sum += (state >> 40) as f32 / (1 << 24) as f32;
        }
        sum
    }
}
