//! The private Postgres cluster that Lamina runs when nobody gives it a database.
//!
//! Owns: finding the Postgres binaries, making a cluster in `<data dir>/postgres`, running it on a Unix socket with no
//! TCP port, restarting it when it dies, ending it with its owner. Must not know: tables, SQL (beyond creating its one
//! database), configuration files, the environment (the caller reads it; `PATH` is the exception).
//!
//! How a start flows: [`PrivateCluster::start`] takes the owner's lock (`lock`), decides which account runs the server
//! (`account`), lays out the directories (`layout`), finds binaries of the right version (`binaries`), ends whatever an
//! earlier owner left behind (`leftovers`), makes the cluster if there is none (`init`), and hands over to a thread that
//! spawns the server and watches it (`supervisor`, `wire`). Every other process uses
//! [`PrivateCluster::connect_or_start`], which attaches to the running cluster, or does the same.
//!
//! # Why access is by directory and not by password
//! The socket lies in a directory of mode 0700 that belongs to the account running the server, and host connections are
//! rejected, so only that account and root reach it. Both can read the cluster's files directly, and a password kept
//! beside them as well: it would keep nobody out. Authentication within the socket is therefore `trust`.
//!
//! # Why this crate has unsafe code
//! The server must end with its owner even after SIGKILL. Only the kernel can do that (`PR_SET_PDEATHSIG`), and asking
//! for it needs a hook between fork and exec. That hook, sending signals and reading the effective user id are the
//! whole of the module `sys`, the only one with unsafe code.

mod account;
mod binaries;
mod cluster;
mod error;
mod init;
mod layout;
mod leftovers;
mod lock;
mod supervisor;
mod sys;
mod wire;

pub use binaries::{Binaries, find_binaries};
pub use cluster::{ClusterOptions, PrivateCluster, current_owner};
pub use error::{PostgresError, WireError};
pub use supervisor::Health;
