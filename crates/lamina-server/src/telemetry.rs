//! Logs to standard error, so that standard output carries answers only. How much is logged can be changed while the process runs.

use std::io::IsTerminal as _;
use std::sync::Arc;

use lamina_store::settings::LogLevel;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;

use crate::config::TelemetryOptions;

/// Kept to warnings unless the filter names them.
const QUIET: &str = "ort=warn,ort::logging=warn,sqlx=warn,hyper=warn,h2=warn,tower=warn";

type Replace = dyn Fn(EnvFilter) -> anyhow::Result<()> + Send + Sync;

/// The filter of a process that logs. Cheap to clone.
#[derive(Clone)]
pub struct LogControl {
    replace: Arc<Replace>,
    configured: LogLevel,
}

impl LogControl {
    /// The level that the process was started with.
    pub const fn configured(&self) -> LogLevel {
        self.configured
    }

    /// Logs at this level from now on, whatever the filter was before.
    ///
    /// # Errors
    /// Logging has ended.
    pub fn set(&self, level: LogLevel) -> anyhow::Result<()> {
        (self.replace)(filter(directive(level))?)
    }
}

fn filter(wanted: &str) -> anyhow::Result<EnvFilter> {
    Ok(EnvFilter::builder().parse(format!("{QUIET},{wanted}"))?)
}

const fn directive(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warning => "warn",
        LogLevel::Error | LogLevel::Critical => "error",
    }
}

fn level_of(filter: &EnvFilter) -> LogLevel {
    match filter.max_level_hint() {
        Some(LevelFilter::OFF) => LogLevel::Critical,
        Some(LevelFilter::ERROR) => LogLevel::Error,
        Some(LevelFilter::WARN) => LogLevel::Warning,
        Some(LevelFilter::INFO) => LogLevel::Info,
        Some(_) | None => LogLevel::Debug,
    }
}

/// Starts logging.
///
/// # Errors
/// A filter that does not parse.
pub fn start(options: &TelemetryOptions) -> anyhow::Result<LogControl> {
    let filter = filter(&options.log)?;
    let configured = level_of(&filter);
    let writer = fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let replace: Arc<Replace>;
    let outcome = if options.log_format == "json" {
        let writer = writer.json().flatten_event(true).with_filter_reloading();
        let handle = writer.reload_handle();
        replace = Arc::new(move |filter: EnvFilter| Ok(handle.reload(filter)?));
        writer.try_init()
    } else {
        let writer = writer.with_target(false).with_filter_reloading();
        let handle = writer.reload_handle();
        replace = Arc::new(move |filter: EnvFilter| Ok(handle.reload(filter)?));
        writer.try_init()
    };
    outcome.map_err(|error| anyhow::anyhow!("logging did not start: {error}"))?;
    Ok(LogControl {
        replace,
        configured,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_has_the_level_of_its_most_talkative_part() {
        for (text, expected) in [
            ("info", LogLevel::Info),
            ("warn,lamina_http=debug", LogLevel::Debug),
            ("trace", LogLevel::Debug),
        ] {
            assert_eq!(level_of(&filter(text).unwrap()), expected, "{text}");
        }
        for level in LogLevel::ALL {
            assert!(filter(directive(*level)).is_ok());
        }
    }
}
