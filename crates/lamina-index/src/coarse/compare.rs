//! Rows that look near, compared exactly: as few as will do.

use crate::hits::hit;
use crate::{Hit, IndexError, StopFlag, VectorBlock};

/// Rows compared at least.
const LEAST_COMPARED: usize = 200;
/// How many times as many when those were not enough.
const MORE: usize = 2;
/// Deviations by which looks may be off.
pub(crate) const CERTAINTY: f32 = 3.0;
/// How long before its turn a row is asked for.
const COMPARED_AHEAD: usize = 2;

/// A row that was looked at twice.
pub(super) struct Compared {
    pub(super) hit: Hit,
    /// How far it looked.
    look: f32,
}

/// Looks, and how many of the rows are to be compared exactly.
pub(super) struct Looked {
    /// Keys that sort as hits do, of places.
    pub(super) looks: Vec<u64>,
    /// At first.
    pub(super) wanted: usize,
    /// At most.
    pub(super) most: usize,
}

impl Looked {
    /// Compares the rows that look nearest until they are enough: all of those compared, ascending, and how far away the nearest
    /// of the others looks, tell. `None` when that would be too many.
    pub(super) fn compare(
        mut self,
        (vectors, query): (&VectorBlock, &[f32]),
        is_enough: impl Fn(&[Compared], f32) -> bool,
        stop: &StopFlag,
    ) -> Result<Option<Vec<Compared>>, IndexError> {
        let mut compared: Vec<Compared> = Vec::new();
        let mut wanted = self.wanted.max(LEAST_COMPARED);
        while wanted <= self.most {
            stop.check()?;
            let rest = &mut self.looks[compared.len()..];
            let (near, border, _) = rest.select_nth_unstable(wanted - compared.len());
            let border = hit(*border).distance;
            near.sort_unstable_by_key(|look| *look as u32);
            compared.extend(measured(vectors, query, near));
            compared.sort_unstable_by_key(|one| one.hit);
            if is_enough(&compared, border) {
                return Ok(Some(compared));
            }
            wanted *= MORE;
        }
        Ok(None)
    }
}

/// How much farther than they are rows look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deception {
    pub(crate) mean: f32,
    pub(crate) deviation: f32,
}

impl Deception {
    pub(crate) fn of(errors: impl ExactSizeIterator<Item = f32> + Clone) -> Self {
        let count = errors.len().max(1) as f32;
        let mean = errors.clone().sum::<f32>() / count;
        let squares: f32 = errors.map(|error| (error - mean).powi(2)).sum();
        let deviation = (squares / count).sqrt();
        Self { mean, deviation }
    }
}

/// How much farther than they are rows look, at most: mean and some deviations of these.
pub(super) fn farthest_deception(compared: &[Compared]) -> f32 {
    let errors = compared.iter().map(|one| one.look - one.hit.distance);
    let Deception { mean, deviation } = Deception::of(errors);
    mean + CERTAINTY * deviation
}

/// The rows of these looks, at their true distance.
fn measured<'a>(
    vectors: &'a VectorBlock,
    query: &'a [f32],
    looks: &'a [u64],
) -> impl Iterator<Item = Compared> + 'a {
    let rows = vectors.rows();
    looks.iter().enumerate().map(move |(number, look)| {
        if let Some(soon) = looks.get(number + COMPARED_AHEAD) {
            rows.fetch(hit(*soon).ordinal as usize);
        }
        let look = hit(*look);
        let distance = rows.distance_to(look.ordinal as usize, query);
        Compared {
            hit: vectors.named(Hit { distance, ..look }),
            look: look.distance,
        }
    })
}
