//! Libraries in another process, measured turn by turn with ours.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::Context as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::curve::Point;

/// Builds and searches with Python packages; see the script for what it says.
const SCRIPT: &str = include_str!("peers.py");

/// A library that has built its index and waits.
pub struct Peer {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// CPU seconds of the build.
    pub build_cpu_s: f64,
}

#[derive(Deserialize)]
struct Built {
    build_cpu_s: f64,
}

/// Sizes of the sample in the folder.
#[derive(Clone, Copy)]
pub struct Sizes {
    pub rows: usize,
    pub dimension: usize,
    pub queries: usize,
}

impl Peer {
    /// Builds the index of a library over the sample in `folder`.
    ///
    /// # Errors
    /// No such interpreter, or it lacks the package: its own message is on standard error.
    pub fn start(
        python: &Path,
        library: &str,
        folder: &Path,
        sizes: Sizes,
    ) -> anyhow::Result<Self> {
        let mut child = Command::new(python)
            .args(["-c", SCRIPT, library])
            .arg(folder)
            .args([sizes.rows, sizes.dimension, sizes.queries].map(|size| size.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} cannot be started", python.display()))?;
        let questions = child.stdin.take().context("no standard input")?;
        let answers = BufReader::new(child.stdout.take().context("no standard output")?);
        let mut peer = Self {
            child,
            questions,
            answers,
            build_cpu_s: 0.0,
        };
        let built: Built = peer.answer().with_context(|| {
            format!("{library} did not build: are numpy and {library} installed there?")
        })?;
        peer.build_cpu_s = built.build_cpu_s;
        Ok(peer)
    }

    /// Searches all queries with this breadth.
    ///
    /// # Errors
    /// The process ended.
    pub fn search(&mut self, breadth: usize) -> anyhow::Result<Point> {
        writeln!(self.questions, "{breadth}")?;
        self.answer()
    }

    fn answer<T: DeserializeOwned>(&mut self) -> anyhow::Result<T> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Peer {
    /// It would wait for questions for ever.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
