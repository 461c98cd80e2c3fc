//! Memory that an export takes: a generated dataset, the real router and a worker in one process, as `lamina serve` has them.

mod originals;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use lamina_explore::ThresholdSense;
use lamina_store::datasets;
use lamina_types::ExportFormat;
use serde::Serialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::client::{Client, drain};
use super::explore::place::{NOTES, Place, Wanted};
use super::memory;
use super::serving::serve;
use crate::config::{DataOptions, DatabaseOptions, IndexOptions, InferenceOptions, WorkerOptions};
use crate::home::{Home, Stay};
use crate::model_side::ServerModels;
use crate::{engine, output};

/// Connections to the database.
const CONNECTIONS: u32 = 20;
/// How often an export is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// What to measure. One export in a process: what the one before left behind would hide what the next one takes.
#[derive(Debug, clap::Args)]
pub struct ExportBench {
    #[command(flatten)]
    inference: InferenceOptions,
    #[command(flatten)]
    data: DataOptions,
    /// Media of the dataset. It is made once below the data directory, which takes minutes for 200,000
    #[arg(long, default_value_t = 200_000)]
    media: usize,
    /// Values of a vector; exports read none, and making the index of wide ones takes long
    #[arg(long, default_value_t = 64)]
    dimension: usize,
    /// Bytes of an original
    #[arg(long, default_value_t = 10_000)]
    picture_bytes: usize,
    /// Format of the metadata
    #[arg(long, default_value_t = ExportFormat::Json)]
    format: ExportFormat,
    /// Export originals too
    #[arg(long, default_value_t = false, action = clap::ArgAction::SetTrue)]
    images: bool,
    /// Make the dataset and end
    #[arg(long, default_value_t = false, action = clap::ArgAction::SetTrue)]
    make: bool,
    /// Print JSON
    #[arg(long, default_value_t = false, action = clap::ArgAction::SetTrue)]
    json: bool,
}

/// What one run gave. Memory is that of the process that serves and works, without Postgres.
#[derive(Debug, Serialize)]
struct Report {
    media: usize,
    format: String,
    include_images: bool,
    archive_bytes: u64,
    /// Resident when everything was started and nobody had asked for anything.
    base_mb: f64,
    /// The most above that, from the request until the archive was there: the dataset is loaded in it.
    written_above_base_mb: f64,
    /// Of it what belongs to no file; the index is a mapped one. Looked at every 20 ms.
    written_own_above_base_mb: f64,
    /// As the explorer counts it, of the loaded dataset.
    loaded_mb: f64,
    written_s: f64,
    /// The most above what was there before it, while the archive was fetched.
    fetched_above_mb: f64,
    fetched_s: f64,
}

/// Makes the dataset if it is not there, measures and prints.
///
/// # Errors
/// Something it needs is missing; an export that lacks something.
pub async fn run(bench: &ExportBench) -> anyhow::Result<()> {
    let name = format!("bench-export-{}x{}", bench.media, bench.dimension);
    let dir = bench.data.data_dir.join(name);
    if !bench.make && !dir.join(NOTES).exists() {
        make_apart(bench).await?;
    }
    let data = DataOptions {
        data_dir: dir.clone(),
    };
    let database = DatabaseOptions {
        database_url: None,
        database_password_file: None,
        pg_bin: None,
        database_connections: CONNECTIONS,
    };
    let home = Home::open(&data, &database, Stay::Owner).await?;
    let outcome = with_home(bench, dir, &home).await;
    home.close().await;
    outcome
}

/// Makes the dataset in a process of its own: memory that it frees would be there for the export.
async fn make_apart(bench: &ExportBench) -> anyhow::Result<()> {
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command
        .args(["bench", "export", "--make", "--data-dir"])
        .arg(&bench.data.data_dir)
        .args(["--media", &bench.media.to_string()])
        .args(["--dimension", &bench.dimension.to_string()])
        .args(["--picture-bytes", &bench.picture_bytes.to_string()])
        .stdin(Stdio::null());
    let ended = tokio::task::spawn_blocking(move || command.status()).await??;
    anyhow::ensure!(ended.success(), "the dataset was not made: {ended}");
    Ok(())
}

async fn with_home(bench: &ExportBench, dir: PathBuf, home: &Home) -> anyhow::Result<()> {
    let encoders = engine::start_encoders(&bench.inference, home).await?;
    let wanted = Wanted {
        media: bench.media,
        dimension: bench.dimension,
        are_captions_searched: false,
    };
    let place = Place::ready(dir, home, &encoders, wanted).await?;
    if bench.make {
        return originals::put(&place, home, bench.picture_bytes).await;
    }
    let (worker, index) = (WorkerOptions::default(), IndexOptions::default());
    let explorer = engine::explorer(home, &encoders, &index, ThresholdSense::default());
    let workshop = engine::workshop(home, &encoders, &worker, &index)?;
    let runner = engine::runner(&workshop, &explorer, &worker);
    let models = ServerModels::new(workshop);
    let (address, served) = serve(home, &place.owner, explorer.clone(), models, []).await?;
    let stop = CancellationToken::new();
    let (report, ()) = tokio::join!(
        async {
            let report = Box::pin(measure(bench, &place, address)).await;
            stop.cancel();
            report
        },
        runner.run(stop.clone())
    );
    let loaded = explorer.bytes_in_memory() as f64 / f64::from(1 << 20);
    served.cancel();
    explorer.stop().await;
    encoders.models().shutdown().await;
    let report = Report {
        loaded_mb: loaded,
        ..report?
    };
    if bench.json {
        return output::json(&report);
    }
    report.show();
    Ok(())
}

async fn measure(
    bench: &ExportBench,
    place: &Place,
    address: SocketAddr,
) -> anyhow::Result<Report> {
    let dataset = place.notes.dataset;
    let held = datasets::find(&place.pool, dataset).await?;
    let held = held.context("the generated dataset is gone")?.n_images as usize;
    anyhow::ensure!(held == bench.media, "{held} media are there");
    let mut client = Client::connect(address).await?;
    memory::forget_peak()?;
    let (base_mb, own_base) = (memory::resident_mb()?, memory::resident_own_mb()?);
    let begun = Instant::now();
    let target = format!(
        "/api/v1/dataset/{dataset}/export_context_async?export_format={}&include_images={}",
        bench.format, bench.images
    );
    let mut export: Value = serde_json::from_slice(client.get(&target).await?)?;
    let (mut every, mut own_peak) = (tokio::time::interval(LOOK), own_base);
    let task = export["id"].as_str().context("no id")?.to_owned();
    let target = format!("/api/v1/dataset/{dataset}/export_status?export_task_id={task}");
    while export["status"] != "COMPLETED" {
        let is_over = export["status"] == "FAILED" || export["status"] == "REJECTED";
        anyhow::ensure!(!is_over, "the export ended: {export}");
        every.tick().await;
        own_peak = own_peak.max(memory::resident_own_mb()?);
        export = serde_json::from_slice(client.get(&target).await?)?;
    }
    let written_s = begun.elapsed().as_secs_f64();
    let written_above_base_mb = memory::peak_mb()? - base_mb;
    anyhow::ensure!(
        export["entities_count"] == bench.media,
        "not everything was exported: {export}"
    );

    memory::forget_peak()?;
    let (before_mb, begun) = (memory::resident_mb()?, Instant::now());
    let uri = export["download_uri"].as_str().context("no download_uri")?;
    let archive_bytes = drain(address, uri).await?;
    let fetched_s = begun.elapsed().as_secs_f64();
    let originals = (bench.media * bench.picture_bytes) as u64;
    anyhow::ensure!(
        !bench.images || archive_bytes > originals,
        "originals are missing: {archive_bytes} bytes"
    );
    Ok(Report {
        media: bench.media,
        format: bench.format.to_string(),
        include_images: bench.images,
        archive_bytes,
        base_mb,
        written_above_base_mb,
        written_own_above_base_mb: own_peak - own_base,
        loaded_mb: 0.0,
        written_s,
        fetched_above_mb: memory::peak_mb()? - before_mb,
        fetched_s,
    })
}

impl Report {
    /// A few lines for people.
    fn show(&self) {
        output::line(format_args!(
            "{} media as {}{}, {:.1} MB: written in {:.1} s with {:.0} MB above the {:.0} MB of the start ({:.0} MB of no file; the \
             loaded dataset is {:.0} MB of it), fetched in {:.1} s with {:.0} MB more",
            self.media,
            self.format,
            if self.include_images {
                " with originals"
            } else {
                ""
            },
            self.archive_bytes as f64 / 1e6,
            self.written_s,
            self.written_above_base_mb,
            self.base_mb,
            self.written_own_above_base_mb,
            self.loaded_mb,
            self.fetched_s,
            self.fetched_above_mb
        ));
    }
}
