//! The cluster as its users see it.

use std::{
    fmt::Write,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use crate::{
    account::RunAs,
    binaries::{cluster_major, find_binaries},
    error::PostgresError,
    init,
    layout::Layout,
    leftovers,
    lock::{self, HeldLock},
    supervisor::{Health, Plan, Supervisor, knock},
    wire::{DATABASE, ROLE},
};

const POLL: Duration = Duration::from_millis(50);
/// How long an owner-to-be waits for a short-lived one (a `token`, say) to finish.
const OWNER_PATIENCE: Duration = Duration::from_secs(10);
/// How long a user of the cluster waits for its owner to get it going; a first start on a slow disk takes seconds.
const USER_PATIENCE: Duration = Duration::from_secs(120);

/// What the private cluster is made of.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// Lamina's data directory; the cluster is `postgres` in it.
    pub data_dir: PathBuf,
    /// The directory of the Postgres programs; searched for when absent (see [`find_binaries`]).
    pub bin_dir: Option<PathBuf>,
    /// Whether the cluster must survive a power cut. Only throw-away clusters of tests do without.
    pub durable: bool,
}

/// A running cluster: ours, or another process's that we are attached to. Dropping an own cluster stops it.
#[derive(Debug)]
pub struct PrivateCluster {
    // Declaration order is drop order: the server ends first, the owner's lock is released last.
    supervisor: Option<Supervisor>,
    layout: Layout,
    socket_dir: PathBuf,
    is_temporary: bool,
    _as_user: Option<HeldLock>,
    _as_owner: Option<HeldLock>,
}

impl PrivateCluster {
    /// Becomes the owner of the cluster and starts it; makes it first if there is none. Returns when it takes connections
    /// to the database `lamina` (which exists then, empty at first). Blocks, for seconds on the first start.
    ///
    /// From then on a thread watches the server and starts it again if it ends. The server ends with this process,
    /// whatever ends the process.
    ///
    /// # Errors
    /// [`PostgresError::InUse`] when another process stays the owner; see the enum for the rest.
    pub fn start(options: &ClusterOptions) -> Result<Self, PostgresError> {
        let layout = Layout::prepare(&options.data_dir)?;
        let deadline = Instant::now() + OWNER_PATIENCE;
        loop {
            if let Some(owned) = lock::try_own(&layout.owner_lock())? {
                return Self::own(layout, owned, options, false);
            }
            if Instant::now() >= deadline {
                let pid = lock::owner(&layout.owner_lock());
                return Err(PostgresError::InUse {
                    data_dir: layout.data_dir,
                    pid,
                });
            }
            thread::sleep(POLL);
        }
    }

    /// Attaches to the cluster if another process owns it, else becomes its owner for as long as this value lives.
    /// An owner of this kind stops the cluster only when nobody else is attached.
    ///
    /// # Errors
    /// [`PostgresError::OwnerNotReady`] when the owner's server takes no connections; see the enum for the rest.
    pub fn connect_or_start(options: &ClusterOptions) -> Result<Self, PostgresError> {
        let layout = Layout::prepare(&options.data_dir)?;
        let deadline = Instant::now() + USER_PATIENCE;
        loop {
            if let Some(owned) = lock::try_own(&layout.owner_lock())? {
                return Self::own(layout, owned, options, true);
            }
            let last = match Self::attach(&layout, deadline)? {
                Ok(attached) => return Ok(attached),
                Err(last) => last,
            };
            if Instant::now() >= deadline {
                return Err(PostgresError::OwnerNotReady {
                    data_dir: layout.data_dir,
                    waited: USER_PATIENCE,
                    last,
                });
            }
            thread::sleep(POLL);
        }
    }

    fn attach(
        layout: &Layout,
        deadline: Instant,
    ) -> Result<Result<Self, crate::WireError>, PostgresError> {
        // Joined before knocking: from here on a short-lived owner waits for us.
        let as_user = lock::join_users(&layout.users_lock(), deadline)?;
        Ok(knock(layout).and_then(|()| {
            Ok(Self {
                supervisor: None,
                socket_dir: layout.socket_dir()?,
                layout: layout.clone(),
                is_temporary: false,
                _as_user: as_user,
                _as_owner: None,
            })
        }))
    }

    fn own(
        layout: Layout,
        as_owner: HeldLock,
        options: &ClusterOptions,
        is_temporary: bool,
    ) -> Result<Self, PostgresError> {
        let data = layout.data();
        let run_as = RunAs::choose(&data)?;
        let view = layout.hand_over(&run_as)?;
        let exists = data.exists();
        let major = if exists { cluster_major(&data)? } else { None };
        let binaries = find_binaries(options.bin_dir.as_deref(), &layout.data_dir, major)?;
        run_as.require_way_to(&binaries.program("postgres"))?;
        leftovers::settle(&layout, &run_as)?;
        if !exists {
            init::make_cluster(&layout, &view, &run_as, &binaries, options.durable)?;
        }
        let socket_dir = layout.socket_dir()?;
        let began = Instant::now();
        let version = binaries.version.clone();
        let plan = Plan {
            layout: layout.clone(),
            view,
            run_as,
            binaries,
            durable: options.durable,
        };
        let supervisor = Supervisor::start(plan)?;
        tracing::info!(
            version,
            socket = %socket_dir.display(),
            duration_ms = began.elapsed().as_millis(),
            "the private Postgres is running"
        );
        Ok(Self {
            supervisor: Some(supervisor),
            layout,
            socket_dir,
            is_temporary,
            _as_user: None,
            _as_owner: Some(as_owner),
        })
    }

    /// The URL of the database `lamina`, for any Postgres client that reads libpq's form.
    pub fn url(&self) -> String {
        self.url_of(DATABASE)
    }

    /// The URL of another database of this cluster. `database` is used as it is.
    pub fn url_of(&self, database: &str) -> String {
        format!(
            "postgres://{ROLE}@localhost/{database}?host={}",
            percent_encoded(&self.socket_dir)
        )
    }

    /// The directory of the socket.
    pub fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// Whether this process runs the server (else it is attached to another process's).
    pub fn is_owner(&self) -> bool {
        self.supervisor.is_some()
    }

    /// How often the server had to be started again. Always 0 when attached.
    pub fn restarts(&self) -> u64 {
        self.supervisor.as_ref().map_or(0, Supervisor::restarts)
    }

    /// How the server is doing: for an owner what its watching thread knows, for others what a knock says.
    pub fn health(&self) -> Health {
        match &self.supervisor {
            Some(supervisor) => supervisor.health(),
            None => knock(&self.layout).map_or_else(
                |error| Health::Down {
                    reason: error.to_string(),
                },
                |()| Health::Up,
            ),
        }
    }

    /// Stops the server if it is ours: up to 9 s in the worst case, usually a fraction of one. A short-lived owner
    /// ([`Self::connect_or_start`]) first waits for the processes that attached meanwhile. Dropping does the same.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for PrivateCluster {
    fn drop(&mut self) {
        let Some(supervisor) = self.supervisor.take() else {
            return;
        };
        // Held until the server is gone, so that nobody attaches to a server about to end.
        let _nobody_else = if self.is_temporary {
            lock::outlast_users(&self.layout.users_lock())
                .inspect_err(|error| tracing::warn!(%error, "could not tell whether others use the private Postgres"))
                .ok()
        } else {
            None
        };
        drop(supervisor);
        self.layout.remove_outside_socket_dir();
    }
}

/// The process that owns the private cluster of this data directory at this moment, if any does: a Lamina that is running.
/// Changes nothing and never waits.
pub fn current_owner(data_dir: &Path) -> Option<u32> {
    lock::current_owner(&Layout::lock_of(data_dir))
}

/// Percent-encodes everything that has a meaning in the query part of a URL.
fn percent_encoded(path: &Path) -> String {
    let mut text = String::new();
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_encoded_for_the_query_of_a_url() {
        assert_eq!(
            percent_encoded(Path::new("/var/my data/ä&b")),
            "/var/my%20data/%C3%A4%26b"
        );
    }
}
