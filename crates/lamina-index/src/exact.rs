//! Exact search: every allowed row is looked at.

use std::sync::Arc;

use rayon::prelude::*;
use roaring::RoaringBitmap;

use crate::hits::{Nearest, Wanted, key};
use crate::vectors::{range_query, unit_query};
use crate::{Hit, IndexError, StopFlag, VectorBlock, VectorIndex};

/// Rows between two looks at the stop flag; also the unit of parallel work.
pub(crate) const ROWS_AT_ONCE: usize = 4_096;

/// How long before its turn a row is asked for from memory: a fifth less time for rows that are scattered.
const ROWS_AHEAD: usize = 3;

/// Values to look at from which a scan is worth spreading over the pool: about a millisecond on one core. Waking the other
/// cores costs more CPU time than shorter scans take.
pub(crate) const PARALLEL_VALUES: usize = 16 << 20;

/// Searches by scanning. Recall 1 by construction.
#[derive(Debug, Clone)]
pub struct ExactIndex {
    vectors: Arc<VectorBlock>,
}

impl ExactIndex {
    /// Searches these vectors; takes no time.
    pub const fn new(vectors: Arc<VectorBlock>) -> Self {
        Self { vectors }
    }

    /// The vectors.
    pub(crate) const fn vectors(&self) -> &Arc<VectorBlock> {
        &self.vectors
    }
}

impl VectorIndex for ExactIndex {
    fn len(&self) -> usize {
        self.vectors.len()
    }

    fn search(
        &self,
        query: &[f32],
        k: usize,
        allowed: Option<&RoaringBitmap>,
        stop: &StopFlag,
    ) -> Result<Vec<Hit>, IndexError> {
        let query = unit_query(query, self.vectors.dimension())?;
        scan(&self.vectors, &query, allowed, Wanted::nearest(k), stop)
    }

    fn range_search(
        &self,
        query: &[f32],
        max_distance: f32,
        allowed: Option<&RoaringBitmap>,
        stop: &StopFlag,
    ) -> Result<Vec<Hit>, IndexError> {
        let query = range_query(query, max_distance, self.vectors.dimension())?;
        scan(
            &self.vectors,
            &query,
            allowed,
            Wanted::within(max_distance),
            stop,
        )
    }

    fn bytes_in_memory(&self) -> usize {
        self.vectors.bytes_in_memory()
    }
}

/// Looks at every allowed row. `query` is a unit vector of the block's dimension.
pub(crate) fn scan(
    vectors: &VectorBlock,
    query: &[f32],
    allowed: Option<&RoaringBitmap>,
    wanted: Wanted,
    stop: &StopFlag,
) -> Result<Vec<Hit>, IndexError> {
    let count = vectors.len() as u32;
    let mut hits = match allowed {
        None => {
            let starts: Vec<u32> = (0..count).step_by(ROWS_AT_ONCE).collect();
            scan_parts(
                vectors,
                query,
                &starts,
                count as usize,
                wanted,
                stop,
                |start| *start..count.min(start + ROWS_AT_ONCE as u32),
            )
        }
        Some(allowed) => scan_places(vectors, query, &vectors.places_of(allowed), wanted, stop),
    }?;
    hits.sort_unstable_by_key(|hit| key(*hit));
    hits.truncate(wanted.count);
    Ok(hits)
}

/// Looks at the rows that lie at these places, which ascend; they are told by their ordinals, in no order. Where few are wanted, these and
/// more are answered.
pub(crate) fn scan_places(
    vectors: &VectorBlock,
    query: &[f32],
    places: &[u32],
    wanted: Wanted,
    stop: &StopFlag,
) -> Result<Vec<Hit>, IndexError> {
    let parts: Vec<&[u32]> = places.chunks(ROWS_AT_ONCE).collect();
    scan_parts(vectors, query, &parts, places.len(), wanted, stop, |part| {
        part.iter().copied()
    })
}

fn scan_parts<P: Sync, I: Iterator<Item = u32>>(
    vectors: &VectorBlock,
    query: &[f32],
    parts: &[P],
    count: usize,
    wanted: Wanted,
    stop: &StopFlag,
    places: impl Fn(&P) -> I + Sync,
) -> Result<Vec<Hit>, IndexError> {
    let rows = vectors.rows();
    let scan_part = |part: &P| {
        stop.check()?;
        let mut nearest = Nearest::new(wanted);
        let mut soon = places(part).skip(ROWS_AHEAD);
        for place in places(part) {
            if let Some(next) = soon.next() {
                rows.fetch(next as usize);
            }
            let distance = rows.distance_to(place as usize, query);
            if distance <= nearest.bound() {
                let ordinal = vectors.ordinal_at(place);
                nearest.offer(Hit { ordinal, distance });
            }
        }
        Ok(nearest.into_hits())
    };
    let found: Result<Vec<Vec<Hit>>, IndexError> =
        if count.saturating_mul(vectors.dimension()) >= PARALLEL_VALUES {
            parts.par_iter().map(scan_part).collect()
        } else {
            parts.iter().map(scan_part).collect()
        };
    Ok(found?.concat())
}
