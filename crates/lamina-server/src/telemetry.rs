//! Logs to standard error, so that standard output carries answers only.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::config::TelemetryOptions;

/// Starts logging. ONNX Runtime and the Postgres client are kept to warnings unless the filter names them.
///
/// # Errors
/// A filter that does not parse.
pub fn start(options: &TelemetryOptions) -> anyhow::Result<()> {
    let quiet = "ort=warn,ort::logging=warn,sqlx=warn,hyper=warn,h2=warn,tower=warn";
    let filter = EnvFilter::builder().parse(format!("{quiet},{}", options.log))?;
    let writer = fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let outcome = if options.log_format == "json" {
        writer.json().flatten_event(true).try_init()
    } else {
        writer.with_target(false).try_init()
    };
    outcome.map_err(|error| anyhow::anyhow!("logging did not start: {error}"))
}
