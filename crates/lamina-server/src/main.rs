//! The binary `lamina`: serve, work, import, and the verbs around them.
//!
//! Owns configuration, telemetry, start and stop. Must not hold logic of the product: each verb opens what it needs,
//! calls the crates below and prints the answer. Answers go to standard output, logs to standard error.

mod cli;
mod commands;
mod config;
mod datasets;
mod engine;
mod faults;
mod home;
mod metrics;
mod model_side;
mod output;
mod places;
mod provider;
mod remotes;
mod signals;
mod slots;
mod telemetry;
mod upkeep;
mod watch;

use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory as _, Parser as _};

use cli::{Cli, Verb};

/// How long threads that cannot be cancelled may keep the process after everything else has ended.
const STRAGGLERS: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let cli = Cli::parse();
    match start(cli) {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(cli: Cli) -> anyhow::Result<ExitCode> {
    let log = telemetry::start(&cli.telemetry)?;
    refuse_unknown_variables()?;
    let _scenario = faults::arm();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let code = runtime.block_on(Box::pin(run(cli.verb, log)));
    // A decode cannot be cancelled; the process must end all the same.
    runtime.shutdown_timeout(STRAGGLERS);
    code
}

async fn run(verb: Verb, log: telemetry::LogControl) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Serve(args) => commands::serve::run(*args, log).await,
        Verb::Worker(args) => commands::worker::run(*args, log).await,
        Verb::Migrate(args) => {
            home::Home::open(&args.data, &args.database, home::Stay::Visitor)
                .await?
                .close()
                .await;
            Ok(ExitCode::SUCCESS)
        }
        Verb::Import(args) => commands::import::run(*args).await,
        Verb::Enrich(args) => commands::enrich::run(*args).await,
        Verb::Token(args) => commands::token::run(args).await,
        Verb::Keys(args) => commands::keys::run(args).await,
        Verb::Users(args) => commands::users::run(args).await,
        Verb::Models(args) => commands::models::run(*args).await,
        Verb::Doctor(args) => commands::doctor::run(*args).await,
        Verb::Verify(args) => commands::verify::run(args).await,
        Verb::Health(args) => commands::health::run(&args),
        Verb::DemoPictures(args) => commands::demo_pictures::run(&args),
        Verb::Openapi => commands::openapi::run(),
        Verb::Bench(args) => commands::bench::run(*args).await,
    }
}

/// A mistyped variable would be ignored silently, and its default used instead.
fn refuse_unknown_variables() -> anyhow::Result<()> {
    fn collect(command: &clap::Command, known: &mut Vec<String>) {
        known.extend(
            command
                .get_arguments()
                .filter_map(|arg| Some(arg.get_env()?.to_str()?.to_owned())),
        );
        for verb in command.get_subcommands() {
            collect(verb, known);
        }
    }
    let mut known = Vec::new();
    collect(&Cli::command(), &mut known);
    let unknown = config::unknown_variables(&known);
    anyhow::ensure!(
        unknown.is_empty(),
        "unknown settings in the environment: {}; `lamina serve --help` lists those there are",
        unknown.join(", ")
    );
    Ok(())
}
