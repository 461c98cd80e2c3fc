//! Seeded vectors that look like embeddings: blobs on the sphere, with copies.

use std::sync::Arc;

use lamina_index::{Generation, GenerationHeader, IndexSettings, StopFlag, VectorBlock, build};
use lamina_types::{DatasetId, Embedding, EntityType, Space, SpaceKey};

/// A small generator (Marsaglia's xorshift64*): the same numbers on every machine and version.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// About normal: the sum of twelve uniform values, less their mean.
    pub fn normal(&mut self) -> f32 {
        (0..12)
            .map(|_| (self.next() >> 40) as f32 / (1u64 << 24) as f32)
            .sum::<f32>()
            - 6.0
    }
}

/// `count` vectors around `blobs` centres; `noise` is the length of the offset relative to the centre.
pub fn blobs(
    seed: u64,
    count: usize,
    blobs: usize,
    dimension: usize,
    noise: f32,
) -> Vec<Embedding> {
    let mut random = Random::new(seed);
    let mut direction = || -> Vec<f32> {
        let raw = (0..dimension).map(|_| random.normal()).collect();
        Embedding::new(raw).unwrap().into_vec()
    };
    let centres: Vec<Vec<f32>> = (0..blobs).map(|_| direction()).collect();
    (0..count)
        .map(|item| {
            let mixed = centres[item % blobs]
                .iter()
                .zip(direction())
                .map(|(centre, offset)| centre + noise * offset);
            Embedding::new(mixed.collect()).unwrap()
        })
        .collect()
}

/// A vector at about this cosine distance from another.
pub fn beside(random: &mut Random, of: &Embedding, distance: f32) -> Embedding {
    let raw: Vec<f32> = (0..of.dimension()).map(|_| random.normal()).collect();
    let along: f32 = raw.iter().zip(of.as_slice()).map(|(a, b)| a * b).sum();
    let across = Embedding::new(
        raw.iter()
            .zip(of.as_slice())
            .map(|(a, b)| a - along * b)
            .collect(),
    )
    .unwrap();
    let cosine = 1.0 - distance;
    let sine = (1.0 - cosine * cosine).sqrt();
    Embedding::new(
        of.as_slice()
            .iter()
            .zip(across.as_slice())
            .map(|(a, b)| cosine * a + sine * b)
            .collect(),
    )
    .unwrap()
}

pub fn block(rows: &[Embedding]) -> Arc<VectorBlock> {
    Arc::new(VectorBlock::from_embeddings(rows).unwrap())
}

pub fn settings() -> IndexSettings {
    IndexSettings::new([0.1, 0.2, 0.35, 0.5, 0.7], 0.96, 0.4)
}

pub fn header() -> GenerationHeader {
    GenerationHeader {
        origin_dataset_id: DatasetId::new(),
        entity_type: EntityType::Images,
        space: Space::Index,
        key: SpaceKey {
            package: "encoder@1".to_owned(),
            parameters: String::new(),
        },
        number: 3,
    }
}

pub fn generation(rows: &[Embedding], settings: &IndexSettings) -> Generation {
    build(header(), block(rows), settings, &StopFlag::new()).unwrap()
}
