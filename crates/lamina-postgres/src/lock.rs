//! The two lock files: who owns the cluster, and who else is using it.
//!
//! Both are advisory locks of the kernel, so they end with their process however it ends. The files stay; what is written
//! in them is for messages only.

use std::{
    fs::TryLockError,
    io::{self, Seek, Write},
    path::Path,
    time::{Duration, Instant},
};

use fs_err::{File, OpenOptions};

const POLL: Duration = Duration::from_millis(50);

/// A held lock; letting go of it releases it.
#[derive(Debug)]
pub(crate) struct HeldLock {
    // Held for its lock; closing the file releases it.
    _file: File,
}

/// Takes the owner's lock, or answers `None` when another process has it.
pub(crate) fn try_own(path: &Path) -> io::Result<Option<HeldLock>> {
    let mut file = open(path)?;
    match file.file().try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    file.rewind()?;
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())?;
    Ok(Some(HeldLock { _file: file }))
}

/// The process id in the owner's lock file.
pub(crate) fn owner(path: &Path) -> Option<u32> {
    fs_err::read_to_string(path).ok()?.trim().parse().ok()
}

/// The process that holds the owner's lock now. A shared lock is asked for, and only for the moment of the question.
pub(crate) fn current_owner(path: &Path) -> Option<u32> {
    let file = File::open(path).ok()?;
    match file.file().try_lock_shared() {
        Err(TryLockError::WouldBlock) => owner(path),
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

/// Marks this process as a user of somebody else's cluster; waits while the owner is ending it.
pub(crate) fn join_users(path: &Path, deadline: Instant) -> io::Result<Option<HeldLock>> {
    let file = open(path)?;
    loop {
        match file.file().try_lock_shared() {
            Ok(()) => return Ok(Some(HeldLock { _file: file })),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(POLL),
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// Waits until no other process uses the cluster, and keeps new ones out while the lock is held.
pub(crate) fn outlast_users(path: &Path) -> io::Result<HeldLock> {
    let file = open(path)?;
    match file.file().try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            tracing::info!(
                "another Lamina process is using the private Postgres; waiting for it to finish"
            );
            file.file().lock()?;
        }
        Err(TryLockError::Error(error)) => return Err(error),
    }
    Ok(HeldLock { _file: file })
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}
