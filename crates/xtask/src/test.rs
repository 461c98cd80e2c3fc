//! `make test`: everything, with a database of its own that leaves no trace.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use lamina_postgres::{ClusterOptions, PrivateCluster, current_owner};

use crate::{
    programs::{self, Failure},
    setup::{self, Postgres, Purpose, Ready},
    workspace::Workspace,
};

const PREFIX: &str = "lamina-test-";

/// Runs all tests of the workspace, documentation examples excepted (each of those is a program to link). `arguments` go
/// to the test runner.
pub(crate) fn test(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let ready = setup::setup(workspace, Purpose::Testing)?;
    let database = TestDatabase::start(&ready)?;
    let mut command = test_runner(workspace);
    // What the user did not narrow down is everything.
    if !arguments
        .iter()
        .any(|argument| argument == "-p" || argument.starts_with("--package"))
    {
        command.arg("--workspace");
    }
    command.args(arguments);
    ready.describe_to(&mut command);
    database.describe_to(&mut command);
    if let Some(bin_dir) = ready.postgres.fetched_bin_dir() {
        // For the tests of the private cluster, which look for Postgres by themselves.
        let path = std::env::var_os("PATH").unwrap_or_default();
        let directories = std::iter::once(bin_dir.to_owned()).chain(std::env::split_paths(&path));
        let path =
            std::env::join_paths(directories).map_err(|error| Failure::new(error.to_string()))?;
        command.env("PATH", path);
    }
    let began = Instant::now();
    let outcome = programs::run(&mut command);
    drop(database);
    println!(
        "\ntests {} after {} s",
        if outcome.is_ok() { "passed" } else { "FAILED" },
        began.elapsed().as_secs()
    );
    outcome
}

fn test_runner(workspace: &Workspace) -> Command {
    if programs::works("cargo", &["nextest", "--version"]) {
        return workspace.cargo(&["nextest", "run", "--no-fail-fast"]);
    }
    workspace.cargo(&["test", "--lib", "--bins", "--tests", "--no-fail-fast"])
}

/// A server for tests: our own throw-away one, or the one that the user named because there are no programs for our own.
pub(crate) struct TestDatabase {
    url: String,
    // Declaration order is drop order: the server stops before its directory goes.
    cluster: Option<PrivateCluster>,
    directory: Option<Directory>,
}

impl TestDatabase {
    pub(crate) fn start(ready: &Ready) -> Result<Self, Failure> {
        let binaries = match &ready.postgres {
            Postgres::Server { url } => {
                return Ok(Self {
                    url: url.clone(),
                    cluster: None,
                    directory: None,
                });
            }
            Postgres::Programs { binaries, .. } => binaries,
        };
        clear_abandoned();
        let directory =
            Directory(std::env::temp_dir().join(format!("{PREFIX}{}", std::process::id())));
        let options = ClusterOptions {
            data_dir: directory.0.clone(),
            bin_dir: Some(binaries.bin_dir.clone()),
            // Nothing in it is worth a wait for the disk.
            durable: false,
        };
        let cluster = PrivateCluster::start(&options)?;
        println!(
            "database      a throw-away cluster in {}",
            directory.0.display()
        );
        Ok(Self {
            url: cluster.url(),
            cluster: Some(cluster),
            directory: Some(directory),
        })
    }

    /// Tells a program where the database is.
    pub(crate) fn describe_to(&self, command: &mut Command) {
        command.env("DATABASE_URL", &self.url);
    }

    /// Where the database is. May hold a password: never print it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Lets other accounts pass through the throw-away directory to the socket, whose own directory still admits its owner
    /// alone.
    pub(crate) fn let_accounts_through(&self) -> std::io::Result<()> {
        let Some(Directory(top)) = &self.directory else {
            return Ok(());
        };
        let below = self
            .socket_dir()
            .map(Path::ancestors)
            .into_iter()
            .flatten()
            .skip(1);
        for directory in below.take_while(|directory| directory.starts_with(top)) {
            fs_err::set_permissions(directory, std::fs::Permissions::from_mode(0o711))?;
        }
        Ok(())
    }

    /// The directory of the socket, when the server is ours.
    pub(crate) fn socket_dir(&self) -> Option<&Path> {
        self.cluster.as_ref().map(PrivateCluster::socket_dir)
    }
}

/// Removes itself and what is in it.
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        if let Err(error) = fs_err::remove_dir_all(&self.0) {
            eprintln!("left behind: {error}");
        }
    }
}

/// Removes what test runs that were killed have left; their servers ended with them.
fn clear_abandoned() {
    let Ok(entries) = fs_err::read_dir(std::env::temp_dir()) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else {
            continue;
        };
        let is_process = Path::new("/proc").join(pid).exists();
        if pid.parse::<u32>().is_ok() && !is_process && current_owner(&entry.path()).is_none() {
            // Somebody else's directory of that name cannot be removed, and need not be.
            let _ = fs_err::remove_dir_all(entry.path());
        }
    }
}
