//! Whether searches by a graph find what is there.
//!
//! Walks follow contrast: each step leads to a point that is nearer. Where nearly all vectors are about as far from each other,
//! as random ones of many values are, there is nothing to follow and most of the nearest are missed. No count of hits tells
//! that afterwards, so a graph is tried before it is used.

use rayon::prelude::*;

use super::FrozenIndex;
use crate::exact::scan;
use crate::hits::Wanted;
use crate::vectors::unit_query;
use crate::{IndexError, StopFlag};

/// Searches that a graph is tried with, and hits of each.
const SEARCHES: usize = 128;
const HITS: usize = 10;
/// Hundredths of the true hits that must be found.
const LEAST: usize = 97;
/// Of what is asked for, how much is another row: what is asked for should not be in the graph itself.
const OTHERNESS: f32 = 0.5;

impl FrozenIndex {
    /// Whether unfiltered searches that are planned as walks find what scans find; true for an index that never walks.
    ///
    /// # Errors
    /// The stop flag.
    pub(crate) fn leads(&self, stop: &StopFlag) -> Result<bool, IndexError> {
        let vectors = self.vectors();
        let rows = vectors.len();
        let tried = |number: usize| -> Result<(usize, usize), IndexError> {
            let row = number * rows / SEARCHES;
            // Far from the row itself in the order of rows, which is often that of folders.
            let other = (row + rows / 2 + number) % rows;
            let mut query = vectors.unit_row(row);
            let beside = vectors.unit_row(other);
            query
                .iter_mut()
                .zip(&beside)
                .for_each(|(value, other)| *value += OTHERNESS * other);
            let Ok(query) = unit_query(&query, vectors.dimension()) else {
                // The other is the opposite: nothing is left to ask for.
                return Ok((0, 0));
            };
            let Some(found) = self.search_by_walk(&query, HITS.min(rows), rows, None, stop)? else {
                return Ok((0, 0));
            };
            let wanted = scan(vectors, &query, None, Wanted::nearest(found.len()), stop)?;
            let bound = wanted.last().map_or(0.0, |hit| hit.distance);
            let right = found.iter().filter(|hit| hit.distance <= bound).count();
            Ok((right, wanted.len()))
        };
        if rows == 0 {
            return Ok(true);
        }
        let tries: Vec<(usize, usize)> = (0..SEARCHES)
            .into_par_iter()
            .map(tried)
            .collect::<Result<_, IndexError>>()?;
        let (right, of) = tries
            .iter()
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        tracing::debug!(
            index.vectors = rows,
            index.found = right,
            index.wanted = of,
            "graph tried"
        );
        Ok(right * 100 >= of * LEAST)
    }
}
