//! The real binary as a child process, on a free port, with a data directory of its own.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::client::Client;

/// How long a start may take on a loaded machine.
const START: Duration = Duration::from_secs(120);

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// A data directory and the binary that works on it.
#[derive(Debug)]
pub struct Installation {
    /// The binary.
    pub binary: PathBuf,
    /// Its data directory, removed with this value.
    pub data: tempfile::TempDir,
}

impl Installation {
    /// An empty data directory for this binary.
    ///
    /// # Errors
    /// The temporary directory cannot be made.
    pub fn new(binary: impl Into<PathBuf>) -> anyhow::Result<Self> {
        Ok(Self {
            binary: binary.into(),
            data: tempfile::Builder::new().prefix("lamina-test-").tempdir()?,
        })
    }

    /// A command of the binary on this data directory, free of what the environment says about databases.
    pub fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .arg(verb)
            .env_remove("DATABASE_URL")
            .env_remove("LAMINA_SHARED_DIR")
            .env("LAMINA_DATA_DIR", self.data.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs a verb to its end.
    ///
    /// # Errors
    /// The binary cannot be started.
    pub fn run(&self, verb: &str, args: &[&str]) -> anyhow::Result<Output> {
        Ok(self.command(verb).args(args).output()?)
    }

    /// A fresh token of the first admin.
    ///
    /// # Errors
    /// The verb failed.
    pub fn token(&self) -> anyhow::Result<String> {
        let output = self.run("token", &["--ttl", "1h"])?;
        anyhow::ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// Starts the server on a free port and waits until it listens.
    ///
    /// # Errors
    /// It ended, or did not say where it listens in time.
    pub fn serve(&self, adjust: impl FnOnce(&mut Command)) -> anyhow::Result<Server> {
        let mut command = self.command("serve");
        command
            .args(["--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped());
        adjust(&mut command);
        let mut child = command
            .spawn()
            .with_context(|| format!("{} cannot be started", self.binary.display()))?;
        let mut lines = BufReader::new(child.stdout.take().context("no standard output")?);
        let mut line = String::new();
        lines.read_line(&mut line)?;
        let address = line
            .trim()
            .strip_prefix("lamina is listening on http://")
            .map(str::parse);
        let Some(Ok(address)) = address else {
            let _ = child.kill();
            anyhow::bail!("the server said {line:?} and ended with {:?}", child.wait());
        };
        // Whatever else it says must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Ok(Server { child, address })
    }
}

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// A client without a token.
    pub fn client(&self, token: Option<String>) -> Client {
        Client {
            address: self.address,
            token,
        }
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends the process as a power cut would.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks the process to end and waits.
    ///
    /// # Errors
    /// It did not end within `limit`.
    #[expect(
        unsafe_code,
        reason = "the standard library sends no other signal than SIGKILL"
    )]
    pub fn terminate(mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        // SAFETY: kill(2) takes two numbers and touches no memory; the child has not been waited for, so its id is ours.
        unsafe { libc::kill(self.child.id().cast_signed(), libc::SIGTERM) };
        self.wait(limit)
    }

    /// Waits for the process to end by itself.
    ///
    /// # Errors
    /// It did not within `limit`.
    pub fn wait(&mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        let child = &mut self.child;
        until(limit, "the server to end", || Ok(child.try_wait()?))
    }

    /// Whether it is still running.
    ///
    /// # Errors
    /// It cannot be asked.
    pub fn is_running(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks `look` until it has an answer.
///
/// # Errors
/// What `look` says, or that nothing came within `limit`.
pub fn until<T>(
    limit: Duration,
    what: &str,
    mut look: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        anyhow::ensure!(Instant::now() < end, "waited {limit:?} for {what}");
        std::thread::sleep(LOOK);
    }
}

/// The default deadline for anything that a loaded machine may take long for.
pub const PATIENCE: Duration = START;
