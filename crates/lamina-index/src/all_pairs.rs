//! All pairs of vectors at once, below the exact limit: nearest neighbours and near-copies from blocked matrix products.
//!
//! Each pair is multiplied once and looked at from both ends: a block of rows meets the columns from its own first row on.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use crate::distance::from_cosine;
use crate::duplicates::FLOOR_SIMILARITY;
use crate::graph::{Edge, Sets, reduce_to_forest};
use crate::hits::{Nearest, Wanted};
use crate::products::{Products, Units};
use crate::{Hit, IndexError, Neighbours, StopFlag, VectorBlock};

/// Rows of one task, and columns that are locked together.
const BLOCK: usize = 128;
/// Most tasks between two joinings of their edges. Early rounds are smaller, because edges that the first rows have made
/// superfluous need not be kept by the later ones.
const ROUND_TASKS: usize = 16;
/// Steps of similarity at which known connections are remembered.
const STEPS: usize = 64;
/// Products compared with a bound at once; most of them are below it.
const GLANCE: usize = 16;
/// What rounding may take from a cosine while its distance stays within a bound.
const ROUNDING: f32 = 2e-6;

/// The `k` nearest of every given row among the given rows (`ordinal` of a hit is a place in `rows`), and a minimum spanning
/// forest of all pairs whose similarity is at least [`FLOOR_SIMILARITY`], also between places.
///
/// Quadratic in time, linear in memory. The result does not depend on the number of threads.
pub(crate) fn all_pairs(
    vectors: &VectorBlock,
    rows: &[u32],
    k: usize,
    stop: &StopFlag,
) -> Result<(Neighbours, Vec<Edge>), IndexError> {
    let count = rows.len();
    let per_row = k.min(count.saturating_sub(1));
    let units = Units::of(vectors, rows);
    let starts: Vec<usize> = (0..count).step_by(BLOCK).collect();
    let nearest: Vec<Mutex<Vec<Nearest>>> = starts
        .iter()
        .map(|start| {
            let wanted = Wanted::nearest(per_row);
            let lists = (*start..count.min(start + BLOCK)).map(|_| Nearest::new(wanted));
            Mutex::new(lists.collect())
        })
        .collect();
    let mut forest = Vec::new();
    let (mut from, mut tasks) = (0, 1);
    while from < starts.len() {
        let round = &starts[from..starts.len().min(from + tasks)];
        let known = Known::of(&forest, count);
        let parts: Result<Vec<_>, IndexError> = round
            .par_iter()
            .map(|start| row_block(&units, *start, &nearest, &known, stop))
            .collect();
        forest.extend(parts?.into_iter().flatten());
        reduce_to_forest(&mut forest, count);
        from += round.len();
        tasks = (tasks * 2).min(ROUND_TASKS);
    }
    let mut hits: Vec<Hit> = nearest
        .into_iter()
        .flat_map(|block| block.into_inner().unwrap_or_else(PoisonError::into_inner))
        .flat_map(Nearest::into_sorted)
        .collect();
    // The products chose; the distances that are kept come from one function, the same from both sides.
    let distance = |a: usize, b: u32| vectors.distance(rows[a] as usize, rows[b as usize] as usize);
    hits.par_chunks_mut(per_row.max(1))
        .enumerate()
        .for_each(|(row, list)| {
            for hit in list.iter_mut() {
                hit.distance = distance(row, hit.ordinal);
            }
            list.sort_unstable();
        });
    forest
        .par_iter_mut()
        .for_each(|edge| edge.distance = distance(edge.a as usize, edge.b));
    forest.sort_unstable_by(Edge::order);
    Ok((Neighbours::new(per_row, hits), forest))
}

/// One block of rows against all columns from its own first on; the near-copies among them.
fn row_block(
    units: &Units,
    start: usize,
    nearest: &[Mutex<Vec<Nearest>>],
    known: &Known,
    stop: &StopFlag,
) -> Result<Vec<Edge>, IndexError> {
    let count = units.len();
    let rows = start..count.min(start + BLOCK);
    let mut edges = Vec::new();
    let mut products = Products::default();
    for left in (start..count).step_by(BLOCK) {
        stop.check()?;
        let columns = left..count.min(left + BLOCK);
        products.multiply(units, rows.clone(), columns.clone());
        {
            let mut lists = lock(&nearest[start / BLOCK]);
            for (row, list) in rows.clone().zip(lists.iter_mut()) {
                keep_nearest(products.row(row - start), left, row, list);
            }
        }
        // On the diagonal the rows have seen their columns from both ends already.
        if left != start {
            keep_transposed(&products, start, &mut lock(&nearest[left / BLOCK]));
        }
        for row in rows.clone() {
            keep_near_copies(products.row(row - start), left, row, known, &mut edges);
        }
        // Memory stays linear however alike the vectors are.
        if edges.len() > 8 * count {
            reduce_to_forest(&mut edges, count);
        }
    }
    Ok(edges)
}

/// A list that a panicking thread left behind is as good as before: hits are put in one at a time.
fn lock(block: &Mutex<Vec<Nearest>>) -> MutexGuard<'_, Vec<Nearest>> {
    block.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Least cosine that may still enter a list.
fn least(nearest: &Nearest) -> f32 {
    1.0 - nearest.bound() - ROUNDING
}

fn keep_nearest(cosines: &[f32], left: usize, row: usize, nearest: &mut Nearest) {
    let mut bound = least(nearest);
    for (part, cosines) in cosines.chunks(GLANCE).enumerate() {
        if cosines.iter().all(|cosine| *cosine < bound) {
            continue;
        }
        for (column, cosine) in (left + part * GLANCE..).zip(cosines) {
            if *cosine >= bound && column != row {
                nearest.offer(Hit {
                    ordinal: column as u32,
                    distance: from_cosine(*cosine),
                });
                bound = least(nearest);
            }
        }
    }
}

/// The same products seen from their columns.
fn keep_transposed(products: &Products, start: usize, lists: &mut [Nearest]) {
    let mut bounds: Vec<f32> = lists.iter().map(least).collect();
    for (row, cosines) in (start..).zip(products.rows()) {
        let parts = cosines.chunks(GLANCE).zip(bounds.chunks_mut(GLANCE));
        for ((cosines, bounds), lists) in parts.zip(lists.chunks_mut(GLANCE)) {
            let is_below = |(cosine, bound): (&f32, &f32)| cosine < bound;
            if cosines.iter().zip(bounds.iter()).all(is_below) {
                continue;
            }
            for ((cosine, bound), nearest) in cosines.iter().zip(bounds).zip(lists) {
                if *cosine >= *bound {
                    nearest.offer(Hit {
                        ordinal: row as u32,
                        distance: from_cosine(*cosine),
                    });
                    *bound = least(nearest);
                }
            }
        }
    }
}

fn keep_near_copies(
    cosines: &[f32],
    left: usize,
    row: usize,
    known: &Known,
    edges: &mut Vec<Edge>,
) {
    // Each pair once.
    let skip = (row + 1).saturating_sub(left).min(cosines.len());
    for (part, cosines) in cosines[skip..].chunks(GLANCE).enumerate() {
        if cosines.iter().all(|cosine| *cosine < FLOOR_SIMILARITY) {
            continue;
        }
        for (column, cosine) in (left + skip + part * GLANCE..).zip(cosines) {
            let (a, b) = (row as u32, column as u32);
            if *cosine >= FLOOR_SIMILARITY && !known.connects(a, b, *cosine) {
                edges.push(Edge {
                    a,
                    b,
                    distance: from_cosine(*cosine),
                });
            }
        }
    }
}

/// Which pairs are connected already, at steps of similarity. An edge between connected ends adds nothing to the forest.
struct Known {
    /// Sets at each step, from the floor up.
    labels: Vec<Vec<u32>>,
}

impl Known {
    fn of(forest: &[Edge], count: usize) -> Self {
        if forest.is_empty() {
            return Self { labels: Vec::new() };
        }
        let mut labels = vec![Vec::new(); STEPS];
        let mut sets = Sets::new(count);
        let mut edges = forest.iter().peekable();
        for (step, labels) in labels.iter_mut().enumerate().rev() {
            let farthest = 1.0 - similarity_of(step);
            while let Some(edge) = edges.next_if(|edge| edge.distance <= farthest) {
                sets.join(edge.a, edge.b);
            }
            *labels = sets.labels();
        }
        Self { labels }
    }

    /// Whether both ends are connected by edges that are all at least as similar.
    fn connects(&self, a: u32, b: u32, similarity: f32) -> bool {
        let step =
            ((similarity - FLOOR_SIMILARITY) / (1.0 - FLOOR_SIMILARITY) * STEPS as f32).ceil();
        // Above the last step nothing is known.
        let labels = self.labels.get(step as usize);
        labels.is_some_and(|labels| labels[a as usize] == labels[b as usize])
    }
}

fn similarity_of(step: usize) -> f32 {
    FLOOR_SIMILARITY + (1.0 - FLOOR_SIMILARITY) * step as f32 / STEPS as f32
}
