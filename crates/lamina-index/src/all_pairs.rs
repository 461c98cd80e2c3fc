//! All pairs of vectors at once, below the exact limit: nearest neighbours and near-copies from blocked matrix products.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, s};
use rayon::prelude::*;

use crate::distance::from_cosine;
use crate::duplicates::FLOOR_SIMILARITY;
use crate::graph::{Edge, Sets, reduce_to_forest};
use crate::hits::{Nearest, Wanted};
use crate::{Hit, IndexError, Neighbours, StopFlag, VectorBlock};

/// Rows of one task.
const BLOCK_ROWS: usize = 128;
/// Columns multiplied at once: 128 x 1,024 products are 512 KiB and stay in cache.
const BLOCK_COLUMNS: usize = 1_024;
/// Most tasks between two joinings of their edges. Early rounds are smaller, because edges that the first rows have made
/// superfluous need not be kept by the later ones.
const ROUND_TASKS: usize = 16;
/// Steps of similarity at which known connections are remembered.
const STEPS: usize = 64;

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
    let mut units = Array2::<f32>::zeros((count, vectors.dimension()));
    for (mut unit, row) in units.rows_mut().into_iter().zip(rows) {
        if let Some(unit) = unit.as_slice_mut() {
            vectors.unit_row_into(*row as usize, unit);
        }
    }
    let mut hits = Vec::with_capacity(per_row * count);
    let mut forest = Vec::new();
    let starts: Vec<usize> = (0..count).step_by(BLOCK_ROWS).collect();
    let (mut from, mut tasks) = (0, 1);
    while from < starts.len() {
        let round = &starts[from..starts.len().min(from + tasks)];
        let known = Known::of(&forest, count);
        let parts: Result<Vec<_>, IndexError> = round
            .par_iter()
            .map(|start| {
                stop.check()?;
                Ok(block(units.view(), *start, per_row, &known))
            })
            .collect();
        for (nearest, edges) in parts? {
            hits.extend(nearest);
            forest.extend(edges);
        }
        reduce_to_forest(&mut forest, count);
        from += round.len();
        tasks = (tasks * 2).min(ROUND_TASKS);
    }
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

/// One block of rows against all columns.
fn block(
    units: ArrayView2<'_, f32>,
    start: usize,
    per_row: usize,
    known: &Known,
) -> (Vec<Hit>, Vec<Edge>) {
    let count = units.nrows();
    let end = count.min(start + BLOCK_ROWS);
    let mut nearest: Vec<Nearest> = (start..end)
        .map(|_| {
            Nearest::new(Wanted {
                count: per_row,
                within: f32::INFINITY,
            })
        })
        .collect();
    let mut edges = Vec::new();
    let mut products = Array2::<f32>::zeros((end - start, BLOCK_COLUMNS.min(count)));
    for left in (0..count).step_by(BLOCK_COLUMNS) {
        let right = count.min(left + BLOCK_COLUMNS);
        let mut tile = products.slice_mut(s![.., ..right - left]);
        general_mat_mul(
            1.0,
            &units.slice(s![start..end, ..]),
            &units.slice(s![left..right, ..]).t(),
            0.0,
            &mut tile,
        );
        for (row, (cosines, nearest)) in tile.rows().into_iter().zip(&mut nearest).enumerate() {
            let Some(cosines) = cosines.to_slice() else {
                continue;
            };
            let row = start + row;
            keep_nearest(cosines, left, row, nearest);
            keep_near_copies(cosines, left, row, known, &mut edges);
        }
        // Memory stays linear however alike the vectors are.
        if edges.len() > 8 * count {
            reduce_to_forest(&mut edges, count);
        }
    }
    (
        nearest.into_iter().flat_map(Nearest::into_sorted).collect(),
        edges,
    )
}

fn keep_nearest(cosines: &[f32], left: usize, row: usize, nearest: &mut Nearest) {
    let mut least = 1.0 - nearest.bound();
    for (column, cosine) in cosines.iter().enumerate() {
        // Columns ascend, so an equal distance never replaces what is kept; near 1 the difference may be rounding.
        if *cosine >= least && left + column != row {
            nearest.offer(Hit {
                ordinal: (left + column) as u32,
                distance: from_cosine(*cosine),
            });
            least = 1.0 - nearest.bound();
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
    for (column, cosine) in cosines.iter().enumerate().skip(skip) {
        let (a, b) = (row as u32, (left + column) as u32);
        if *cosine >= FLOOR_SIMILARITY && !known.connects(a, b, *cosine) {
            edges.push(Edge {
                a,
                b,
                distance: from_cosine(*cosine),
            });
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
