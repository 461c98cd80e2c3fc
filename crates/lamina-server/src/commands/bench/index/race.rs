//! Libraries that search for the same, in turns.

use std::path::Path;

use lamina_index::{FrozenIndex, HnswGraph, StopFlag, VectorBlock};

use super::curve::{Curve, Point, median};
use super::peers::{Peer, Sizes};
use super::{K, seconds_since};
use crate::commands::bench::process_cpu;

/// Candidates kept by a walk.
const BREADTHS: [usize; 8] = [12, 16, 24, 32, 48, 64, 96, 128];
/// Measurements of a point, the libraries taking turns.
const ROUNDS: usize = 3;

/// What everybody is asked, and the distance up to which a hit is right.
pub struct Asked<'a> {
    pub queries: &'a [Vec<f32>],
    pub bounds: &'a [f32],
}

/// How a contestant searches all queries with one breadth.
enum Searcher<'a> {
    Frozen(&'a FrozenIndex),
    Plain(&'a HnswGraph),
    Peer(Peer),
}

/// One library.
pub struct Contestant<'a> {
    name: &'static str,
    build_cpu_s: f64,
    searcher: Searcher<'a>,
}

impl<'a> Contestant<'a> {
    /// Ours.
    pub const fn frozen(index: &'a FrozenIndex, build_cpu_s: f64) -> Self {
        Self {
            name: "frozen",
            build_cpu_s,
            searcher: Searcher::Frozen(index),
        }
    }

    /// The library that grows our graph, searching by itself.
    pub const fn plain(graph: &'a HnswGraph, build_cpu_s: f64) -> Self {
        Self {
            name: "hnsw_rs",
            build_cpu_s,
            searcher: Searcher::Plain(graph),
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
            Searcher::Plain(graph) => graph.search(query, K, breadth.max(K), None),
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

/// Libraries in processes of their own.
///
/// # Errors
/// One that cannot be started, or no room for the sample.
pub fn contestants(
    python: &Path,
    vectors: &VectorBlock,
    asked: &Asked<'_>,
    folder: &Path,
) -> anyhow::Result<Vec<Contestant<'static>>> {
    let mut all = Vec::new();
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
///
/// # Errors
/// One that ended.
pub fn race(
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
