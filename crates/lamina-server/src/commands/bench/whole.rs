//! A real ingest from a folder to READY, with a private database of its own.

use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use lamina_explore::ThresholdSense;
use lamina_types::{DatasetStatus, ServeMode, SourceType};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::pictures::Pictures;
use super::{memory, process_cpu};
use crate::config::{DataOptions, DatabaseOptions, IndexOptions, InferenceOptions, WorkerOptions};
use crate::datasets::{self, NewImport};
use crate::home::{Home, Stay};
use crate::watch;
use crate::{engine, output};

/// Connections of the run.
const CONNECTIONS: u32 = 20;

/// What the whole run took.
#[derive(Serialize)]
pub struct WholeRun {
    pictures: u32,
    wall_seconds: f64,
    pictures_per_second: f64,
    /// CPU time of this process, all threads, per picture.
    process_cpu_ms_per_picture: f64,
    /// Share of all cores that any process of the machine used meanwhile, 0 to 1.
    cores_busy: f64,
    peak_resident_mb: f64,
}

/// Ingests `count` generated pictures.
///
/// # Errors
/// No Postgres, no model, no disk.
pub async fn measure(inference: &InferenceOptions, count: usize) -> anyhow::Result<WholeRun> {
    let place = tempfile::Builder::new().prefix("lamina-bench-").tempdir()?;
    let folder = place.path().join("pictures");
    let target = folder.clone();
    tokio::task::spawn_blocking(move || Pictures::draw().write(&target, count)).await??;
    let home = private_home(place.path()).await?;
    let outcome = ingest(&home, inference, &folder).await;
    home.close().await;
    outcome
}

/// A data directory in `place`, with a database of its own.
///
/// # Errors
/// No Postgres, no disk.
pub async fn private_home(place: &Path) -> anyhow::Result<Home> {
    let data = DataOptions {
        data_dir: place.join("data"),
    };
    let database = DatabaseOptions {
        database_url: None,
        database_password_file: None,
        pg_bin: None,
        database_connections: CONNECTIONS,
    };
    Home::open(&data, &database, Stay::Owner).await
}

async fn ingest(
    home: &Home,
    inference: &InferenceOptions,
    folder: &Path,
) -> anyhow::Result<WholeRun> {
    let owner = home.ensure_first_user().await?;
    let encoders = engine::start_encoders(inference, home).await?;
    let (worker, index) = (WorkerOptions::default(), IndexOptions::default());
    let explorer = engine::explorer(home, &encoders, &index, ThresholdSense::default());
    let runner = engine::worker(home, &explorer, &worker, &index)?;
    let new = NewImport {
        path: folder,
        name: "bench",
        serve_mode: ServeMode::Copy,
        source_type: SourceType::Folder,
    };
    let stop = CancellationToken::new();
    let (begun, cpu, machine) = (Instant::now(), process_cpu(), MachineTimes::now()?);
    let dataset = datasets::create(home, &owner, &new).await?;
    let (ended, ()) = tokio::join!(
        async {
            let ended = watch::until_at_rest(&home.pool, dataset.id, false, &stop).await;
            stop.cancel();
            ended
        },
        runner.run(stop.clone())
    );
    let ended = ended?;
    let (wall, cpu, machine) = (
        begun.elapsed(),
        process_cpu().saturating_sub(cpu),
        MachineTimes::now()?.since(&machine),
    );
    encoders.models().shutdown().await;
    anyhow::ensure!(
        ended.dataset.status == DatasetStatus::Ready,
        "{:?}",
        ended.dataset.fatal_error_msg
    );
    let pictures = ended.dataset.n_images;
    Ok(WholeRun {
        pictures,
        wall_seconds: wall.as_secs_f64(),
        pictures_per_second: f64::from(pictures) / wall.as_secs_f64(),
        process_cpu_ms_per_picture: cpu.as_secs_f64() * 1000.0 / f64::from(pictures.max(1)),
        cores_busy: machine,
        peak_resident_mb: memory::peak_mb()?,
    })
}

/// Ticks of all cores since the machine started.
pub(super) struct MachineTimes {
    idle: f64,
    all: f64,
}

impl MachineTimes {
    pub(super) fn now() -> anyhow::Result<Self> {
        let stat = fs_err::read_to_string("/proc/stat")?;
        let line = stat.lines().next().context("/proc/stat is empty")?;
        let ticks: Vec<f64> = line
            .split_whitespace()
            .skip(1)
            .filter_map(|tick| tick.parse().ok())
            .collect();
        // user nice system idle iowait irq softirq steal: waiting for the disk is not work.
        let idle = ticks.iter().skip(3).take(2).sum();
        Ok(Self {
            idle,
            all: ticks.iter().take(8).sum(),
        })
    }

    /// Share of time that was not idle.
    pub(super) fn since(&self, before: &Self) -> f64 {
        1.0 - (self.idle - before.idle) / (self.all - before.all).max(1.0)
    }
}

impl WholeRun {
    /// A few lines for people.
    pub fn show(&self) {
        output::line(format_args!(
            "{} pictures from folder to READY in {:.1} s: {:.0} pictures/s, {:.2} CPU ms each in this process, cores {:.0} % \
             busy, peak resident {:.0} MB",
            self.pictures,
            self.wall_seconds,
            self.pictures_per_second,
            self.process_cpu_ms_per_picture,
            self.cores_busy * 100.0,
            self.peak_resident_mb
        ));
    }
}
