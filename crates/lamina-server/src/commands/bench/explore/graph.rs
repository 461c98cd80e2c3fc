//! The index of the generated dataset by itself: opening its file, and searches beside those of a scan.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use lamina_index::{
    ExactIndex, ExpectedGeneration, FileBytes, FrozenIndex, Generation, Hit, StopFlag, VectorIndex,
};
use serde::Serialize;

use super::queries::{FAMILY_DISTANCE, GROUP_DISTANCE};
use super::vectors;
use crate::commands::bench::index::recall;
use crate::commands::bench::index::vectors::Random;
use crate::commands::bench::process_cpu;
use crate::output;

const K: usize = 10;
/// Candidates kept by a walk for ten hits, as the server has it, and twice as many.
const BREADTHS: [usize; 2] = [64, 128];
const QUERIES: usize = 200;
/// Of them, those that are asked for everything within a distance.
const RANGE_QUERIES: usize = 50;
const SEED: u64 = 0x9EA2_C4E5;

/// What the index does.
#[derive(Debug, Serialize)]
pub struct GraphCosts {
    /// Opening, verifying and mapping the file.
    load_wall_s: f64,
    is_mapped: bool,
    file_bytes_per_vector: f64,
    /// A search that reads every vector.
    scan_cpu_ms: f64,
    /// Candidates kept, share of the ten nearest that were found, CPU milliseconds of a search.
    walks: Vec<(usize, f64, f64)>,
    /// Searches for everything within a distance.
    ranges: Vec<Range>,
}

/// What searches for everything within a distance found.
#[derive(Debug, Serialize)]
struct Range {
    within: f32,
    /// Mean number of rows there are.
    rows: f64,
    recall: f64,
    cpu_ms: f64,
}

/// Opens the file and searches for the ten nearest of vectors that are not in it.
///
/// # Errors
/// A file that cannot be used.
pub fn measure(path: &Path, expected: &ExpectedGeneration) -> anyhow::Result<GraphCosts> {
    let begun = Instant::now();
    let file = Arc::new(FileBytes::open(path)?);
    let generation = Generation::load(&file, expected)?;
    let load_wall_s = begun.elapsed().as_secs_f64();
    let graph = generation.graph.as_ref().context("no graph was read")?;
    let rows = &generation.vectors;
    let index = FrozenIndex::new(Arc::clone(rows), Arc::clone(graph), &generation.settings)?;
    let mut random = Random::new(SEED);
    let queries = (0..QUERIES)
        .map(|_| {
            let near = rows.unit_row(random.below(rows.len()));
            Ok(random.beside(&near, vectors::SPREADS[2])?.into_vec())
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let (exact, stop) = (ExactIndex::new(Arc::clone(rows)), StopFlag::new());
    let each = |since: Duration, asked: usize| {
        process_cpu().saturating_sub(since).as_secs_f64() * 1000.0 / asked as f64
    };
    let start = process_cpu();
    let truth = queries
        .iter()
        .map(|query| exact.search(query, K, None, &stop))
        .collect::<Result<Vec<_>, _>>()?;
    let scan_cpu_ms = each(start, queries.len());
    let mut walks = Vec::new();
    for breadth in BREADTHS {
        let start = process_cpu();
        let found = queries
            .iter()
            .map(|query| index.walk(query, K, breadth, None, &stop))
            .collect::<Result<Vec<_>, _>>()?;
        let cpu_ms = each(start, queries.len());
        walks.push((breadth, recall(&found, &truth), cpu_ms));
    }
    let mut ranges = Vec::new();
    for within in [GROUP_DISTANCE, FAMILY_DISTANCE] {
        let asked = &queries[..RANGE_QUERIES];
        let search = |index: &dyn VectorIndex| {
            asked
                .iter()
                .map(|query| index.range_search(query, within, None, &stop))
                .collect::<Result<Vec<_>, _>>()
        };
        let truth = search(&exact)?;
        // What the first search needs stays.
        search(&index)?;
        let start = process_cpu();
        let found = search(&index)?;
        let cpu_ms = each(start, asked.len());
        let count = |all: &[Vec<Hit>]| all.iter().map(Vec::len).sum::<usize>() as f64;
        ranges.push(Range {
            within,
            rows: count(&truth) / asked.len() as f64,
            recall: count(&found) / count(&truth),
            cpu_ms,
        });
    }
    Ok(GraphCosts {
        ranges,
        load_wall_s,
        is_mapped: file.is_mapped(),
        file_bytes_per_vector: fs_err::metadata(path)?.len() as f64 / rows.len() as f64,
        scan_cpu_ms,
        walks,
    })
}

impl GraphCosts {
    /// Lines for people.
    pub fn show(&self) {
        output::line(format_args!(
            "index file {} in {:.2} s, {:.0} bytes a vector; a scan {:.2} CPU ms",
            if self.is_mapped { "mapped" } else { "read" },
            self.load_wall_s,
            self.file_bytes_per_vector,
            self.scan_cpu_ms
        ));
        for (breadth, recall, cpu_ms) in &self.walks {
            output::line(format_args!(
                "  breadth {breadth:>4}  recall {recall:.4}  {cpu_ms:.4} CPU ms"
            ));
        }
        for Range {
            within,
            rows,
            recall,
            cpu_ms,
        } in &self.ranges
        {
            output::line(format_args!(
                "  within {within}  {rows:.0} rows  recall {recall:.4}  {cpu_ms:.3} CPU ms"
            ));
        }
    }
}
