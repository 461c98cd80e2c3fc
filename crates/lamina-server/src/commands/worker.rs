//! `lamina worker`: jobs only.

use std::process::ExitCode;

use lamina_explore::ThresholdSense;
use tokio_util::task::TaskTracker;

use crate::cli::WorkerArgs;
use crate::home::{Home, Stay};
use crate::telemetry::LogControl;
use crate::{engine, metrics, output, signals, upkeep};

/// Works on jobs until told to stop.
///
/// # Errors
/// Something needed at the start is missing.
pub async fn run(args: WorkerArgs, log: LogControl) -> anyhow::Result<ExitCode> {
    let tasks = TaskTracker::new();
    let stop = signals::stop_token()?;
    let home = Home::open(&args.data, &args.database, Stay::Visitor).await?;
    let encoders = engine::start_encoders(&args.inference, &home).await?;
    let explorer = engine::explorer(&home, &encoders, &args.index, ThresholdSense::default());
    metrics::serve(
        args.metrics.metrics_listen,
        &encoders,
        &explorer,
        &tasks,
        &stop,
    )
    .await?;
    upkeep::start_models(&home, &encoders, &tasks, &stop);
    upkeep::start_log_level(&home, log, &tasks, &stop);
    let runner = engine::worker(&home, &explorer, &args.worker, &args.index)?;
    output::line("lamina worker is ready");
    runner.run(stop.clone()).await;
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    encoders.models().shutdown().await;
    home.close().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}
