//! `lamina bench`: what this machine needs for a picture, and for a search.

pub mod additions;
mod client;
pub mod copies;
mod database_cpu;
pub mod enrich;
pub mod explore;
pub mod export;
pub mod index;
mod memory;
mod pictures;
mod serving;
mod stages;
mod whole;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use lamina_explore::Encoders;
use lamina_index::GenerationHeader;
use lamina_inference::PictureEncoder;
use lamina_types::{DatasetId, EntityType, INDEX_SLOT, Space, SpaceKey};
use rustix::time::{ClockId, clock_gettime};

use crate::cli::{BenchArgs, BenchSubject};
use crate::config::{DataOptions, InferenceOptions};
use crate::{engine, output};

/// Runs a bench.
///
/// # Errors
/// Something it needs is missing.
pub async fn run(args: BenchArgs) -> anyhow::Result<ExitCode> {
    let (inference, data, pictures, json) = match args.subject {
        BenchSubject::Ingest {
            inference,
            data,
            pictures,
            json,
        } => (inference, data, pictures, json),
        BenchSubject::Enrich(bench) => {
            enrich::run(&bench).await?;
            return Ok(ExitCode::SUCCESS);
        }
        BenchSubject::Index(bench) => {
            index::run(bench).await?;
            return Ok(ExitCode::SUCCESS);
        }
        BenchSubject::Explore(bench) => {
            explore::run(bench).await?;
            return Ok(ExitCode::SUCCESS);
        }
        BenchSubject::Copies(bench) => {
            copies::run(*bench).await?;
            return Ok(ExitCode::SUCCESS);
        }
        BenchSubject::Additions(bench) => {
            additions::run(&bench).await?;
            return Ok(ExitCode::SUCCESS);
        }
        BenchSubject::Export(bench) => {
            export::run(&bench).await?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    // The whole run first: the peak of memory is that of the process so far.
    let whole = whole::measure(&inference, pictures).await?;
    let stages = stages::measure(&inference, &data, pictures.min(STAGE_PICTURES)).await?;
    if json {
        output::json(
            &serde_json::json!({ "pictures": pictures, "whole": whole, "stages": stages }),
        )?;
    } else {
        whole.show();
        stages.show();
    }
    Ok(ExitCode::SUCCESS)
}

/// Pictures that are enough to tell what a stage takes.
const STAGE_PICTURES: usize = 1_000;

/// The encoder of pictures that an installation without a database takes, and all others.
///
/// # Errors
/// No package is bound, or the model does not start.
async fn index_encoder(
    inference: &InferenceOptions,
    data: &DataOptions,
) -> anyhow::Result<(Encoders, PictureEncoder)> {
    let encoders = engine::load_models(inference, &data.data_dir)?;
    let bindings = encoders.bindings();
    let index = bindings
        .fixed(INDEX_SLOT)
        .or_else(|| bindings.default_of(INDEX_SLOT))
        .context("no package is bound to the slot INDEX")?;
    let encoder = engine::index_encoder(&encoders, &index.package).await?;
    Ok((encoders, encoder))
}

/// What says of which dataset an index is, for one that belongs to none.
fn header(key: SpaceKey) -> GenerationHeader {
    GenerationHeader {
        origin_dataset_id: DatasetId::new(),
        entity_type: EntityType::Images,
        space: Space::Index,
        key,
        number: 1,
    }
}

/// CPU time of this process so far, all threads.
pub fn process_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}
