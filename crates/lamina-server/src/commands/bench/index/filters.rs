//! Searches of which only a part of the vectors is allowed: what the plan costs and finds, and what each way would cost.

use std::sync::Arc;

use lamina_index::{ExactIndex, FrozenIndex, Hit, HnswGraph, StopFlag, VectorBlock, VectorIndex};
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
/// Candidates kept by the walks that are compared with the scan: those of a search for ten.
const BREADTH: usize = 64;
/// Queries of the library that looks at a large part of its graph for each.
const PLAIN_QUERIES: usize = 40;

/// What is asked, and who answers.
pub struct Filters<'a> {
    /// As the server searches.
    pub index: &'a dyn VectorIndex,
    /// Its graph, if it has one.
    pub frozen: Option<&'a FrozenIndex>,
    /// The library that grows graphs, with a filter closure of its own.
    pub plain: Option<&'a HnswGraph>,
    pub vectors: &'a Arc<VectorBlock>,
    pub queries: &'a [Vec<f32>],
}

/// One filter.
#[derive(Serialize)]
pub struct Filtered {
    /// Each vector by chance, whole clusters, or those nearest to a random direction.
    kind: &'static str,
    allowed: u64,
    /// Of the search as it is planned.
    planned: Found,
    /// Of a walk, whatever the plan.
    walk: Option<Found>,
    /// Of `hnsw_rs` with a filter closure.
    plain: Option<Found>,
    scan_cpu_ms: f64,
}

/// What a way of searching found, on average of its queries.
#[derive(Serialize)]
struct Found {
    recall: f64,
    /// Fewest hits of a query; there are `min(10, allowed)`.
    fewest: usize,
    cpu_ms: f64,
}

impl Filters<'_> {
    /// Measures filters of falling width.
    ///
    /// # Errors
    /// None that a sound index gives.
    pub fn measure(
        &self,
        (clusters, cluster_count): (&[usize], usize),
        seed: u64,
    ) -> anyhow::Result<Vec<Filtered>> {
        let mut random = Random::new(seed ^ 0xF117);
        let rows = 0..self.vectors.len() as u32;
        self.warm_up()?;
        let by_direction = self.by_direction(&mut random)?;
        let mut all = Vec::new();
        for per_mille in PER_MILLE {
            let by_chance = rows.clone().filter(|_| random.below(1_000) < per_mille);
            all.push(self.one("random", &by_chance.collect())?);
            if per_mille == 1_000 {
                continue;
            }
            let are_in: Vec<bool> = (0..cluster_count)
                .map(|_| random.below(1_000) < per_mille)
                .collect();
            let whole: RoaringBitmap = rows
                .clone()
                .zip(clusters)
                .filter(|(_, cluster)| are_in[**cluster])
                .map(|(row, _)| row)
                .collect();
            if whole.len() >= K as u64 {
                all.push(self.one("clusters", &whole)?);
            }
            let nearest = &by_direction[..by_direction.len() * per_mille / 1_000];
            all.push(self.one("direction", &nearest.iter().copied().collect())?);
        }
        Ok(all)
    }

    /// What only the first searches pay for: pages of the file, coarse rows.
    fn warm_up(&self) -> anyhow::Result<()> {
        let rows = self.vectors.len() as u32;
        for allowed in [0..rows, 0..rows / 10] {
            let allowed: RoaringBitmap = allowed.collect();
            for query in self.queries.iter().take(QUERIES) {
                self.index
                    .search(query, K, Some(&allowed), &StopFlag::new())?;
            }
        }
        Ok(())
    }

    /// All rows, those nearest to a random direction first.
    fn by_direction(&self, random: &mut Random) -> anyhow::Result<Vec<u32>> {
        let nowhere = vec![0.0; self.vectors.dimension()];
        let direction = random.beside(&nowhere, 1.0)?.into_vec();
        let exact = ExactIndex::new(Arc::clone(self.vectors));
        let hits = exact.search(&direction, self.vectors.len(), None, &StopFlag::new())?;
        Ok(hits.iter().map(|hit| hit.ordinal).collect())
    }

    fn one(&self, kind: &'static str, allowed: &RoaringBitmap) -> anyhow::Result<Filtered> {
        let stop = StopFlag::new();
        let exact = ExactIndex::new(Arc::clone(self.vectors));
        let allowed_only = Some(allowed);
        let (truth, scan_cpu_ms) = self.timed(QUERIES, &|query| {
            Ok(exact.search(query, K, allowed_only, &stop)?)
        })?;
        let compared = |most: usize, search: Search<'_>| {
            let (found, cpu_ms) = self.timed(most, search)?;
            anyhow::Ok(Found {
                recall: recall(&found, &truth),
                fewest: found.iter().map(Vec::len).min().unwrap_or(0),
                cpu_ms,
            })
        };
        let planned = compared(QUERIES, &|query| {
            Ok(self.index.search(query, K, allowed_only, &stop)?)
        })?;
        let walk = self.frozen.map(|frozen| {
            compared(QUERIES, &|query| {
                Ok(frozen.walk(query, K, BREADTH, allowed_only, &stop)?)
            })
        });
        let plain = self.plain.map(|plain| {
            compared(PLAIN_QUERIES, &|query| {
                Ok(plain.search(query, K, BREADTH, allowed_only)?)
            })
        });
        Ok(Filtered {
            kind,
            allowed: allowed.len(),
            planned,
            walk: walk.transpose()?,
            plain: plain.transpose()?,
            scan_cpu_ms,
        })
    }

    /// What the first queries find, and CPU milliseconds of one.
    fn timed(&self, most: usize, search: Search<'_>) -> anyhow::Result<(Vec<Vec<Hit>>, f64)> {
        let start = process_cpu();
        let found = self
            .queries
            .iter()
            .take(most)
            .map(|query| search(query))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let each = seconds_since(start) * 1000.0 / found.len().max(1) as f64;
        Ok((found, each))
    }
}

type Search<'a> = &'a dyn Fn(&[f32]) -> anyhow::Result<Vec<Hit>>;

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "recall {:.4}, at least {:>2} hits, {:.3} CPU ms",
            self.recall, self.fewest, self.cpu_ms
        )
    }
}

impl Filtered {
    /// A line for people.
    pub fn show(&self) {
        let mut line = format!(
            "{:<9} {:>7} allowed: {}",
            self.kind, self.allowed, self.planned
        );
        for (name, found) in [("a walk", &self.walk), ("hnsw_rs", &self.plain)] {
            if let Some(found) = found {
                line.push_str(&format!("; {name}: {found}"));
            }
        }
        output::line(format_args!(
            "{line}; a scan: {:.3} CPU ms",
            self.scan_cpu_ms
        ));
    }
}
