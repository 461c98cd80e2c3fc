//! The vectors of the generated dataset: families of groups, as photographs of classes of subjects are.

use lamina_index::VectorBlock;
use lamina_types::Embedding;

use crate::commands::bench::index::vectors::Random;

/// Families; each is one hundredth of the dataset.
pub const FAMILIES: usize = 100;
/// Vectors of a group, on average.
const GROUP: usize = 200;
/// Length of a family's offset from the common mean, of a group's from its family, of a vector's from its group. Distances are
/// then about 0.17 within a group, 0.39 within a family, 0.70 beyond.
pub const SPREADS: [f32; 3] = [1.0, 0.6, 0.45];
/// One vector in so many is a near-copy of one shortly before it, with this offset.
const COPY_EVERY: usize = 250;
const COPY_NOISE: f32 = 0.1;
const SEED: u64 = 1;

/// Vectors, and where they come from.
pub struct Drawn {
    pub vectors: VectorBlock,
    /// Group of each vector; the family is the group modulo [`FAMILIES`].
    pub groups: Vec<i32>,
}

/// Draws `count` vectors, always the same ones.
///
/// # Errors
/// A dimension of 0.
pub fn draw(count: usize, dimension: usize) -> anyhow::Result<Drawn> {
    let mut random = Random::new(SEED);
    let mean = random.beside(&vec![0.0; dimension], 1.0)?;
    let families = (0..FAMILIES)
        .map(|_| random.beside(mean.as_slice(), SPREADS[0]))
        .collect::<anyhow::Result<Vec<Embedding>>>()?;
    let centres = (0..(count / GROUP).max(FAMILIES))
        .map(|group| random.beside(families[group % FAMILIES].as_slice(), SPREADS[1]))
        .collect::<anyhow::Result<Vec<Embedding>>>()?;
    let mut vectors = VectorBlock::with_capacity(dimension, count)?;
    let mut groups: Vec<i32> = Vec::with_capacity(count);
    for row in 0..count {
        let (from, noise, group) = if row % COPY_EVERY == COPY_EVERY - 1 {
            let copied = row - 1 - random.below(COPY_EVERY - 1);
            (vectors.unit_row(copied), COPY_NOISE, groups[copied])
        } else {
            let group = random.below(centres.len());
            let centre = centres[group].as_slice().to_vec();
            (centre, SPREADS[2], i32::try_from(group)?)
        };
        vectors.push(&random.beside(&from, noise)?)?;
        groups.push(group);
    }
    Ok(Drawn { vectors, groups })
}
