//! Vectors whose distances look like those of embeddings: a mixture on the sphere around a common mean, with near-copies.

use lamina_index::VectorBlock;
use lamina_types::Embedding;

/// Vectors around one centre, on average.
const CLUSTER: usize = 200;
/// Length of a centre's offset from the common mean, which has length 1.
const SPREAD: f32 = 1.2;
/// Length of a vector's offset from its centre.
const NOISE: f32 = 0.45;
/// One vector in so many is a near-copy of an earlier one, with this offset.
const COPY_EVERY: usize = 33;
const COPY_NOISE: f32 = 0.1;

/// Marsaglia's xorshift64*: the same numbers on every machine.
pub struct Random(u64);

impl Random {
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 33) as usize % bound.max(1)
    }

    /// About normal, of standard deviation 1: the sum of six uniform values, less their mean.
    fn normal(&mut self) -> f32 {
        let uniform = |bits: u64| (bits & 0x1F_FFFF) as f32 / (1 << 21) as f32;
        let mut sum = 0.0;
        for _ in 0..2 {
            let bits = self.next();
            sum += uniform(bits) + uniform(bits >> 21) + uniform(bits >> 42);
        }
        (sum - 3.0) * std::f32::consts::SQRT_2
    }

    /// A unit vector at an offset of length `noise`, in a random direction, from `from`.
    ///
    /// # Errors
    /// Values that make no vector.
    pub fn beside(&mut self, from: &[f32], noise: f32) -> anyhow::Result<Embedding> {
        let each = noise / (from.len() as f32).sqrt();
        let raw = from.iter().map(|value| value + each * self.normal());
        Ok(Embedding::new(raw.collect())?)
    }
}

/// How vectors lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// As embeddings do.
    Clustered,
    /// Each in a direction of its own.
    Unclustered,
}

/// Vectors to index, vectors to ask with, and where they come from.
pub struct Sample {
    pub vectors: VectorBlock,
    /// Cluster of each vector; empty when there are none.
    pub clusters: Vec<usize>,
    pub cluster_count: usize,
    /// Drawn as the vectors are, but not among them.
    pub queries: Vec<Vec<f32>>,
}

impl Sample {
    /// Draws a sample.
    ///
    /// # Errors
    /// A dimension of 0.
    pub fn draw(
        shape: Shape,
        seed: u64,
        count: usize,
        dimension: usize,
        queries: usize,
    ) -> anyhow::Result<Self> {
        let mut random = Random::new(seed);
        if shape == Shape::Unclustered {
            return Self::unclustered(random, count, dimension, queries);
        }
        let mean = random.beside(&vec![0.0; dimension], 1.0)?;
        let cluster_count = count / CLUSTER + 1;
        let centres = (0..cluster_count)
            .map(|_| random.beside(mean.as_slice(), SPREAD))
            .collect::<anyhow::Result<Vec<Embedding>>>()?;
        let mut vectors = VectorBlock::with_capacity(dimension, count)?;
        let mut clusters = Vec::with_capacity(count);
        for row in 0..count {
            let (near, noise, cluster) = if row % COPY_EVERY == COPY_EVERY - 1 {
                let copied = random.below(row);
                (vectors.unit_row(copied), COPY_NOISE, clusters[copied])
            } else {
                let cluster = random.below(cluster_count);
                (centres[cluster].as_slice().to_vec(), NOISE, cluster)
            };
            vectors.push(&random.beside(&near, noise)?)?;
            clusters.push(cluster);
        }
        let queries = (0..queries)
            .map(|_| {
                let centre = centres[random.below(cluster_count)].as_slice();
                Ok(random.beside(centre, NOISE)?.into_vec())
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Self {
            vectors,
            clusters,
            cluster_count,
            queries,
        })
    }

    fn unclustered(
        mut random: Random,
        count: usize,
        dimension: usize,
        queries: usize,
    ) -> anyhow::Result<Self> {
        let nowhere = vec![0.0; dimension];
        let mut vectors = VectorBlock::with_capacity(dimension, count)?;
        for _ in 0..count {
            vectors.push(&random.beside(&nowhere, 1.0)?)?;
        }
        let queries = (0..queries)
            .map(|_| Ok(random.beside(&nowhere, 1.0)?.into_vec()))
            .collect::<anyhow::Result<_>>()?;
        Ok(Self {
            vectors,
            clusters: Vec::new(),
            cluster_count: 0,
            queries,
        })
    }
}
