//! Searches of which only a part of the vectors is allowed: what the plan costs and finds, and what each way would cost.

use std::sync::Arc;

use lamina_index::{ExactIndex, FrozenIndex, Hit, StopFlag, VectorBlock, VectorIndex};
use roaring::RoaringBitmap;
use serde::Serialize;

use super::vectors::Random;
use super::{K, recall, seconds_since};
use crate::commands::bench::process_cpu;
use crate::output;

/// Allowed vectors per thousand.
const PER_MILLE: [usize; 7] = [1_000, 300, 100, 50, 30, 10, 1];
/// Queries are a part of those of the unfiltered search: a wide scan takes long.
const QUERIES: usize = 200;
/// Candidates kept by the walk that is compared with the scan: those of a search for ten.
const BREADTH: usize = 64;

/// One filter.
#[derive(Serialize)]
pub struct Filtered {
    /// Each vector by chance, or whole clusters.
    kind: &'static str,
    allowed: u64,
    /// Of the search as it is planned.
    recall: f64,
    cpu_ms: f64,
    /// Of a walk and of a scan, whatever the plan.
    walk_cpu_ms: f64,
    walk_recall: f64,
    scan_cpu_ms: f64,
}

/// Measures filters of falling width.
///
/// # Errors
/// None that a sound index gives.
pub fn measure(
    index: &FrozenIndex,
    vectors: &Arc<VectorBlock>,
    (clusters, cluster_count): (&[usize], usize),
    queries: &[Vec<f32>],
    seed: u64,
) -> anyhow::Result<Vec<Filtered>> {
    let mut random = Random::new(seed ^ 0xF117);
    let queries = &queries[..queries.len().min(QUERIES)];
    let rows = 0..clusters.len() as u32;
    // What only the first searches pay for: pages of the file, coarse rows.
    for allowed in [0..clusters.len() as u32, 0..(clusters.len() / 10) as u32] {
        let allowed: RoaringBitmap = allowed.collect();
        for query in queries {
            index.search(query, K, Some(&allowed), &StopFlag::new())?;
        }
    }
    let mut all = Vec::new();
    for per_mille in PER_MILLE {
        let by_chance = rows.clone().filter(|_| random.below(1_000) < per_mille);
        let by_chance: RoaringBitmap = by_chance.collect();
        all.push(one("random", index, vectors, &by_chance, queries)?);
        if per_mille == 1_000 {
            continue;
        }
        let are_in: Vec<bool> = (0..cluster_count)
            .map(|_| random.below(1_000) < per_mille)
            .collect();
        let whole: RoaringBitmap = rows
            .clone()
            .filter(|row| are_in[clusters[*row as usize]])
            .collect();
        if whole.len() >= K as u64 {
            all.push(one("clusters", index, vectors, &whole, queries)?);
        }
    }
    Ok(all)
}

fn one(
    kind: &'static str,
    index: &FrozenIndex,
    vectors: &Arc<VectorBlock>,
    allowed: &RoaringBitmap,
    queries: &[Vec<f32>],
) -> anyhow::Result<Filtered> {
    let stop = StopFlag::new();
    let exact = ExactIndex::new(Arc::clone(vectors));
    let each = |seconds: f64| seconds * 1000.0 / queries.len() as f64;
    let timed = |search: &dyn Fn(&[f32]) -> anyhow::Result<Vec<Hit>>| {
        let start = process_cpu();
        let found = queries
            .iter()
            .map(|query| search(query))
            .collect::<anyhow::Result<Vec<_>>>()?;
        anyhow::Ok((found, each(seconds_since(start))))
    };
    let (truth, scan_cpu_ms) = timed(&|query| Ok(exact.search(query, K, Some(allowed), &stop)?))?;
    let (planned, cpu_ms) = timed(&|query| Ok(index.search(query, K, Some(allowed), &stop)?))?;
    let (walked, walk_cpu_ms) =
        timed(&|query| Ok(index.walk(query, K, BREADTH, Some(allowed), &stop)?))?;
    Ok(Filtered {
        kind,
        allowed: allowed.len(),
        recall: recall(&planned, &truth),
        cpu_ms,
        walk_cpu_ms,
        walk_recall: recall(&walked, &truth),
        scan_cpu_ms,
    })
}

impl Filtered {
    /// A line for people.
    pub fn show(&self) {
        output::line(format_args!(
            "{:<8} {:>7} allowed: recall {:.4} in {:.3} CPU ms; a walk {:.3} ms ({:.4}), a scan {:.3} ms",
            self.kind,
            self.allowed,
            self.recall,
            self.cpu_ms,
            self.walk_cpu_ms,
            self.walk_recall,
            self.scan_cpu_ms
        ));
    }
}
