//! The parts that need a model: runtime, encoder, reading side, worker.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use lamina_explore::{Encoders, Explorer, ExplorerOptions, ThresholdSense};
use lamina_inference::{DeviceChoice, DualEncoder, EncoderConfig, Runtime, find_runtime};
use lamina_jobs::{Runner, RunnerConfig};
use lamina_pipeline::{Workshop, WorkshopOptions, handlers};

use crate::config::{IndexOptions, InferenceOptions, WorkerOptions};
use crate::home::Home;
use crate::places;

/// Loads ONNX Runtime and proves the device.
///
/// # Errors
/// Says what was found, what is needed and how to get it.
pub fn load_runtime(options: &InferenceOptions, data_dir: &Path) -> anyhow::Result<Arc<Runtime>> {
    let choice: DeviceChoice = options.device.parse()?;
    let library = find_runtime(&places::runtime_search(options, data_dir))?;
    let runtime = Runtime::load(&library, choice)?;
    tracing::info!(
        device = %runtime.device(), why = runtime.why(), version = runtime.version(),
        "ONNX Runtime is loaded"
    );
    Ok(runtime)
}

/// Starts the encoder bound to the `INDEX` slot. Blocks for a second or two while it warms up.
///
/// # Errors
/// No runtime, no package, a package that is not as its manifest says.
pub fn load_encoders(options: &InferenceOptions, data_dir: &Path) -> anyhow::Result<Encoders> {
    let runtime = load_runtime(options, data_dir)?;
    let package = places::index_package(options, data_dir)?;
    let config = EncoderConfig {
        vision_threads: options.inference_threads.max(1),
        text_threads: options.inference_threads.max(1),
        ..EncoderConfig::default()
    };
    let encoder = DualEncoder::start(&runtime, &package, &config)
        .with_context(|| format!("the model package {} did not start", package.key().package))?;
    tracing::info!(package = package.key().package, device = %encoder.report().device, "the INDEX encoder is warm");
    Ok(Encoders::new(encoder))
}

/// As [`load_encoders`], on a thread that may block.
///
/// # Errors
/// Those of [`load_encoders`].
pub async fn start_encoders(
    options: &InferenceOptions,
    data_dir: &Path,
) -> anyhow::Result<Encoders> {
    let (options, data_dir) = (options.clone(), data_dir.to_path_buf());
    tokio::task::spawn_blocking(move || load_encoders(&options, &data_dir)).await?
}

/// The reading side.
pub fn explorer(
    home: &Home,
    encoders: &Encoders,
    index: &IndexOptions,
    threshold_sense: ThresholdSense,
) -> Explorer {
    let options = ExplorerOptions {
        snapshot_bytes: index.snapshot_bytes,
        exact_limit: index.exact_limit,
        threshold_sense,
    };
    Explorer::new(
        home.pool.clone(),
        home.blobs.clone(),
        encoders.clone(),
        options,
    )
}

/// A runner with a handler for every kind of job.
pub fn worker(
    home: &Home,
    encoders: &Encoders,
    worker: &WorkerOptions,
    index: &IndexOptions,
) -> Runner {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let workshop = Workshop::new(
        home.pool.clone(),
        home.blobs.clone(),
        encoders.clone(),
        WorkshopOptions {
            decoders: cores,
            chunk_files: i64::try_from(worker.chunk_files).unwrap_or(i64::MAX),
            exact_limit: index.exact_limit,
        },
    );
    let slots = if worker.worker_slots == 0 {
        cores.max(2)
    } else {
        worker.worker_slots
    };
    let lease = worker.lease.max(Duration::from_secs(1));
    let config = RunnerConfig {
        slots,
        lease,
        heartbeat: lease / 3,
        worker: worker_name(),
        ..RunnerConfig::default()
    };
    Runner::new(home.pool.clone(), handlers(&workshop), config)
}

/// Host and process, for people who read the job tables.
fn worker_name() -> String {
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    format!("{host}/{}", std::process::id())
}
