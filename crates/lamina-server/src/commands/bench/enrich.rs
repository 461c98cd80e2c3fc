//! What an enrichment costs besides its models: a real run, chunk by chunk, with a private database of its own.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use lamina_explore::{Encoders, ThresholdSense};
use lamina_http::enrich::{self as requests, EnrichRequest, Wanted};
use lamina_jobs::Runner;
use lamina_pipeline::Workshop;
use lamina_pipeline::stages::Stage;
use lamina_store::datasets::Dataset;
use lamina_store::enrichment;
use lamina_types::{DatasetStatus, EnrichmentType, ServeMode, SourceType};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::database_cpu::database_cpu;
use super::pictures::Pictures;
use super::process_cpu;
use super::whole::private_home;
use crate::config::{IndexOptions, InferenceOptions, WorkerOptions};
use crate::datasets::{self, NewImport};
use crate::home::Home;
use crate::model_side::ServerModels;
use crate::{engine, output};

/// What is measured, and how the figures are shown.
#[derive(Debug, clap::Args)]
pub struct EnrichBench {
    #[command(flatten)]
    pub inference: InferenceOptions,
    /// Number of pictures
    #[arg(long, default_value_t = 500)]
    pub pictures: usize,
    /// Types to apply, comma separated; all that Lamina runs when absent
    #[arg(long, value_delimiter = ',')]
    pub models: Vec<EnrichmentType>,
    /// Print JSON
    #[arg(long, default_value_t = false, action = clap::ArgAction::SetTrue)]
    pub json: bool,
}

/// Longer than any chunk takes.
const LEASE: Duration = Duration::from_secs(3_600);

/// CPU time, in seconds, that a stretch of work took.
#[derive(Debug, Clone, Copy, Default, Serialize)]
struct Cpu {
    /// This process without the models.
    server: f64,
    /// Runs of models.
    models: f64,
    /// Postgres.
    database: f64,
}

/// A phase of the run.
#[derive(Debug, Serialize)]
struct PhaseCost {
    phase: String,
    chunks: u32,
    wall_seconds: f64,
    cpu_seconds: Cpu,
}

/// What a run took.
#[derive(Debug, Serialize)]
struct EnrichCosts {
    pictures: u32,
    objects: u32,
    /// Pictures and objects, counted once for each model.
    units: u64,
    phases: Vec<PhaseCost>,
    /// Of this process, by what is done on threads of its own; the rest is reading, writing, batches and waiting.
    stage_cpu_seconds: Vec<(&'static str, f64)>,
    /// Milliseconds a picture (or object) and model, without the models' own: this process, Postgres, both.
    ms_per_unit: [f64; 3],
}

/// Measures and prints.
///
/// # Errors
/// No Postgres, no model, no disk; a run that does not end well.
pub async fn run(bench: &EnrichBench) -> anyhow::Result<()> {
    let place = tempfile::Builder::new().prefix("lamina-bench-").tempdir()?;
    let (folder, count) = (place.path().join("pictures"), bench.pictures);
    let target = folder.clone();
    tokio::task::spawn_blocking(move || Pictures::draw().write(&target, count)).await??;
    let home = private_home(place.path()).await?;
    let outcome = measure(bench, &home, &folder).await;
    home.close().await;
    let costs = outcome?;
    if bench.json {
        return output::json(&costs);
    }
    costs.show();
    Ok(())
}

async fn measure(bench: &EnrichBench, home: &Home, folder: &Path) -> anyhow::Result<EnrichCosts> {
    let owner = home.ensure_first_user().await?;
    let encoders = engine::start_encoders(&bench.inference, home).await?;
    // Nobody renews the lease of a chunk that is run here, and nobody else is after it.
    let worker = WorkerOptions {
        lease: LEASE,
        ..WorkerOptions::default()
    };
    let index = IndexOptions::default();
    let workshop = engine::workshop(home, &encoders, &worker, &index)?;
    let explorer = engine::explorer(home, &encoders, &index, ThresholdSense::default());
    let runner = engine::runner(&workshop, &explorer, &worker);
    let new = NewImport {
        path: folder,
        name: "bench",
        serve_mode: ServeMode::Copy,
        source_type: SourceType::Folder,
    };
    let source = datasets::create(home, &owner, &new).await?;
    let stop = CancellationToken::new();
    while runner.run_one(&stop).await? {}

    let models = ServerModels::new(workshop.clone());
    let plan = requests::plan(&models, &request(&bench.models)).await?;
    let copy = requests::begin(&home.pool, &models, source.id, plan).await?;
    let meter = Meter { home, encoders };
    let costs = meter.watch(&runner, &workshop, &copy).await;
    meter.encoders.models().shutdown().await;
    costs
}

/// Every type asked for, or every type there is.
fn request(kinds: &[EnrichmentType]) -> EnrichRequest {
    let kinds = if kinds.is_empty() {
        EnrichmentType::ALL
    } else {
        kinds
    };
    let wanted = |kind: &EnrichmentType| Wanted {
        enrichment_type: *kind,
        slot: kind.slot(),
        prompt: None,
    };
    EnrichRequest::new(kinds.iter().map(wanted).collect())
}

/// Reads the clocks of everybody who works on the run.
struct Meter<'a> {
    home: &'a Home,
    encoders: Encoders,
}

impl Meter<'_> {
    fn read(&self) -> anyhow::Result<Cpu> {
        let reports = self.encoders.models().reports();
        let graphs = reports.iter().flat_map(|report| &report.graphs);
        let models = graphs.map(|(_, pool)| pool.run_cpu_seconds).sum();
        Ok(Cpu {
            server: process_cpu().as_secs_f64() - models,
            models,
            database: database_cpu(&self.home.dir)?.as_secs_f64(),
        })
    }

    /// Works on the job here, one chunk after the other, and books what each takes under its phase.
    async fn watch(
        &self,
        runner: &Runner,
        workshop: &Workshop,
        copy: &Dataset,
    ) -> anyhow::Result<EnrichCosts> {
        let pool = &self.home.pool;
        let before: Vec<Duration> = Stage::ALL.map(|stage| workshop.stages.of(stage)).into();
        let stop = CancellationToken::new();
        let mut phases: Vec<PhaseCost> = Vec::new();
        loop {
            let job = lamina_jobs::latest_of_subject(pool, copy.id.as_uuid()).await?;
            let phase = job.context("the job of the run is gone")?.phase;
            let (begun, cpu) = (Instant::now(), self.read()?);
            if !runner.run_one(&stop).await? {
                break;
            }
            let spent = self.read()?.since(cpu);
            if phases.last().is_none_or(|last| last.phase != phase) {
                phases.push(PhaseCost::new(phase));
            }
            if let Some(last) = phases.last_mut() {
                last.chunks += 1;
                last.wall_seconds += begun.elapsed().as_secs_f64();
                last.cpu_seconds = last.cpu_seconds.plus(spent);
            }
        }
        let ended = lamina_store::datasets::find(pool, copy.id).await?;
        let ended = ended.context("the copy is gone")?;
        anyhow::ensure!(
            ended.status == DatasetStatus::Ready,
            "{:?}",
            ended.fatal_error_msg
        );
        let steps = enrichment::steps(pool, copy.id).await?;
        let units = steps.iter().map(|step| step.units_done).sum();
        let all = phases
            .iter()
            .fold(Cpu::default(), |sum, phase| sum.plus(phase.cpu_seconds));
        let each = |seconds: f64| seconds * 1000.0 / (units as f64).max(1.0);
        let stages = Stage::ALL.iter().zip(&before).map(|(stage, before)| {
            let spent = workshop.stages.of(*stage).saturating_sub(*before);
            (stage.as_str(), spent.as_secs_f64())
        });
        Ok(EnrichCosts {
            pictures: ended.n_images,
            objects: ended.n_objects,
            units,
            ms_per_unit: [all.server, all.database, all.server + all.database].map(each),
            stage_cpu_seconds: stages.filter(|(_, seconds)| *seconds > 0.0).collect(),
            phases,
        })
    }
}

impl Cpu {
    const fn since(self, before: Self) -> Self {
        Self {
            server: self.server - before.server,
            models: self.models - before.models,
            database: self.database - before.database,
        }
    }

    const fn plus(self, other: Self) -> Self {
        Self {
            server: self.server + other.server,
            models: self.models + other.models,
            database: self.database + other.database,
        }
    }
}

impl PhaseCost {
    fn new(phase: String) -> Self {
        Self {
            phase,
            chunks: 0,
            wall_seconds: 0.0,
            cpu_seconds: Cpu::default(),
        }
    }
}

impl EnrichCosts {
    /// Tables for people.
    fn show(&self) {
        output::line(format_args!(
            "{} pictures and {} objects, {} times a model and one of them",
            self.pictures, self.objects, self.units
        ));
        output::line(format_args!(
            "{:<20} {:>7} {:>9} {:>11} {:>11} {:>11}",
            "phase", "chunks", "seconds", "server CPU", "models", "Postgres"
        ));
        for phase in &self.phases {
            let cpu = phase.cpu_seconds;
            output::line(format_args!(
                "{:<20} {:>7} {:>9.2} {:>10.2}s {:>10.2}s {:>10.2}s",
                phase.phase, phase.chunks, phase.wall_seconds, cpu.server, cpu.models, cpu.database
            ));
        }
        for (stage, seconds) in &self.stage_cpu_seconds {
            output::line(format_args!("of it {stage:<14} {seconds:>29.2}s"));
        }
        let [server, database, both] = self.ms_per_unit;
        output::line(format_args!(
            "a picture or object and model, without the model: {both:.2} CPU ms, {server:.2} of this process and {database:.2} \
             of Postgres"
        ));
    }
}
