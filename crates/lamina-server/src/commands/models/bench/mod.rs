//! `lamina models bench`.

mod folder;
mod peer;
mod quality;
mod show;
mod side;
mod speed;

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::Context as _;
use lamina_inference::{CPU_BATCH, EncoderConfig, Models, ModelsOptions, PackageState};
use serde::Serialize;

use super::args::{BenchArgs, ModelsArgs};
use crate::{engine, output, places};
use folder::LabelledFolder;
use quality::Quality;
use speed::Speed;

/// Sizes of batch that are tried when none is asked for, as far as the manifest allows them.
const BATCHES: [usize; 4] = [1, 2, 4, 8];

/// Everything that was measured.
#[derive(Serialize)]
pub struct Report {
    package: String,
    family: &'static str,
    licence: String,
    mb: f64,
    seconds: f64,
    speeds: Vec<Speed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    photos: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quality: Option<Quality>,
}

/// Measures and prints.
///
/// # Errors
/// A package or a folder that cannot be used.
pub async fn run(args: &ModelsArgs, bench: &BenchArgs) -> anyhow::Result<ExitCode> {
    let state = super::find(&super::folders(args), &bench.package)?;
    if let Some(problem) = super::problem(&state) {
        anyhow::bail!("{} cannot be used: {problem}", state.package);
    }
    anyhow::ensure!(
        bench.seconds.is_finite() && bench.seconds > 0.0,
        "--seconds must be above 0"
    );
    // Before anything takes long.
    let photos = bench.photos.as_deref();
    let labelled = photos
        .map(|folder| LabelledFolder::read(folder, bench.pictures))
        .transpose()?;
    let mut speeds = Vec::new();
    if !bench.no_speed {
        for pair in pairs(bench, &state)? {
            speeds.push(measure(args, bench, &state, pair).await?);
        }
    }
    let quality = match &labelled {
        Some(folder) => Some(judge(args, bench, &state, folder).await?),
        None => None,
    };
    let manifest = state.manifest.as_ref();
    let manifest = manifest.context("the package has no manifest")?;
    let report = Report {
        package: state.package.clone(),
        family: manifest.family.as_str(),
        licence: manifest.licence.clone(),
        mb: state.bytes() as f64 / 1e6,
        seconds: bench.seconds,
        speeds,
        photos: photos.map(|folder| folder.display().to_string()),
        quality,
    };
    if bench.json {
        output::json(&report)?;
    } else {
        show::lines(&report).into_iter().for_each(output::line);
    }
    Ok(ExitCode::SUCCESS)
}

/// Sizes of batch with numbers of threads.
fn pairs(bench: &BenchArgs, state: &PackageState) -> anyhow::Result<Vec<[usize; 2]>> {
    let most = state
        .manifest
        .as_ref()
        .map_or(CPU_BATCH, |manifest| manifest.batch.max_batch);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let batches = if bench.batches.is_empty() {
        let fitting = BATCHES.into_iter().filter(|batch| *batch <= most);
        fitting.collect()
    } else {
        bench.batches.clone()
    };
    let threads = match (bench.threads.is_empty(), cores) {
        (false, _) => bench.threads.clone(),
        (true, 1) => vec![1],
        (true, cores) => vec![1, cores],
    };
    for (name, values, limit) in [
        ("--batches", &batches, most),
        ("--threads", &threads, cores),
    ] {
        for value in values {
            anyhow::ensure!(
                (1..=limit).contains(value),
                "{name} {value} is not possible here: 1 to {limit} are"
            );
        }
    }
    let each = |threads: &usize| {
        let threads = *threads;
        batches.iter().map(move |batch| [*batch, threads])
    };
    Ok(threads.iter().flat_map(each).collect())
}

/// In a process of its own, so that its memory is its own; in this one when it is asked for that pair alone.
async fn measure(
    args: &ModelsArgs,
    bench: &BenchArgs,
    state: &PackageState,
    pair: [usize; 2],
) -> anyhow::Result<Speed> {
    if bench.photos.is_none() && bench.batches.len() == 1 && bench.threads.len() == 1 {
        return speed::measure(args, bench, &state.package, pair).await;
    }
    let mut child = Command::new(std::env::current_exe()?);
    child.args(["models", "bench", &state.package, "--json"]);
    for (flag, value) in [("--batches", pair[0]), ("--threads", pair[1])] {
        child.arg(flag).arg(value.to_string());
    }
    child.arg("--seconds").arg(bench.seconds.to_string());
    child.arg("--data-dir").arg(&args.data.data_dir);
    child.arg("--device").arg(&args.inference.device);
    let paths: [(&str, Option<&Path>); 3] = [
        ("--models-dir", args.inference.models_dir.as_deref()),
        ("--onnxruntime", args.inference.onnxruntime.as_deref()),
        ("--python", bench.python.as_deref()),
    ];
    for (flag, path) in paths {
        if let Some(path) = path {
            child.arg(flag).arg(path);
        }
    }
    // Its troubles go where ours do.
    child.stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = tokio::task::spawn_blocking(move || child.output()).await??;
    anyhow::ensure!(
        output.status.success(),
        "the measurement with a batch of {} and {} threads failed",
        pair[0],
        pair[1]
    );
    #[derive(serde::Deserialize)]
    struct Part {
        speeds: Vec<Speed>,
    }
    let part: Part = serde_json::from_slice(&output.stdout)?;
    part.speeds
        .into_iter()
        .next()
        .context("the measurement said nothing")
}

async fn judge(
    args: &ModelsArgs,
    bench: &BenchArgs,
    state: &PackageState,
    folder: &LabelledFolder,
) -> anyhow::Result<Quality> {
    let runtime = engine::load_runtime(&args.inference, &args.data.data_dir)?;
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let options = ModelsOptions {
        dirs: places::model_folders(&args.inference, &args.data.data_dir),
        encoder: EncoderConfig {
            vision_threads: threads,
            text_threads: threads,
            ..EncoderConfig::default()
        },
        idle_unload: std::time::Duration::ZERO,
    };
    let models = Models::new(runtime, options);
    let quality = quality::measure(&models, state, folder, &bench.prompt).await;
    models.shutdown().await;
    quality
}
