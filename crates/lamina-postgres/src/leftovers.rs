//! What an earlier owner left running: found, ended, waited for.
//!
//! Called only while the owner's lock is held, so whatever still runs for this cluster has no owner any more. Two cases are
//! common: the owner was killed, and its server is writing its last checkpoint; the server was killed, and its children
//! have not noticed yet. A server is never adopted: ending it cleanly takes a moment, and a fresh one is tied to us.

use std::{
    io,
    os::unix::fs::MetadataExt,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use crate::{
    account::RunAs,
    error::PostgresError,
    layout::Layout,
    sys::{self, Signal},
};

const POLL: Duration = Duration::from_millis(20);
const SAY_SO_EVERY: Duration = Duration::from_secs(3);
/// A clean shutdown may write gigabytes.
const CLEAN_END: Duration = Duration::from_secs(30);
/// Children of a dead server end by themselves as soon as they look up.
const CHILDREN_END: Duration = Duration::from_secs(5);
const GIVE_UP: Duration = Duration::from_secs(60);

/// Returns when no process works on this cluster any more.
pub(crate) fn settle(layout: &Layout, run_as: &RunAs) -> Result<(), PostgresError> {
    let began = Instant::now();
    let mut last_words = None;
    let mut sent = None;
    loop {
        let running = processes_of(layout, run_as);
        if running.is_empty() {
            return Ok(remove_misleading_pid_file(layout)?);
        }
        let server = pid_file(layout).filter(|pid| running.contains(pid));
        let waited = began.elapsed();
        if last_words.is_none_or(|at: Instant| at.elapsed() >= SAY_SO_EVERY) {
            last_words = Some(Instant::now());
            tracing::info!(
                ?running,
                waited_s = waited.as_secs(),
                "waiting for an earlier Postgres of this data directory to end"
            );
        }
        let wanted = match server {
            Some(_) if waited < CLEAN_END => Some(Signal::Interrupt),
            Some(_) => Some(Signal::Quit),
            None if waited < CHILDREN_END => None,
            None => Some(Signal::Quit),
        };
        let wanted = if waited > CLEAN_END + CHILDREN_END {
            Some(Signal::Kill)
        } else {
            wanted
        };
        if let Some(signal) = wanted.filter(|_| sent != wanted) {
            sent = wanted;
            for &pid in server
                .as_ref()
                .map_or(running.as_slice(), std::slice::from_ref)
            {
                sys::send(pid, signal)?;
            }
        }
        if waited > GIVE_UP {
            return Err(PostgresError::Lingering { pids: running });
        }
        thread::sleep(POLL);
    }
}

/// The processes that work on this cluster: they carry its tag or its path in their command line, and run as its account.
///
/// Titles, not working directories: inside a container even root may be kept from reading the latter.
fn processes_of(layout: &Layout, run_as: &RunAs) -> Vec<i32> {
    let data = layout.data();
    let marks = [
        layout.tag().into_bytes(),
        data.as_os_str().as_encoded_bytes().to_vec(),
    ];
    let Ok(entries) = fs_err::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let runs_as_account = entry.metadata().ok()?.uid() == run_as.uid();
            (runs_as_account && is_server_process(&entry.path(), &marks)).then_some(pid)
        })
        .collect()
}

fn is_server_process(process: &Path, marks: &[Vec<u8>]) -> bool {
    // A process that ends while we look has an empty command line or none.
    let Ok(name) = fs_err::read(process.join("comm")) else {
        return false;
    };
    let Ok(command_line) = fs_err::read(process.join("cmdline")) else {
        return false;
    };
    name.starts_with(b"postgres")
        && marks.iter().any(|mark| {
            command_line
                .windows(mark.len())
                .any(|window| window == mark.as_slice())
        })
}

/// The server's process id, as it noted it in the cluster.
pub(crate) fn pid_file(layout: &Layout) -> Option<i32> {
    fs_err::read_to_string(layout.data().join("postmaster.pid"))
        .ok()?
        .lines()
        .next()?
        .trim()
        .parse()
        .ok()
}

/// Removes a pid file whose number has been given to another program since. Postgres itself copes with a number that is
/// nobody's, but refuses to start when any process of the same account has it (usual after a container restart).
fn remove_misleading_pid_file(layout: &Layout) -> io::Result<()> {
    let Some(pid) = pid_file(layout) else {
        return Ok(());
    };
    if Path::new("/proc").join(pid.to_string()).exists() {
        let path = layout.data().join("postmaster.pid");
        tracing::info!(
            pid,
            "removing a stale postmaster.pid: that process is another program now"
        );
        fs_err::remove_file(path)?;
    }
    Ok(())
}
