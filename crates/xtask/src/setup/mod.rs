//! Everything that running and testing need and cargo does not bring. Does nothing when it is all there.

mod download;
mod onnxruntime;
mod postgres;
mod sentence;
mod tools;

use std::{path::PathBuf, process::Command};

use crate::{programs::Failure, workspace::Workspace};

pub(crate) use postgres::Postgres;
pub(crate) use sentence::build as build_sentence_encoder;

/// What set-up found or fetched.
#[derive(Debug)]
pub(crate) struct Ready {
    /// The ONNX Runtime library.
    pub(crate) onnxruntime: PathBuf,
    /// The database.
    pub(crate) postgres: Postgres,
}

impl Ready {
    /// Tells a program about the library, under our name and under the one that the `ort` crate looks for, and about
    /// Postgres programs that nobody would find without being told.
    pub(crate) fn describe_to(&self, command: &mut Command) {
        command
            .env("LAMINA_ONNXRUNTIME", &self.onnxruntime)
            .env("ORT_DYLIB_PATH", &self.onnxruntime);
        if let Some(bin_dir) = self.postgres.fetched_bin_dir() {
            command.env("LAMINA_PG_BIN", bin_dir);
        }
    }
}

/// What the database is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Lamina itself: a server that the user named wins.
    Serving,
    /// Tests: a throw-away cluster wins, so that no test touches a server that somebody cares about.
    Testing,
}

/// Finds or fetches everything, and says what it did.
pub(crate) fn setup(workspace: &Workspace, purpose: Purpose) -> Result<Ready, Failure> {
    let built_with = tools::check()?;
    println!("tools         {built_with}");
    let onnxruntime = onnxruntime::find_or_fetch(workspace)?;
    println!("onnxruntime   {}", onnxruntime.display());
    // Lamina works without it, and says so; a machine that cannot reach the package index must not stop here.
    match sentence::find_or_fetch(workspace) {
        Ok(package) => println!("sentences     {}", package.display()),
        Err(missing) => println!("sentences     {missing}"),
    }
    let postgres = match purpose {
        Purpose::Serving => postgres::find_or_fetch(workspace)?,
        Purpose::Testing => postgres::find_or_fetch_programs(workspace)
            .or_else(|missing| postgres::named_server().ok_or(missing))?,
    };
    println!("postgres      {postgres}");
    Ok(Ready {
        onnxruntime,
        postgres,
    })
}
