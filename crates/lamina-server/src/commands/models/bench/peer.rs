//! ONNX Runtime in another process, by its own Python binding, measured turn by turn with ours.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::speed::Rate;

/// Runs the graph; see the script for what it says.
const SCRIPT: &str = include_str!("peer.py");

/// A process that has loaded the graph and waits.
pub struct Peer {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Of its ONNX Runtime.
    pub version: String,
}

#[derive(Deserialize)]
struct Ready {
    version: String,
}

impl Peer {
    /// Loads the graph with so many threads; pictures have `side` x `side` pixels.
    ///
    /// # Errors
    /// No such interpreter, or it lacks the packages: its own message is on standard error.
    pub fn start(
        python: &Path,
        graph: &Path,
        [batch, threads, side]: [usize; 3],
    ) -> anyhow::Result<Self> {
        let mut child = Command::new(python)
            .args(["-c", SCRIPT])
            .arg(graph)
            .args([batch, threads, side].map(|number| number.to_string()))
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
            version: String::new(),
        };
        let ready: Ready = peer
            .answer()
            .context("it did not load the graph: are numpy and onnxruntime installed there?")?;
        peer.version = ready.version;
        Ok(peer)
    }

    /// Runs for so long.
    ///
    /// # Errors
    /// The process ended.
    pub fn run(&mut self, time: Duration) -> anyhow::Result<Rate> {
        writeln!(self.questions, "{}", time.as_secs_f64())?;
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
