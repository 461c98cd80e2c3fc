//! `lamina bench`: what this machine needs for a picture, by stage.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lamina_index::{GenerationHeader, IndexSettings, StopFlag, VectorBlock};
use lamina_inference::Lane;
use lamina_media::demo::{Scene, encode_jpeg};
use lamina_media::{DecodeLimits, content_hash};
use lamina_pipeline::ingest::prepare;
use lamina_pipeline::stages::{Stage, StageTimes};
use lamina_types::{DatasetId, Embedding, EntityType, Space};
use serde::Serialize;

use crate::cli::{BenchArgs, BenchSubject};
use crate::config::{DataOptions, InferenceOptions};
use crate::{engine, output};

/// One picture in so many is a large one.
const LARGE_EVERY: usize = 20;

#[derive(Serialize)]
struct IngestBench {
    pictures: usize,
    megapixels: f64,
    cpu_ms_by_stage: Vec<(&'static str, f64)>,
    cpu_ms_per_picture: f64,
    wall_seconds: f64,
    peak_resident_mb: f64,
}

/// Runs a bench.
///
/// # Errors
/// The model does not start.
pub async fn run(args: BenchArgs) -> anyhow::Result<ExitCode> {
    let BenchSubject::Ingest { inference, data, pictures, json } = args.subject;
    let bench = ingest(&inference, &data, pictures).await?;
    if json {
        output::json(&bench)?;
    } else {
        show(&bench);
    }
    Ok(ExitCode::SUCCESS)
}

/// One thread, one picture after another, so that CPU time is the time: the 0.3-megapixel mix with every twentieth at
/// 1920 x 1080. Without database and disk, whose cost the ingest of a real folder shows.
async fn ingest(inference: &InferenceOptions, data: &DataOptions, count: usize) -> anyhow::Result<IngestBench> {
    let encoders = engine::start_encoders(inference, &data.data_dir).await?;
    let encoder = encoders.index();
    let spec = *encoder.input_spec();
    let limits = DecodeLimits::default();
    let stages = StageTimes::default();
    let begun = Instant::now();
    let (mut embedding_time, mut pixels) = (Duration::ZERO, 0_u64);
    let mut embeddings: Vec<Embedding> = Vec::with_capacity(count);
    for number in 0..count {
        let (width, height) = size_of(number);
        pixels += u64::from(width) * u64::from(height);
        let bytes = encode_jpeg(&Scene::new(number as u64).draw(width, height), 85)?;
        let hash = stages.run(Stage::Hash, || content_hash(&bytes));
        tracing::trace!(%hash, "hashed");
        let prepared = prepare(&bytes, &limits, &spec, &stages)
            .map_err(|rejection| anyhow::anyhow!("a generated picture was refused: {rejection}"))?;
        let start = process_cpu();
        let answers = encoder.embed_images(Lane::Bulk, vec![prepared.input]).await?;
        embedding_time += process_cpu().saturating_sub(start);
        embeddings.extend(answers.into_iter().flatten());
    }
    let manifest = encoder.manifest();
    let bands = &manifest.index;
    let settings = IndexSettings::new(bands.cluster_distances, bands.duplicate_similarity, bands.outlier_distance);
    let header = GenerationHeader {
        origin_dataset_id: DatasetId::new(),
        entity_type: EntityType::Images,
        space: Space::Index,
        key: encoder.key().clone(),
        number: 1,
    };
    let vectors = Arc::new(VectorBlock::from_embeddings(&embeddings)?);
    let start = process_cpu();
    lamina_index::build(header, vectors, &settings, &StopFlag::new())?;
    let index_time = process_cpu().saturating_sub(start);
    let wall = begun.elapsed();
    encoder.shutdown().await;

    let each = |time: Duration| time.as_secs_f64() * 1000.0 / count.max(1) as f64;
    let mut by_stage: Vec<(&'static str, f64)> = Stage::ALL
        .iter()
        .filter(|stage| **stage != Stage::Fetch)
        .map(|stage| (stage.as_str(), each(stages.of(*stage))))
        .collect();
    by_stage.push(("embed", each(embedding_time)));
    by_stage.push(("index_and_cluster", each(index_time)));
    Ok(IngestBench {
        pictures: count,
        megapixels: pixels as f64 / 1e6,
        cpu_ms_per_picture: by_stage.iter().map(|(_, ms)| ms).sum(),
        cpu_ms_by_stage: by_stage,
        wall_seconds: wall.as_secs_f64(),
        peak_resident_mb: peak_resident_mb(),
    })
}

fn size_of(number: usize) -> (u32, u32) {
    match number % LARGE_EVERY {
        0 => (1920, 1080),
        n if n % 3 == 0 => (480, 640),
        n if n % 3 == 1 => (640, 480),
        _ => (500, 375),
    }
}

fn process_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// `VmHWM` of this process; 0 where there is no `/proc`.
fn peak_resident_mb() -> f64 {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok())
        .map_or(0.0, |kilobytes| kilobytes / 1024.0)
}

fn show(bench: &IngestBench) {
    output::line(format_args!("{} pictures, {:.0} megapixels in all", bench.pictures, bench.megapixels));
    output::line(format_args!("{:<20} {:>10}", "stage", "CPU ms each"));
    for (stage, ms) in &bench.cpu_ms_by_stage {
        output::line(format_args!("{stage:<20} {ms:>10.2}"));
    }
    output::line(format_args!("{:<20} {:>10.2}", "sum", bench.cpu_ms_per_picture));
    output::line(format_args!("wall {:.1} s, peak resident {:.0} MB", bench.wall_seconds, bench.peak_resident_mb));
}
