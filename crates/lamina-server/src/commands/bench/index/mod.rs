//! What searching costs: the frozen graph against the library that built it and against others, with and without filters.

mod curve;
mod filters;
mod peers;
pub(super) mod vectors;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use lamina_index::{
    ExactIndex, ExpectedGeneration, FileBytes, FrozenIndex, Generation, Hit, HnswGraph,
    IndexSettings, StopFlag, VectorBlock, VectorIndex, build,
};
use lamina_types::SpaceKey;
use serde::Serialize;

use self::curve::{Curve, Point, median};
use self::filters::Filtered;
use self::peers::{Peer, Sizes};
use self::vectors::Sample;
use super::{header, process_cpu};
use crate::output;

const K: usize = 10;
/// Candidates kept by a walk.
const BREADTHS: [usize; 8] = [12, 16, 24, 32, 48, 64, 96, 128];
/// Measurements of a point, the libraries taking turns.
const ROUNDS: usize = 3;
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
    stragglers: usize,
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
    let Sample {
        vectors,
        clusters,
        cluster_count,
        queries,
    } = Sample::draw(seed, bench.vectors, bench.dimension, bench.queries)?;
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
    let index = loaded.index()?;

    let asked = Asked {
        queries: &queries,
        bounds: &bounds,
    };
    let mut contestants = contestants(bench, seed, &vectors, &asked, folder.path(), &stop)?;
    contestants.insert(0, Contestant::frozen(&index, build_cpu_s));
    let curves = race(&mut contestants, &asked, &stop)?;
    drop(contestants);
    let filtered = filters::measure(&index, &vectors, (&clusters, cluster_count), &queries, seed)?;
    let mean = |place: usize| {
        let of = truth.iter().filter_map(|hits| hits.get(place));
        of.map(|hit| f64::from(hit.distance)).sum::<f64>() / truth.len().max(1) as f64
    };
    Ok(Sampled {
        seed,
        nearest: (mean(0), mean(K - 1)),
        build_cpu_s,
        stragglers: index.graph().stragglers(),
        bytes_per_vector: loaded.bytes_per_vector,
        file_bytes_per_vector: loaded.file_bytes as f64 / bench.vectors as f64,
        load_wall_s: loaded.wall.as_secs_f64(),
        is_mapped: loaded.is_mapped,
        neighbour_recall,
        curves,
        filtered,
    })
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

/// A generation that went through its file.
struct Loaded {
    generation: Generation,
    file_bytes: usize,
    bytes_per_vector: f64,
    wall: Duration,
    is_mapped: bool,
}

impl Loaded {
    fn through_file(built: &Generation, folder: &Path) -> anyhow::Result<Self> {
        let count = built.vectors.len();
        let graph = built.graph.as_ref().context("no graph was built")?;
        let bytes = built.vectors.bytes_in_memory() + graph.bytes_in_memory();
        let path = folder.join("generation");
        let file = built.encode();
        let expected = ExpectedGeneration {
            header: built.header.clone(),
            count: u32::try_from(count)?,
            checksum: Generation::checksum_of(&file),
        };
        fs_err::write(&path, &file)?;
        let begun = Instant::now();
        let opened = Arc::new(FileBytes::open(&path)?);
        let generation = Generation::load(&opened, &expected)?;
        Ok(Self {
            generation,
            file_bytes: file.len(),
            bytes_per_vector: bytes as f64 / count as f64,
            wall: begun.elapsed(),
            is_mapped: opened.is_mapped(),
        })
    }

    fn index(&self) -> anyhow::Result<FrozenIndex> {
        let graph = self
            .generation
            .graph
            .as_ref()
            .context("no graph was read")?;
        let vectors = Arc::clone(&self.generation.vectors);
        Ok(FrozenIndex::new(
            vectors,
            Arc::clone(graph),
            &self.generation.settings,
        )?)
    }
}

/// What everybody is asked, and the distance up to which a hit is right.
struct Asked<'a> {
    queries: &'a [Vec<f32>],
    bounds: &'a [f32],
}

/// How a contestant searches all queries with one breadth.
enum Searcher<'a> {
    Frozen(&'a FrozenIndex),
    Plain(HnswGraph),
    Peer(Peer),
}

struct Contestant<'a> {
    name: &'static str,
    build_cpu_s: f64,
    searcher: Searcher<'a>,
}

impl<'a> Contestant<'a> {
    const fn frozen(index: &'a FrozenIndex, build_cpu_s: f64) -> Self {
        Self {
            name: "frozen",
            build_cpu_s,
            searcher: Searcher::Frozen(index),
        }
    }

    fn measure(
        &mut self,
        asked: &Asked<'_>,
        breadth: usize,
        stop: &StopFlag,
    ) -> anyhow::Result<Point> {
        if let Searcher::Peer(peer) = &mut self.searcher {
            return peer.search(breadth);
        }
        let search = |query: &[f32]| match &self.searcher {
            Searcher::Frozen(index) => index.walk(query, K, breadth, None, stop),
            Searcher::Plain(graph) => graph.search(query, K, breadth.max(K)),
            Searcher::Peer(_) => Ok(Vec::new()),
        };
        let start = process_cpu();
        let found = asked
            .queries
            .iter()
            .map(|query| search(query))
            .collect::<Result<Vec<_>, _>>()?;
        let seconds = seconds_since(start);
        let hits: usize = found
            .iter()
            .zip(asked.bounds)
            .map(|(hits, bound)| hits.iter().filter(|hit| hit.distance <= *bound).count())
            .sum();
        Ok(Point {
            recall: hits as f64 / (K * asked.queries.len()) as f64,
            cpu_ms: seconds * 1000.0 / asked.queries.len() as f64,
        })
    }
}

/// Everybody else.
fn contestants<'a>(
    bench: &IndexBench,
    seed: u64,
    vectors: &VectorBlock,
    asked: &Asked<'_>,
    folder: &Path,
    stop: &StopFlag,
) -> anyhow::Result<Vec<Contestant<'a>>> {
    let mut all = Vec::new();
    // Once is enough: it takes longer to build than everything else, and is far behind.
    if seed == 1 {
        let start = process_cpu();
        let plain = HnswGraph::build(vectors, stop)?;
        all.push(Contestant {
            name: "hnsw_rs",
            build_cpu_s: seconds_since(start),
            searcher: Searcher::Plain(plain),
        });
    }
    let Some(python) = &bench.python else {
        return Ok(all);
    };
    let rows = (0..vectors.len()).flat_map(|row| vectors.unit_row(row));
    write_values(&folder.join("vectors.f32"), rows)?;
    write_values(
        &folder.join("queries.f32"),
        asked.queries.iter().flatten().copied(),
    )?;
    write_values(&folder.join("bounds.f32"), asked.bounds.iter().copied())?;
    let sizes = Sizes {
        rows: vectors.len(),
        dimension: vectors.dimension(),
        queries: asked.queries.len(),
    };
    for library in ["hnswlib", "usearch"] {
        let peer = Peer::start(python, library, folder, sizes)?;
        all.push(Contestant {
            name: library,
            build_cpu_s: peer.build_cpu_s,
            searcher: Searcher::Peer(peer),
        });
    }
    Ok(all)
}

fn write_values(path: &Path, values: impl Iterator<Item = f32>) -> anyhow::Result<()> {
    let bytes: Vec<u8> = values.flat_map(f32::to_le_bytes).collect();
    Ok(fs_err::write(path, bytes)?)
}

/// Every contestant at every breadth, in turns, so that what else the machine does hits all alike.
fn race(
    contestants: &mut [Contestant<'_>],
    asked: &Asked<'_>,
    stop: &StopFlag,
) -> anyhow::Result<Vec<Curve>> {
    let mut curves: Vec<Curve> = contestants
        .iter()
        .map(|contestant| Curve {
            library: contestant.name,
            build_cpu_s: contestant.build_cpu_s,
            points: Vec::new(),
        })
        .collect();
    for breadth in BREADTHS {
        let mut rounds = vec![Vec::with_capacity(ROUNDS); contestants.len()];
        for _ in 0..ROUNDS {
            for (contestant, points) in contestants.iter_mut().zip(&mut rounds) {
                points.push(contestant.measure(asked, breadth, stop)?);
            }
        }
        for (curve, points) in curves.iter_mut().zip(rounds) {
            curve
                .points
                .extend(median(points).map(|point| (breadth, point)));
        }
    }
    Ok(curves)
}

impl Sampled {
    /// Tables for people.
    fn show(&self) {
        output::line(format_args!(
            "\nsample {}: nearest at {:.3}, tenth at {:.3}; {:.0} bytes a vector ({:.0} in the file with everything derived), \
             {} stragglers\nbuilt in {:.1} CPU s; loaded in {:.2} s ({}); neighbour graph recall {:.4}",
            self.seed,
            self.nearest.0,
            self.nearest.1,
            self.bytes_per_vector,
            self.file_bytes_per_vector,
            self.stragglers,
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
