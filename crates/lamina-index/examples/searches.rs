//! What searching and building cost, and how often the graph finds what a scan finds.
//!
//!     cargo run --release -p lamina-index --example searches -- [VECTORS] [DIMENSION] [EXACT_LIMIT]
//!
//! Vectors are seeded: a mixture of blobs on the sphere around a common mean, with 3 % near-copies, so that their distances look
//! like those of embeddings. Defaults: 60,000 vectors of 256 values, exact limit 50,000.
#![expect(clippy::print_stdout, reason = "a report for people")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use lamina_index::{
    ExactIndex, GenerationHeader, Hit, IndexSettings, StopFlag, VectorBlock, VectorIndex,
    build_with_index,
};
use lamina_types::{DatasetId, Embedding, EntityType, Space, SpaceKey};
use roaring::RoaringBitmap;

const QUERIES: usize = 200;

fn main() -> Result<()> {
    let mut numbers = std::env::args().skip(1).map(|word| word.parse::<usize>());
    let mut next = |default| numbers.next().unwrap_or(Ok(default));
    let (count, dimension, exact_limit) = (next(60_000)?, next(256)?, next(50_000)?);
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let rows = mixture(&mut random, count + QUERIES, dimension)?;
    let (rows, queries) = rows.split_at(count);
    let vectors = Arc::new(VectorBlock::from_embeddings(rows)?);
    let settings = IndexSettings {
        exact_limit,
        ..IndexSettings::new([0.06, 0.16, 0.27, 0.37, 0.45], 0.94, 0.5)
    };
    let header = GenerationHeader {
        origin_dataset_id: DatasetId::new(),
        entity_type: EntityType::Images,
        space: Space::Index,
        key: SpaceKey {
            package: "measured@1".to_owned(),
            parameters: String::new(),
        },
        number: 1,
    };
    let stop = StopFlag::new();
    let started = Instant::now();
    let (generation, index) = build_with_index(header, Arc::clone(&vectors), &settings, &stop)?;
    println!(
        "{count} vectors of {dimension}: built in {:.1} s; {index:?}",
        started.elapsed().as_secs_f32()
    );
    println!(
        "generation {} bytes a vector in memory, index {}",
        generation.bytes_in_memory() / count,
        index.bytes_in_memory() / count
    );
    let started = Instant::now();
    let file = generation.encode();
    println!(
        "file: {} bytes a vector, written in {:.2} s",
        file.len() / count,
        started.elapsed().as_secs_f32()
    );
    drop((file, generation));

    let exact = ExactIndex::new(vectors);
    for per_mille in [1_000, 100, 10, 1] {
        let allowed: Option<RoaringBitmap> = (per_mille < 1_000).then(|| {
            (0..count as u32)
                .filter(|_| random.next() % 1_000 < per_mille)
                .collect()
        });
        let mut measured = Measured::default();
        for query in queries {
            let search = |index: &dyn VectorIndex| {
                index.search(query.as_slice(), 10, allowed.as_ref(), &stop)
            };
            measured.compare(|| search(&exact), || search(index.as_ref()))?;
        }
        measured.print(&format!("10 nearest of {} %", per_mille as f32 / 10.0));
    }
    for bound in [0.06, 0.2, 0.3, 0.5] {
        let mut measured = Measured::default();
        for query in queries {
            let search =
                |index: &dyn VectorIndex| index.range_search(query.as_slice(), bound, None, &stop);
            measured.compare(|| search(&exact), || search(index.as_ref()))?;
        }
        measured.print(&format!("within {bound}"));
    }
    Ok(())
}

#[derive(Default)]
struct Measured {
    found: usize,
    of: usize,
    scan: Duration,
    search: Duration,
}

impl Measured {
    fn compare<E>(
        &mut self,
        scan: impl FnOnce() -> Result<Vec<Hit>, E>,
        search: impl FnOnce() -> Result<Vec<Hit>, E>,
    ) -> Result<(), E> {
        let started = Instant::now();
        let wanted = scan()?;
        self.scan += started.elapsed();
        let started = Instant::now();
        let hits = search()?;
        self.search += started.elapsed();
        let farthest = wanted.last().map_or(0.0, |hit| hit.distance);
        self.found += hits
            .iter()
            .filter(|hit| hit.distance <= farthest)
            .count()
            .min(wanted.len());
        self.of += wanted.len();
        Ok(())
    }

    fn print(&self, what: &str) {
        let each = |time: Duration| time.as_secs_f64() * 1e3 / QUERIES as f64;
        let recall = self.found as f64 / self.of.max(1) as f64;
        let (hits, search, scan) = (self.of / QUERIES, each(self.search), each(self.scan));
        println!("{what}: {hits} hits, recall {recall:.4}, {search:.3} ms; by scan {scan:.3} ms");
    }
}

/// Marsaglia's xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn direction(&mut self, dimension: usize) -> Result<Vec<f32>> {
        let uniform = |bits: u64| (bits >> 40) as f32 / (1u64 << 24) as f32;
        let raw = (0..dimension)
            .map(|_| (0..6).map(|_| uniform(self.next())).sum::<f32>() - 3.0)
            .collect();
        Ok(Embedding::new(raw)?.into_vec())
    }
}

fn mixture(random: &mut Random, count: usize, dimension: usize) -> Result<Vec<Embedding>> {
    let mean = random.direction(dimension)?;
    let centres = (0..count / 60 + 1)
        .map(|_| random.direction(dimension))
        .collect::<Result<Vec<_>>>()?;
    let mut rows: Vec<Embedding> = Vec::with_capacity(count);
    for _ in 0..count {
        let (centre, noise) = (
            &centres[random.next() as usize % centres.len()],
            random.direction(dimension)?,
        );
        let copied = (random.next() % 100 < 3 && !rows.is_empty())
            .then(|| random.next() as usize % rows.len());
        let mixed: Vec<f32> = match copied {
            Some(row) => rows[row]
                .as_slice()
                .iter()
                .zip(&noise)
                .map(|(value, noise)| value + 0.1 * noise)
                .collect(),
            None => (0..dimension)
                .map(|at| 0.7 * mean[at] + centre[at] + 0.6 * noise[at])
                .collect(),
        };
        rows.push(Embedding::new(mixed)?);
    }
    Ok(rows)
}
