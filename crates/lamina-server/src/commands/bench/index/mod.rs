//! What searching costs: the frozen graph against the library that built it and against others, with and without filters.

mod curve;
mod filters;
mod loaded;
mod peers;
mod race;
pub(super) mod vectors;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lamina_index::{
    ExactIndex, Generation, Hit, HnswGraph, IndexSettings, StopFlag, VectorBlock, VectorIndex,
    build,
};
use lamina_types::SpaceKey;
use serde::Serialize;

use self::curve::Curve;
use self::filters::{Filtered, Filters};
use self::loaded::Loaded;
use self::race::{Asked, Contestant, contestants, race};
use self::vectors::{Sample, Shape};
use super::{header, process_cpu};
use crate::output;

const K: usize = 10;
/// Items whose neighbours are compared with those of a scan.
const NEIGHBOUR_SAMPLE: usize = 500;
/// Rounding of half precision may move a distance by so much; a hit at the bound counts for everybody.
const ROUNDING: f32 = 2e-5;
/// Recalls at which libraries are compared.
const RECALLS: [f64; 3] = [0.98, 0.99, 0.995];

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct IndexBench {
    /// Vectors to index
    #[arg(long, default_value_t = 100_000)]
    vectors: usize,
    /// Values of a vector
    #[arg(long, default_value_t = 512)]
    dimension: usize,
    /// Queries per measurement
    #[arg(long, default_value_t = 500)]
    queries: usize,
    /// Samples, each with indexes of its own
    #[arg(long, default_value_t = 3)]
    seeds: u64,
    /// Vectors in random directions instead of clusters: no graph leads through them
    #[arg(long, default_value_t = false, action = clap::ArgAction::SetTrue)]
    unclustered: bool,
    /// A Python interpreter with numpy, hnswlib and usearch, to compare with those libraries
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
    /// Print JSON
    #[arg(long, default_value_t = false, action = clap::ArgAction::SetTrue)]
    pub json: bool,
}

/// What one sample gave.
#[derive(Serialize)]
pub struct Sampled {
    seed: u64,
    /// Mean distance of the nearest and of the tenth nearest vector.
    nearest: (f64, f64),
    build_cpu_s: f64,
    /// Points that no walk finds; absent where no graph leads and searches scan.
    stragglers: Option<usize>,
    /// Vectors and graph, without what is derived from them.
    bytes_per_vector: f64,
    file_bytes_per_vector: f64,
    /// Opening, verifying and mapping the file.
    load_wall_s: f64,
    is_mapped: bool,
    /// Share of the ten nearest neighbours of items that the neighbour graph has.
    neighbour_recall: f64,
    curves: Vec<Curve>,
    filtered: Vec<Filtered>,
}

/// Measures and prints.
///
/// # Errors
/// A peer that cannot be started, or no room for the files.
pub async fn run(bench: IndexBench) -> anyhow::Result<()> {
    let json = bench.json;
    let instructions = lamina_index::instructions();
    if !json {
        output::line(format_args!("vector instructions: {instructions}"));
    }
    let samples = tokio::task::spawn_blocking(move || -> anyhow::Result<Vec<Sampled>> {
        let one = |seed| {
            let sampled = sample(&bench, seed)?;
            if !json {
                sampled.show();
            }
            Ok(sampled)
        };
        (1..=bench.seeds).map(one).collect()
    })
    .await??;
    if json {
        output::json(&serde_json::json!({ "instructions": instructions, "samples": samples }))?;
    }
    Ok(())
}

fn sample(bench: &IndexBench, seed: u64) -> anyhow::Result<Sampled> {
    let stop = StopFlag::new();
    let shape = if bench.unclustered {
        Shape::Unclustered
    } else {
        Shape::Clustered
    };
    let Sample {
        vectors,
        clusters,
        cluster_count,
        queries,
    } = Sample::draw(shape, seed, bench.vectors, bench.dimension, bench.queries)?;
    let vectors = Arc::new(vectors);
    let truth = nearest(&vectors, &queries, &stop)?;
    let bounds: Vec<f32> = truth
        .iter()
        .map(|hits| hits.last().map_or(0.0, |hit| hit.distance) + ROUNDING)
        .collect();
    let folder = tempfile::Builder::new().prefix("lamina-bench-").tempdir()?;
    let start = process_cpu();
    let built = generation(&vectors, bench.vectors, &stop)?;
    let build_cpu_s = seconds_since(start);
    let neighbour_recall = neighbour_recall(&built, &stop)?;
    let loaded = Loaded::through_file(&built, folder.path())?;
    drop(built);
    let frozen = loaded.frozen()?;
    let plain = plain_graph(&vectors, seed, &stop)?;

    let asked = Asked {
        queries: &queries,
        bounds: &bounds,
    };
    let mut all = Vec::new();
    all.extend(
        frozen
            .as_ref()
            .map(|index| Contestant::frozen(index, build_cpu_s)),
    );
    all.extend(
        plain
            .as_ref()
            .map(|(graph, cpu_s)| Contestant::plain(graph, *cpu_s)),
    );
    if let Some(python) = &bench.python {
        all.extend(contestants(python, &vectors, &asked, folder.path())?);
    }
    let curves = race(&mut all, &asked, &stop)?;
    drop(all);
    let index = loaded.generation.index();
    let filtered = Filters {
        index: &*index,
        frozen: frozen.as_ref(),
        plain: plain.as_ref().map(|(graph, _)| graph),
        vectors: &vectors,
        queries: &queries,
    }
    .measure((&clusters, cluster_count), seed)?;
    let mean = |place: usize| {
        let of = truth.iter().filter_map(|hits| hits.get(place));
        of.map(|hit| f64::from(hit.distance)).sum::<f64>() / truth.len().max(1) as f64
    };
    Ok(Sampled {
        seed,
        nearest: (mean(0), mean(K - 1)),
        build_cpu_s,
        stragglers: frozen.map(|index| index.graph().stragglers()),
        bytes_per_vector: loaded.bytes_per_vector,
        file_bytes_per_vector: loaded.file_bytes as f64 / bench.vectors as f64,
        load_wall_s: loaded.wall.as_secs_f64(),
        is_mapped: loaded.is_mapped,
        neighbour_recall,
        curves,
        filtered,
    })
}

/// The graph of the library alone, and CPU seconds of growing it: for the first sample only, because it takes longer than
/// everything else and is far behind.
fn plain_graph(
    vectors: &VectorBlock,
    seed: u64,
    stop: &StopFlag,
) -> anyhow::Result<Option<(HnswGraph, f64)>> {
    if seed != 1 {
        return Ok(None);
    }
    let start = process_cpu();
    let graph = HnswGraph::build(vectors, stop)?;
    Ok(Some((graph, seconds_since(start))))
}

/// CPU seconds of this process since then.
fn seconds_since(start: Duration) -> f64 {
    process_cpu().saturating_sub(start).as_secs_f64()
}

fn settings(exact_limit: usize) -> IndexSettings {
    IndexSettings {
        exact_limit,
        neighbours: K,
        ..IndexSettings::new([0.08, 0.17, 0.26, 0.35, 0.42], 0.92, 0.5)
    }
}

fn generation(
    vectors: &Arc<VectorBlock>,
    count: usize,
    stop: &StopFlag,
) -> anyhow::Result<Generation> {
    let header = header(SpaceKey {
        package: "bench@1".to_owned(),
        parameters: String::new(),
    });
    // Just too many for the exact form, however few they are.
    let settings = settings(count.saturating_sub(1).min(50_000));
    Ok(build(header, Arc::clone(vectors), &settings, stop)?)
}

/// The nearest vectors of each query.
fn nearest(
    vectors: &Arc<VectorBlock>,
    queries: &[Vec<f32>],
    stop: &StopFlag,
) -> anyhow::Result<Vec<Vec<Hit>>> {
    let exact = ExactIndex::new(Arc::clone(vectors));
    let search = |query: &Vec<f32>| Ok(exact.search(query, K, None, stop)?);
    queries.iter().map(search).collect()
}

/// Share of the wanted hits that were found; one as near as the last of them is as right.
pub(super) fn recall(found: &[Vec<Hit>], truth: &[Vec<Hit>]) -> f64 {
    let (mut right, mut of) = (0, 0);
    for (hits, wanted) in found.iter().zip(truth) {
        let bound = wanted.last().map_or(0.0, |hit| hit.distance) + ROUNDING;
        right += hits.iter().filter(|hit| hit.distance <= bound).count();
        of += wanted.len();
    }
    right as f64 / of.max(1) as f64
}

/// How many of the true neighbours of some items are in the neighbour graph.
fn neighbour_recall(generation: &Generation, stop: &StopFlag) -> anyhow::Result<f64> {
    let count = generation.vectors.len();
    let exact = ExactIndex::new(Arc::clone(&generation.vectors));
    let (mut found, mut of) = (0, 0);
    for item in (0..count).step_by((count / NEIGHBOUR_SAMPLE).max(1)) {
        let query = generation.vectors.unit_row(item);
        let mut wanted = exact.search(&query, K + 1, None, stop)?;
        wanted.retain(|hit| hit.ordinal as usize != item);
        wanted.truncate(K);
        let bound = wanted.last().map_or(0.0, |hit| hit.distance) + ROUNDING;
        let near = generation.neighbours.of(item as u32);
        found += near.filter(|hit| hit.distance <= bound).count();
        of += wanted.len();
    }
    Ok(found as f64 / of.max(1) as f64)
}

impl Sampled {
    /// Tables for people.
    fn show(&self) {
        output::line(format_args!(
            "\nsample {}: nearest at {:.3}, tenth at {:.3}; {:.0} bytes a vector ({:.0} in the file with everything derived), \
             {}\nbuilt in {:.1} CPU s; loaded in {:.2} s ({}); neighbour graph recall {:.4}",
            self.seed,
            self.nearest.0,
            self.nearest.1,
            self.bytes_per_vector,
            self.file_bytes_per_vector,
            self.stragglers.map_or_else(
                || "no graph leads".to_owned(),
                |stragglers| format!("{stragglers} stragglers")
            ),
            self.build_cpu_s,
            self.load_wall_s,
            if self.is_mapped { "mapped" } else { "read" },
            self.neighbour_recall
        ));
        for curve in &self.curves {
            output::line(format_args!(
                "{} (built in {:.1} CPU s)",
                curve.library, curve.build_cpu_s
            ));
            for (breadth, point) in &curve.points {
                output::line(format_args!(
                    "  breadth {breadth:>4}  recall {:.4}  {:.4} CPU ms",
                    point.recall, point.cpu_ms
                ));
            }
        }
        self.show_ratios();
        self.filtered.iter().for_each(Filtered::show);
    }

    /// Cost at equal recall, the others' over ours the other way round: below 1 is cheaper.
    fn show_ratios(&self) {
        let Some((ours, others)) = self.curves.split_first() else {
            return;
        };
        if self.stragglers.is_none() {
            return;
        }
        for other in others {
            for recall in RECALLS {
                if let (Some(own), Some(theirs)) = (ours.cpu_ms_at(recall), other.cpu_ms_at(recall))
                {
                    output::line(format_args!(
                        "at recall {recall}: {} {own:.4} ms, {} {theirs:.4} ms, ratio {:.2}",
                        ours.library,
                        other.library,
                        own / theirs
                    ));
                }
            }
        }
    }
}
