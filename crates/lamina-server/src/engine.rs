//! The parts that need models: runtime, packages, reading side, worker.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lamina_explore::{Encoders, Explorer, ExplorerOptions, ThresholdSense};
use lamina_inference::{
    DeviceChoice, EncoderConfig, InferenceError, Models, ModelsOptions, PictureEncoder, Runtime,
    find_runtime,
};
use lamina_jobs::{Runner, RunnerConfig};
use lamina_pipeline::{Workshop, WorkshopOptions, handlers};
use lamina_types::{CAPTION_TEXT_SLOT, INDEX_SLOT};

use crate::config::{IndexOptions, InferenceOptions, WorkerOptions};
use crate::home::Home;
use crate::{places, remotes, slots};

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

/// The models at hand and what each slot is bound to. Loads the library, and no model.
///
/// # Errors
/// No runtime; an option that names a package that is not there.
pub fn load_models(options: &InferenceOptions, data_dir: &Path) -> anyhow::Result<Encoders> {
    let runtime = load_runtime(options, data_dir)?;
    let threads = options.inference_threads.max(1);
    let encoder = EncoderConfig {
        vision_threads: threads,
        text_threads: threads,
        ..EncoderConfig::default()
    };
    let options_of_models = ModelsOptions {
        dirs: places::model_folders(options, data_dir),
        encoder,
        idle_unload: options.model_idle,
    };
    let models = Models::new(runtime, options_of_models);
    let bindings = slots::bindings(options, models.folders())?;
    Ok(Encoders::new(models, bindings))
}

/// As [`load_models`], with the model of the `INDEX` slot loaded and warm: without it there is nothing to serve.
///
/// # Errors
/// Those of [`load_models`]; no package, a package that is not as its manifest says, a model that does not start.
pub async fn start_encoders(options: &InferenceOptions, home: &Home) -> anyhow::Result<Encoders> {
    let (options, data_dir) = (options.clone(), home.dir.clone());
    let loading = tokio::task::spawn_blocking(move || load_models(&options, &data_dir));
    let encoders = loading.await??;
    let index = encoders.bound(&home.pool, INDEX_SLOT).await?;
    let encoder = index_encoder(&encoders, &index.package).await?;
    tracing::info!(package = index.package, device = %encoder.device(), "the INDEX encoder is warm");
    let sentences = encoders.bound(&home.pool, CAPTION_TEXT_SLOT).await?;
    // Not hashed here: that would hold the start up, and whoever uses it first has it checked.
    if encoders.models().manifest(&sentences.package).is_none() {
        tracing::warn!(
            package = sentences.package,
            "the sentence encoder (slot CAPTION_TEXT) is not installed: captions are searched with the text tower of the \
             INDEX encoder; `make setup` fetches it"
        );
    }
    Ok(encoders)
}

/// The encoder of this package, with a message for people when it cannot be had.
///
/// # Errors
/// No package, a package that is not as its manifest says, a model that does not start.
pub async fn index_encoder(encoders: &Encoders, package: &str) -> anyhow::Result<PictureEncoder> {
    let models = encoders.models();
    models.picture_encoder(package).await.map_err(|error| {
        let missing = matches!(error, InferenceError::NotInstalled { .. });
        let what = if missing {
            slots::not_found(package, models.folders())
        } else {
            format!("the model package {package} (slot INDEX) did not start")
        };
        anyhow::Error::new(error).context(what)
    })
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

fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// What job handlers work with.
///
/// # Errors
/// Buckets or hosts that are not configured well.
pub fn workshop(
    home: &Home,
    encoders: &Encoders,
    worker: &WorkerOptions,
    index: &IndexOptions,
) -> anyhow::Result<Workshop> {
    let workshop = Workshop::new(
        home.pool.clone(),
        home.blobs.clone(),
        encoders.clone(),
        WorkshopOptions {
            decoders: cores(),
            chunk_files: i64::try_from(worker.chunk_files).unwrap_or(i64::MAX),
            exact_limit: index.exact_limit,
        },
    );
    Ok(workshop.with_remotes(remotes::open(&worker.sources)?))
}

/// A runner with a handler for every kind of job.
///
/// # Errors
/// As [`workshop`].
pub fn worker(
    home: &Home,
    explorer: &Explorer,
    worker: &WorkerOptions,
    index: &IndexOptions,
) -> anyhow::Result<Runner> {
    let workshop = workshop(home, explorer.encoders(), worker, index)?;
    Ok(runner(&workshop, explorer, worker))
}

/// A runner with a handler for every kind of job, and these tools.
pub fn runner(workshop: &Workshop, explorer: &Explorer, worker: &WorkerOptions) -> Runner {
    let slots = if worker.worker_slots == 0 {
        cores().max(2)
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
    Runner::new(workshop.pool.clone(), handlers(workshop, explorer), config)
}

/// Host and process, for people who read the job tables.
fn worker_name() -> String {
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    format!("{host}/{}", std::process::id())
}
