//! The same pictures on every run: a small generator of numbers that depend on nothing but the seed.

/// `SplitMix64` (Steele, Lea and Flood 2014): one addition and a mix per number, good enough to place clouds.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A sequence of its own for every seed.
    pub fn new(seed: u64) -> Self {
        // Mixed once, so that neighbouring seeds do not give neighbouring sequences.
        Self(mix(seed ^ 0x1A31_17A5_EED5_0001))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// Evenly in `low..high`.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * ((self.next() >> 40) as f32 / (1_u64 << 24) as f32)
    }

    /// One of `0..count`; 0 for a count of 0.
    pub fn below(&mut self, count: usize) -> usize {
        (self.next() % count.max(1) as u64) as usize
    }

    /// True in this share of the cases.
    pub fn chance(&mut self, share: f32) -> bool {
        self.between(0.0, 1.0) < share
    }

    /// One of several.
    pub fn pick<T: Copy, const N: usize>(&mut self, from: [T; N]) -> T {
        from[self.below(N)]
    }
}

fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// Smooth noise, about -1..1, with details down to `octaves` halvings of the unit.
pub fn noise(seed: u64, x: f32, y: f32, octaves: u32) -> f32 {
    let mut sum = 0.0;
    let (mut scale, mut weight, mut total) = (1.0, 1.0, 0.0);
    for octave in 0..octaves {
        sum += weight * lattice(seed.wrapping_add(u64::from(octave)), x * scale, y * scale);
        total += weight;
        scale *= 2.0;
        weight *= 0.5;
    }
    sum / total
}

/// Values at whole coordinates, joined by a smooth curve.
fn lattice(seed: u64, x: f32, y: f32) -> f32 {
    let (left, top) = (x.floor(), y.floor());
    let ease = |t: f32| t * t * (3.0 - 2.0 * t);
    let (across, down) = (ease(x - left), ease(y - top));
    let corner = |dx: f32, dy: f32| {
        let key = ((left + dx) as i64 as u64).wrapping_mul(0x8DA6_B343)
            ^ ((top + dy) as i64 as u64).wrapping_mul(0xD816_3841);
        (mix(seed ^ key.wrapping_mul(0x9E37_79B9)) >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    };
    let upper = corner(0.0, 0.0) + (corner(1.0, 0.0) - corner(0.0, 0.0)) * across;
    let lower = corner(0.0, 1.0) + (corner(1.0, 1.0) - corner(0.0, 1.0)) * across;
    upper + (lower - upper) * down
}
