//! Exact search for all rows within a distance that reads each row at eight bits a value first.
//!
//! A scan waits for memory, and those rows are half as long. How far a row can be from where its codes say is known, so only rows that can be
//! within the distance are compared as they are, and none that is within is left out.

use std::sync::{Arc, OnceLock};

use rayon::prelude::*;
use roaring::RoaringBitmap;

use crate::coarse::many_places;
use crate::exact::{PARALLEL_VALUES, ROWS_AT_ONCE, scan, scan_places};
use crate::hits::{Wanted, key};
use crate::kernels::{Kernels, kernels, prefetch};
use crate::vectors::range_query;
use crate::{DEFAULT_EXACT_LIMIT, ExactIndex, Hit, IndexError, StopFlag, VectorBlock, VectorIndex};

/// Values of a block from which reading it twice is worth it: fewer stay in the cache beside the core.
const WORTH_CODES: usize = 1 << 20;
/// Rows that tell how many a distance will let through.
const ASKED_FIRST: usize = 256;
/// The rest is asked where at most one of so many of them is let through.
const LET_THROUGH: usize = 4;
/// How long before its turn a row is asked for from memory.
const ROWS_AHEAD: usize = 8;
/// Steps from 0 to the largest value of a row.
const STEPS: f32 = 127.0;
/// Room for what rounding does to sums of 32-bit floats.
const ROUNDING: f32 = 1e-5;

/// Searches by scanning, twice where all rows within a distance are wanted. Recall 1 by construction; the distances are those of
/// [`ExactIndex`]. A block of more than [`DEFAULT_EXACT_LIMIT`] rows gets a graph soon, and no codes until then.
#[derive(Debug)]
pub struct Int8Index {
    exact: ExactIndex,
    codes: OnceLock<RowCodes>,
}

impl Int8Index {
    /// Searches these vectors. The first search for all within a distance makes the codes.
    pub const fn new(vectors: Arc<VectorBlock>) -> Self {
        Self {
            exact: ExactIndex::new(vectors),
            codes: OnceLock::new(),
        }
    }

    fn has_codes(&self) -> bool {
        let vectors = self.exact.vectors();
        vectors.len() <= DEFAULT_EXACT_LIMIT && vectors.len() >= worth_codes(vectors)
    }

    /// The places, of these, where a row can be within a distance; `None` where that would be most of them.
    fn near(
        &self,
        query: &[f32],
        within: f32,
        places: &[u32],
        stop: &StopFlag,
    ) -> Result<Option<Vec<u32>>, IndexError> {
        let vectors = self.exact.vectors();
        let codes = self.codes.get_or_init(|| RowCodes::of(vectors));
        let question = codes.question(query, within);
        let can_be = |place: &u32| question.can_be_within(*place as usize);
        let every = places.len().div_ceil(ASKED_FIRST).max(1);
        let first = places.iter().step_by(every);
        let through = first.clone().filter(|place| can_be(place)).count();
        if through * LET_THROUGH > first.count() {
            return Ok(None);
        }
        let of_part = |part: &[u32]| {
            stop.check()?;
            let mut near = Vec::new();
            for (number, place) in part.iter().enumerate() {
                if let Some(soon) = part.get(number + ROWS_AHEAD) {
                    question.fetch(*soon as usize);
                }
                if can_be(place) {
                    near.push(*place);
                }
            }
            Ok::<Vec<u32>, IndexError>(near)
        };
        let parts = places.chunks(ROWS_AT_ONCE);
        // Codes are read in half the time of values.
        let near: Result<Vec<Vec<u32>>, IndexError> =
            if places.len().saturating_mul(vectors.dimension()) >= 2 * PARALLEL_VALUES {
                let parts: Vec<&[u32]> = parts.collect();
                parts.into_par_iter().map(of_part).collect()
            } else {
                parts.map(of_part).collect()
            };
        Ok(Some(near?.concat()))
    }
}

impl VectorIndex for Int8Index {
    fn len(&self) -> usize {
        self.exact.len()
    }

    fn search(
        &self,
        query: &[f32],
        k: usize,
        allowed: Option<&RoaringBitmap>,
        stop: &StopFlag,
    ) -> Result<Vec<Hit>, IndexError> {
        self.exact.search(query, k, allowed, stop)
    }

    fn range_search(
        &self,
        query: &[f32],
        max_distance: f32,
        allowed: Option<&RoaringBitmap>,
        stop: &StopFlag,
    ) -> Result<Vec<Hit>, IndexError> {
        let vectors = self.exact.vectors();
        let unit = range_query(query, max_distance, vectors.dimension())?;
        let wanted = Wanted::within(max_distance);
        if self.has_codes()
            && let Some(places) = many_places(vectors, allowed, worth_codes(vectors))
            && let Some(near) = self.near(&unit, max_distance, &places, stop)?
        {
            let mut hits = scan_places(vectors, &unit, &near, wanted, stop)?;
            hits.sort_unstable_by_key(|hit| key(*hit));
            return Ok(hits);
        }
        scan(vectors, &unit, allowed, wanted, stop)
    }

    fn bytes_in_memory(&self) -> usize {
        // Codes count from the start: memory is planned with what is told here.
        let codes = if self.has_codes() {
            RowCodes::bytes_for(self.exact.vectors())
        } else {
            0
        };
        self.exact.bytes_in_memory() + codes
    }
}

/// Rows of a block from which reading them twice is worth it.
fn worth_codes(vectors: &VectorBlock) -> usize {
    WORTH_CODES.div_ceil(vectors.dimension().max(1))
}

/// A unit vector in whole steps.
struct Steps {
    step: f32,
    /// Length of what the steps leave out.
    rest: f32,
}

impl Steps {
    /// Of the steps, which are written to `codes`.
    fn of(unit: &[f32], codes: &mut [i8]) -> Self {
        let largest = unit.iter().fold(0.0_f32, |most, one| most.max(one.abs()));
        let step = (largest / STEPS).max(f32::MIN_POSITIVE);
        let mut squares = 0.0;
        for (code, value) in codes.iter_mut().zip(unit) {
            let steps = (value / step).round();
            *code = steps as i8;
            squares += (value - steps * step).powi(2);
        }
        let rest = squares.sqrt();
        Self { step, rest }
    }
}

/// The rows of a block at eight bits a value, by place.
struct RowCodes {
    dimension: usize,
    codes: Vec<i8>,
    steps: Vec<Steps>,
}

/// A query at eight bits a value, and the distance within which rows are wanted.
struct Question<'a> {
    rows: &'a RowCodes,
    kernels: &'static Kernels,
    codes: Vec<i8>,
    steps: Steps,
    /// The smallest cosine that is within.
    least: f32,
}

impl RowCodes {
    const fn bytes_for(vectors: &VectorBlock) -> usize {
        vectors.len() * (vectors.dimension() + size_of::<Steps>())
    }

    fn of(vectors: &VectorBlock) -> Self {
        let (rows, dimension) = (vectors.rows(), vectors.dimension());
        let mut codes = vec![0_i8; vectors.len() * dimension];
        let encode = |unit: &mut Vec<f32>, (place, codes): (usize, &mut [i8])| {
            rows.unit_row_into(place, unit);
            Steps::of(unit, codes)
        };
        let each = codes.par_chunks_exact_mut(dimension.max(1)).enumerate();
        let steps = each.map_init(|| vec![0.0; dimension], encode).collect();
        Self {
            dimension,
            codes,
            steps,
        }
    }

    /// `query` is a unit vector.
    fn question(&self, query: &[f32], within: f32) -> Question<'_> {
        let mut codes = vec![0; self.dimension];
        let steps = Steps::of(query, &mut codes);
        Question {
            rows: self,
            kernels: kernels(),
            codes,
            steps,
            least: 1.0 - within - ROUNDING,
        }
    }
}

impl Question<'_> {
    fn row(&self, place: usize) -> &[i8] {
        let start = place * self.rows.dimension;
        &self.rows.codes[start..start + self.rows.dimension]
    }

    /// Asks for a row to be brought from memory.
    #[inline]
    fn fetch(&self, place: usize) {
        prefetch(self.row(place), usize::MAX);
        prefetch(&self.rows.steps[place..=place], usize::MAX);
    }

    /// Whether the row at a place can be within the distance. What the row's codes leave out changes its cosine by its length at most, and
    /// what the query's leave out by that of theirs times the length of the row's.
    #[inline]
    fn can_be_within(&self, place: usize) -> bool {
        let Steps { step, rest } = self.rows.steps[place];
        let product = self.kernels.bytes(&self.codes, self.row(place));
        let cosine = product as f32 * step * self.steps.step;
        cosine + rest + self.steps.rest * (1.0 + rest) >= self.least
    }
}

impl std::fmt::Debug for RowCodes {
    /// Sizes only: millions of numbers in a log line help nobody.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowCodes")
            .field("rows", &self.steps.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use lamina_types::Embedding;

    use super::*;
    use crate::test_numbers::normals;

    const DIMENSION: usize = 100;
    const ROWS: usize = 12_000;

    /// Groups around a common mean, and rows that eight bits describe badly: one large value beside many small ones.
    fn block() -> Arc<VectorBlock> {
        let mut normal = normals(0x2545_F491_4F6C_DD1D);
        let mean: Vec<f32> = (0..DIMENSION).map(|_| normal()).collect();
        let rows: Vec<Embedding> = (0..ROWS)
            .map(|row| {
                let mut values: Vec<f32> = mean.iter().map(|mean| mean + 0.7 * normal()).collect();
                if row % 3 == 0 {
                    values[row % DIMENSION] += 60.0;
                }
                Embedding::new(values).unwrap()
            })
            .collect();
        Arc::new(VectorBlock::from_embeddings(&rows).unwrap())
    }

    #[test]
    fn every_row_within_a_distance_is_found_and_no_other() {
        let vectors = block();
        let (exact, index) = (
            ExactIndex::new(Arc::clone(&vectors)),
            Int8Index::new(vectors),
        );
        let (vectors, stop) = (index.exact.vectors(), StopFlag::new());
        let most: RoaringBitmap = (0..ROWS as u32).filter(|row| row % 11 > 0).collect();
        let few: RoaringBitmap = (0..500).collect();
        let mut twice = 0;
        for row in (0..ROWS).step_by(1_009) {
            let query = vectors.unit_row(row);
            let ranked = exact.search(&query, ROWS, None, &stop).unwrap();
            // To the last bit where a row is, and just before it.
            for place in [0, 1, 7, 300, 2_000, ROWS - 1] {
                let border = ranked[place].distance;
                for within in [border, border.next_down().max(0.0)] {
                    for allowed in [None, Some(&most), Some(&few)] {
                        let wanted = exact.range_search(&query, within, allowed, &stop);
                        let found = index.range_search(&query, within, allowed, &stop);
                        assert_eq!(found.unwrap(), wanted.unwrap(), "{row} {place}");
                    }
                    let all: Vec<u32> = (0..ROWS as u32).collect();
                    let near = index.near(&query, within, &all, &stop).unwrap();
                    twice += usize::from(near.is_some_and(|near| near.len() < ROWS / 2));
                }
            }
        }
        assert!(twice > 50, "{twice}");
        let nearest = index.search(&vectors.unit_row(5), 3, None, &stop).unwrap();
        assert_eq!(nearest[0].ordinal, 5);
        stop.stop();
        assert!(
            index
                .range_search(&vectors.unit_row(5), 0.1, None, &stop)
                .is_err()
        );
    }

    #[test]
    fn small_and_large_blocks_have_no_codes_and_bad_queries_are_refused() {
        let block = |rows: usize| {
            let one = Embedding::new(vec![1.0; 64]).unwrap();
            Arc::new(VectorBlock::from_embeddings(&vec![one; rows]).unwrap())
        };
        let has_codes = |rows| Int8Index::new(block(rows)).has_codes();
        let most = DEFAULT_EXACT_LIMIT;
        assert!(!has_codes(50) && has_codes(most) && !has_codes(most + 1));
        let vectors = block(50);
        let index = Int8Index::new(Arc::clone(&vectors));
        let stop = StopFlag::new();
        let query = vectors.unit_row(0);
        assert_eq!(
            index.range_search(&query, 0.0, None, &stop).unwrap().len(),
            50
        );
        assert!(index.codes.get().is_none());
        assert_eq!(
            index.bytes_in_memory(),
            ExactIndex::new(vectors).bytes_in_memory()
        );
        assert!(index.range_search(&[1.0; 3], 0.5, None, &stop).is_err());
        assert!(index.range_search(&query, f32::NAN, None, &stop).is_err());
    }
}
