//! The coarse rows of a block, and looking at them.

use std::cell::Cell;

use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

use super::compare::{CERTAINTY, Compared, Looked, farthest_deception};
use crate::distance::from_cosine;
use crate::hits::{hit, key};
use crate::kernels::{CODE_STEP, Kernels, PER_BYTE, kernels, prefetch};
use crate::wide_bytes::WideBytes;
use crate::{Hit, IndexError, StopFlag, VectorBlock};

/// Rows that means and steps are taken from.
const SAMPLE: usize = 4_096;
/// Width of four even steps that lose the least of a normal distribution, in deviations (Max 1960).
const STEP: f32 = 0.9957;
/// Rows compared exactly for each that is wanted.
const COMPARED_PER_HIT: usize = 20;
/// Part of the square of a query's length that one value may have.
const MOST_OF_ONE_VALUE: f32 = 0.2;
/// An exact scan of all rows takes no longer than comparing this part of them one by one, for a few hits and for all within a
/// distance.
const WORTH_A_SCAN: usize = 4;
const WORTH_A_WIDE_SCAN: usize = 16;
/// Of the rows within a distance, the last ones compared may have brought one in so many.
const HARDLY_ANY: usize = 1_000;
/// Rows that the deviation is taken from: by their places, because those that look near are those that deceive.
const JUDGED: usize = 64;
/// How long before its turn a row is asked for.
const ROWS_AHEAD: usize = 8;
/// Rows between two looks at the stop flag; also the unit of parallel work.
const ROWS_AT_ONCE: usize = 4_096;
/// Rows from which looks are worth spreading over the pool: about two milliseconds on one core.
const PARALLEL_ROWS: usize = 200_000;
/// The coarse rows of a block.
pub(crate) struct CoarseRows {
    /// Bytes of a row.
    stride: usize,
    /// Of each value: its mean, and the width of its steps.
    means: Vec<f32>,
    steps: Vec<f32>,
    bytes: WideBytes,
}

/// A query in whole numbers, and the rows it is asked of.
pub(crate) struct Question<'a> {
    rows: &'a CoarseRows,
    kernels: &'static Kernels,
    weights: Vec<i8>,
    /// The cosine is `base + scale * product`.
    base: f32,
    scale: f32,
}

impl Question<'_> {
    /// About how far the row at a place is.
    #[inline]
    pub(crate) fn look(&self, place: u32) -> f32 {
        let product = self.kernels.codes(&self.weights, self.rows.row(place));
        from_cosine(self.base + self.scale * product as f32)
    }

    /// How far looks at rows all over the block are off, root of the mean square.
    pub(crate) fn deviation(&self, vectors: &VectorBlock, query: &[f32]) -> f32 {
        let every = (vectors.len() / JUDGED).max(1);
        let looks: Vec<u64> = (0..vectors.len() as u32)
            .step_by(every)
            .map(|place| self.key(place))
            .collect();
        deviation(vectors, query, &looks)
    }

    fn key(&self, place: u32) -> u64 {
        key(Hit {
            ordinal: place,
            distance: self.look(place),
        })
    }

    /// Asks for a row to be brought from memory.
    #[inline]
    pub(crate) fn fetch(&self, place: u32) {
        prefetch(self.rows.row(place), usize::MAX);
    }
}

impl CoarseRows {
    /// Bytes that the rows of a block take.
    pub(crate) const fn bytes_for(vectors: &VectorBlock) -> usize {
        vectors.len() * stride_for(vectors.dimension())
    }

    /// Takes 30 ms of each core for 100,000 rows of 512 values.
    pub(super) fn of(vectors: &VectorBlock) -> Self {
        let (means, steps) = spread(vectors);
        let stride = stride_for(vectors.dimension());
        let inverse: Vec<f32> = steps
            .iter()
            .map(|step| if *step > 0.0 { 1.0 / step } else { 0.0 })
            .collect();
        let mut bytes = WideBytes::zeros(Self::bytes_for(vectors));
        let rows = vectors.rows();
        let wide = || vec![0.0_f32; vectors.dimension()];
        bytes
            .par_chunks_exact_mut(stride)
            .enumerate()
            .for_each_init(wide, |values, (row, codes)| {
                rows.row(row).convert_to_f32_slice(values);
                let places = values.iter().zip(&means).zip(&inverse);
                for (at, ((value, mean), inverse)) in places.enumerate() {
                    // From 0 to 3; casting cuts off what is below 0.
                    let step = ((value - mean) * inverse + 2.0).clamp(0.0, 3.0) as u8;
                    codes[at % stride] |= step << (2 * (at / stride));
                }
            });
        Self {
            stride,
            means,
            steps,
            bytes,
        }
    }

    /// `None` for a query that hangs on few of its values: four steps of one value tell little.
    pub(crate) fn question(&self, query: &[f32]) -> Option<Question<'_>> {
        let stretched: Vec<f32> = query.iter().zip(&self.steps).map(|(q, s)| q * s).collect();
        let largest = stretched
            .iter()
            .fold(0.0_f32, |most, one| most.max(one.abs()));
        let squares: f32 = stretched.iter().map(|one| one * one).sum();
        if largest * largest > MOST_OF_ONE_VALUE * squares {
            return None;
        }
        let scale = (largest / 127.0).max(f32::MIN_POSITIVE);
        let mut weights = vec![0_i8; self.stride * PER_BYTE];
        let mut sum = 0;
        for (weight, stretched) in weights.iter_mut().zip(&stretched) {
            *weight = (stretched / scale).round() as i8;
            sum += i32::from(*weight);
        }
        let mean: f32 = query
            .iter()
            .zip(&self.means)
            .map(|(q, mean)| q * mean)
            .sum();
        Some(Question {
            rows: self,
            kernels: kernels(),
            weights,
            // The middle of step 0 is one and a half steps below the mean.
            base: mean - 1.5 * scale * sum as f32,
            scale,
        })
    }

    fn row(&self, place: u32) -> &[u8] {
        let start = place as usize * self.stride;
        &self.bytes[start..start + self.stride]
    }

    /// About how far the row at each of these places is, as keys that sort as hits do; `None` where looks tell nothing.
    fn looks(
        &self,
        query: &[f32],
        places: &[u32],
        stop: &StopFlag,
    ) -> Result<Option<Vec<u64>>, IndexError> {
        let Some(question) = self.question(query) else {
            return Ok(None);
        };
        let mut looks = vec![0; places.len()];
        let look_at = |(looks, part): (&mut [u64], &[u32])| {
            stop.check()?;
            for (number, (look, place)) in looks.iter_mut().zip(part).enumerate() {
                if let Some(soon) = part.get(number + ROWS_AHEAD) {
                    question.fetch(*soon);
                }
                *look = question.key(*place);
            }
            Ok::<(), IndexError>(())
        };
        let parts = places.chunks(ROWS_AT_ONCE);
        if places.len() < PARALLEL_ROWS {
            looks
                .chunks_mut(ROWS_AT_ONCE)
                .zip(parts)
                .try_for_each(look_at)?;
        } else {
            let parts: Vec<_> = looks.chunks_mut(ROWS_AT_ONCE).zip(parts).collect();
            parts.into_par_iter().try_for_each(look_at)?;
        }
        Ok(Some(looks))
    }

    /// The `k` nearest of the rows that lie at these places, ascending by (distance, row); `None` where that would end in comparing
    /// a large part of them exactly.
    ///
    /// Rows near the query look farther than they are, by how much is seen from those that were compared: the next ones are
    /// looked at until a row that is near enough would have to deceive much more than the others did.
    pub(super) fn nearest(
        &self,
        vectors: &VectorBlock,
        query: &[f32],
        k: usize,
        places: &[u32],
        stop: &StopFlag,
    ) -> Result<Option<Vec<Hit>>, IndexError> {
        let Some(looks) = self.looks(query, places, stop)? else {
            return Ok(None);
        };
        let margin = CERTAINTY * deviation(vectors, query, &looks);
        let is_enough = |compared: &[Compared], border: f32| {
            let last = compared.get(k.saturating_sub(1));
            let margin = margin.max(farthest_deception(near_ones(compared, k)));
            last.map_or(0.0, |one| one.hit.distance) + margin <= border
        };
        let looked = Looked {
            looks,
            wanted: k * COMPARED_PER_HIT,
            most: places.len() / WORTH_A_SCAN,
        };
        let compared = looked.compare((vectors, query), is_enough, stop)?;
        Ok(compared.map(|compared| compared.iter().take(k).map(|one| one.hit).collect()))
    }

    /// The rows within a distance, ascending, found in the same way; `None` as in [`Self::nearest`].
    pub(super) fn within(
        &self,
        vectors: &VectorBlock,
        query: &[f32],
        within: f32,
        places: &[u32],
        stop: &StopFlag,
    ) -> Result<Option<Vec<Hit>>, IndexError> {
        let Some(looks) = self.looks(query, places, stop)? else {
            return Ok(None);
        };
        let inside = looks.iter().filter(|look| hit(**look).distance <= within);
        let wanted = 2 * inside.count();
        let count =
            |compared: &[Compared]| compared.partition_point(|one| one.hit.distance <= within);
        let margin = CERTAINTY * deviation(vectors, query, &looks);
        let before = Cell::new(0);
        let is_enough = |compared: &[Compared], border: f32| {
            let found = count(compared);
            let new = found - before.replace(found);
            let margin = margin.max(farthest_deception(near_ones(compared, found)));
            new * HARDLY_ANY <= found && within + margin <= border
        };
        let looked = Looked {
            looks,
            wanted,
            most: places.len() / WORTH_A_WIDE_SCAN,
        };
        let compared = looked.compare((vectors, query), is_enough, stop)?;
        Ok(compared.map(|compared| {
            let found = count(&compared);
            compared[..found].iter().map(|one| one.hit).collect()
        }))
    }
}

impl std::fmt::Debug for CoarseRows {
    /// Sizes only: millions of numbers in a log line help nobody.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CoarseRows")
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// Those that are found, and as many more as it takes to tell how far they deceived.
fn near_ones(compared: &[Compared], found: usize) -> &[Compared] {
    &compared[..found.max(JUDGED).min(compared.len())]
}

/// How far looks are off, root of the mean square.
fn deviation(vectors: &VectorBlock, query: &[f32], looks: &[u64]) -> f32 {
    let every = (looks.len() / JUDGED).max(1);
    let (mut squares, mut count) = (0.0_f32, 0.0_f32);
    for look in looks.iter().step_by(every) {
        let look = hit(*look);
        let distance = vectors.rows().distance_to(look.ordinal as usize, query);
        squares += (look.distance - distance).powi(2);
        count += 1.0;
    }
    (squares / count.max(1.0)).sqrt()
}

const fn stride_for(dimension: usize) -> usize {
    dimension.div_ceil(PER_BYTE).next_multiple_of(CODE_STEP)
}

/// Mean of each value, and the width of its steps, from rows all over the block.
fn spread(vectors: &VectorBlock) -> (Vec<f32>, Vec<f32>) {
    let dimension = vectors.dimension();
    let every = (vectors.len() / SAMPLE).max(1);
    let (mut sums, mut squares, mut count) = (vec![0.0; dimension], vec![0.0; dimension], 0.0);
    let mut values = vec![0.0_f32; dimension];
    for row in (0..vectors.len()).step_by(every) {
        vectors.rows().row(row).convert_to_f32_slice(&mut values);
        for ((sum, square), value) in sums.iter_mut().zip(&mut squares).zip(&values) {
            *sum += f64::from(*value);
            *square += f64::from(*value).powi(2);
        }
        count += 1.0;
    }
    let count = f64::max(count, 1.0);
    let means = sums.iter().map(|sum| (sum / count) as f32).collect();
    let steps = sums
        .iter()
        .zip(&squares)
        .map(|(sum, square): (&f64, &f64)| {
            let variance = square / count - (sum / count).powi(2);
            STEP * variance.max(0.0).sqrt() as f32
        });
    (means, steps.collect())
}

#[cfg(test)]
mod tests {
    use lamina_types::Embedding;
    use roaring::RoaringBitmap;

    use super::*;
    use crate::exact::scan;
    use crate::hits::Wanted;
    use crate::test_numbers::normals;

    const DIMENSION: usize = 300;

    /// Groups of 50 around a common mean, as embeddings lie, seeded.
    fn block(rows: usize) -> VectorBlock {
        let mut normal = normals(0x9E37_79B9_7F4A_7C15);
        let mean: Vec<f32> = (0..DIMENSION).map(|_| normal()).collect();
        let centres: Vec<Vec<f32>> = (0..rows / 50)
            .map(|_| mean.iter().map(|mean| mean + normal()).collect())
            .collect();
        let rows = (0..rows).map(|row| {
            let centre = &centres[row % centres.len()];
            Embedding::new(centre.iter().map(|value| value + 0.5 * normal()).collect()).unwrap()
        });
        VectorBlock::from_embeddings(&rows.collect::<Vec<_>>()).unwrap()
    }

    fn exact(vectors: &VectorBlock, query: &[f32], allowed: &RoaringBitmap) -> Vec<Hit> {
        let wanted = Wanted::nearest(10);
        scan(vectors, query, Some(allowed), wanted, &StopFlag::new()).unwrap()
    }

    #[test]
    fn looking_twice_finds_what_a_scan_finds() {
        let vectors = block(8_000);
        let coarse = CoarseRows::of(&vectors);
        let groups = vectors.len() / 50;
        // By chance, as it were; and whole groups, so that most queries have nothing near.
        let scattered: RoaringBitmap = (0..8_000).filter(|row| row * 7 % 10 < 4).collect();
        let whole: RoaringBitmap = (0..8_000_u32)
            .filter(|row| *row as usize % groups % 5 < 2)
            .collect();
        for allowed in [scattered, whole] {
            let rows: Vec<u32> = allowed.iter().collect();
            let (mut right, mut of, mut done) = (0, 0, 0);
            for row in (0..8_000).step_by(101) {
                let query = vectors.unit_row(row);
                let wanted = exact(&vectors, &query, &allowed);
                let stop = StopFlag::new();
                let found = coarse.nearest(&vectors, &query, 10, &rows, &stop).unwrap();
                let Some(found) = found else { continue };
                done += 1;
                assert!(found.is_sorted() && found.len() == 10);
                right += found.iter().filter(|hit| wanted.contains(hit)).count();
                of += wanted.len();
            }
            assert!(done > 60, "{done}");
            assert!(right as f64 >= 0.995 * of as f64, "{right} of {of}");
        }
    }

    #[test]
    fn all_within_a_distance_are_found_however_far_the_query_is() {
        let vectors = block(20_000);
        let coarse = CoarseRows::of(&vectors);
        let (rows, stop) = ((0..20_000).collect::<Vec<u32>>(), StopFlag::new());
        let all: RoaringBitmap = (0..20_000).collect();
        for (share, count) in [(1.0, 50), (0.8, 50), (0.2, 20)] {
            let (mut right, mut of) = (0, 0);
            for row in (0..20_000).step_by(1_001) {
                // One row and a direction that has nothing to do with any.
                let mut query: Vec<f32> = vectors.unit_row(row).iter().map(|v| v * share).collect();
                query[row % DIMENSION] += 1.0 - share;
                let query = crate::vectors::unit_query(&query, DIMENSION).unwrap();
                let bound = Wanted {
                    count,
                    within: f32::INFINITY,
                };
                let wanted = scan(&vectors, &query, Some(&all), bound, &stop).unwrap();
                let within = wanted.last().unwrap().distance;
                let found = coarse.within(&vectors, &query, within, &rows, &stop);
                let Some(found) = found.unwrap() else {
                    continue;
                };
                assert!(found.is_sorted());
                assert!(found.iter().all(|hit| hit.distance <= within));
                right += found.len().min(count);
                of += count;
            }
            // One value is most of the last ones: nothing is told rather than something wrong.
            assert_eq!(of > 0, share > 0.5, "{share}");
            assert!(right as f64 >= 0.99 * of as f64, "{share}: {right} of {of}");
        }
    }

    #[test]
    fn what_cannot_be_told_apart_is_left_to_a_scan() {
        // One vector, over and over: every look is the same.
        let one = Embedding::new(vec![1.0; 64]).unwrap();
        let vectors = VectorBlock::from_embeddings(&vec![one; 5_000]).unwrap();
        let coarse = CoarseRows::of(&vectors);
        let all: Vec<u32> = (0..5_000).collect();
        let query = vectors.unit_row(0);
        let stop = StopFlag::new();
        let found = coarse.nearest(&vectors, &query, 10, &all, &stop).unwrap();
        if let Some(found) = found {
            let ordinals: Vec<u32> = found.iter().map(|hit| hit.ordinal).collect();
            assert_eq!(ordinals, (0..10).collect::<Vec<u32>>());
        }
        stop.stop();
        assert!(coarse.nearest(&vectors, &query, 10, &all, &stop).is_err());
    }
}
