//! What can go wrong with the private cluster, in words that name the remedy.

use std::{io, path::PathBuf, process::ExitStatus, time::Duration};

/// Why the private cluster cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// No usable Postgres was found anywhere.
    #[error("{}", no_binaries_text(.rejected, .wanted_major))]
    NoBinaries {
        /// Directories that were looked at although they could not serve, each with the reason.
        rejected: Vec<(PathBuf, String)>,
        /// The major version that the existing cluster needs, if there is one.
        wanted_major: Option<u32>,
    },
    /// Another process owns this cluster.
    #[error("another Lamina{} is already running on the data directory {}", pid_text(.pid), .data_dir.display())]
    InUse {
        /// The data directory both want.
        data_dir: PathBuf,
        /// The owner, when it could be read.
        pid: Option<u32>,
    },
    /// Running as root, and none of the accounts that may run Postgres exists.
    #[error(
        "Postgres refuses to run as root and none of the accounts lamina, postgres, nobody exists; \
         create one with `useradd --system lamina`, or start Lamina as an ordinary user"
    )]
    NoAccount,
    /// The account that runs Postgres cannot pass a directory on the way to something it needs.
    #[error(
        "the account {account}, which runs Postgres because Lamina runs as root, cannot pass {}, which is above {}; \
         allow it (`chmod o+x {}`), choose another place (the usual data directory is /var/lib/lamina), or start Lamina as \
         an ordinary user", .blocked.display(), .target.display(), .blocked.display()
    )]
    Unreachable {
        /// The account.
        account: String,
        /// The directory that keeps it out.
        blocked: PathBuf,
        /// What it needs to reach.
        target: PathBuf,
    },
    /// The cluster directory belongs to someone whose server we may not run.
    #[error("{} belongs to user id {owner}; run Lamina as that user", .path.display())]
    ForeignCluster {
        /// The cluster directory.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// A directory for the socket exists but is not private to us.
    #[error("{} exists and is not a private directory of user id {owner}; remove it", .path.display())]
    UnsafeSocketDirectory {
        /// The directory.
        path: PathBuf,
        /// Whose it should be.
        owner: u32,
    },
    /// `initdb` failed.
    #[error("making the Postgres cluster failed ({status}):\n{output}")]
    Init {
        /// How `initdb` ended.
        status: ExitStatus,
        /// What it wrote.
        output: String,
    },
    /// The server ended before it took a connection.
    #[error("Postgres ended while starting ({status}); the end of {}:\n{tail}", .log.display())]
    EndedWhileStarting {
        /// How it ended.
        status: ExitStatus,
        /// The log file.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// The server did not take connections in time.
    #[error("Postgres took no connections within {} s; the end of {}:\n{tail}", .waited.as_secs(), .log.display())]
    NotReady {
        /// How long it was waited for.
        waited: Duration,
        /// The log file.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
        /// What the last attempt said.
        #[source]
        last: WireError,
    },
    /// Processes of an earlier server do not end.
    #[error("processes of an earlier Postgres on this data directory do not end: {pids:?}")]
    Lingering {
        /// The processes.
        pids: Vec<i32>,
    },
    /// The owner of the cluster is alive, but its server took no connections in time.
    #[error("the Postgres of the Lamina running on {} took no connections within {} s", .data_dir.display(), .waited.as_secs())]
    OwnerNotReady {
        /// The data directory.
        data_dir: PathBuf,
        /// How long it was waited for.
        waited: Duration,
        /// What the last attempt said.
        #[source]
        last: WireError,
    },
    /// Stopped while starting.
    #[error("stopped while Postgres was starting")]
    Stopped,
    /// Creating the database failed.
    #[error("the database could not be created")]
    Database(#[source] WireError),
    /// A program could not be started.
    #[error("{} could not be started", .program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file operation failed; the message of the source names the path.
    #[error("a file of the private cluster could not be handled")]
    File(#[from] io::Error),
}

/// Why a connection to the server, or a statement on it, failed.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The socket could not be opened, read or written.
    #[error("the socket failed")]
    Socket(#[from] io::Error),
    /// The server answered with an error.
    #[error("{message} (SQLSTATE {code})")]
    Server {
        /// The five-character SQLSTATE.
        code: String,
        /// The server's message.
        message: String,
    },
    /// The server wants something this client does not speak, or sent nonsense.
    #[error("the server sent something unexpected: {0}")]
    Protocol(&'static str),
}

impl WireError {
    /// True while the server is alive but not ready: starting, recovering or shutting down (SQLSTATE 57P03).
    pub(crate) fn is_not_ready_yet(&self) -> bool {
        matches!(self, Self::Server { code, .. } if code == "57P03")
    }

    /// True when the database asked for does not exist (SQLSTATE 3D000).
    pub(crate) fn is_missing_database(&self) -> bool {
        matches!(self, Self::Server { code, .. } if code == "3D000")
    }
}

fn pid_text(pid: &Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})"))
        .unwrap_or_default()
}

fn no_binaries_text(rejected: &[(PathBuf, String)], wanted: &Option<u32>) -> String {
    let version = wanted
        .map(|major| format!(" {major}, which made this data directory,"))
        .unwrap_or_default();
    let mut text = format!("no usable Postgres{version} was found on this machine.");
    for (path, reason) in rejected {
        text.push_str(&format!("\n  {}: {reason}", path.display()));
    }
    let package = wanted.map(|major| format!("-{major}")).unwrap_or_default();
    text.push_str(&format!(
        "\nAny one of these helps:\
         \n  install it:            apt-get install postgresql{package}   (dnf install postgresql-server, apk add postgresql)\
         \n  point at its programs: LAMINA_PG_BIN=/path/to/postgresql/bin (the directory with initdb and postgres)\
         \n  use a running server:  DATABASE_URL=postgres://user:password@host/database"
    ));
    text
}
