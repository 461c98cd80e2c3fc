//! The few calls that std does not offer: a hook between fork and exec, signals, the effective user id.
#![expect(
    unsafe_code,
    reason = "prctl, getppid, fcntl, kill and geteuid have no safe form in std; each use says why it is sound"
)]

use std::{
    fs::File,
    io,
    os::{fd::AsRawFd, unix::process::CommandExt},
    process::Command,
};

/// The signals Postgres gives a meaning to, and the last resort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Fast shutdown: disconnect everybody, write a checkpoint, end.
    Interrupt,
    /// Immediate shutdown: end now, recover at the next start.
    Quit,
    /// End without a chance to react.
    Kill,
}

impl Signal {
    fn number(self) -> libc::c_int {
        match self {
            Self::Interrupt => libc::SIGINT,
            Self::Quit => libc::SIGQUIT,
            Self::Kill => libc::SIGKILL,
        }
    }
}

/// Sends a signal to one process. A process that is already gone is not an error.
pub(crate) fn send(pid: i32, signal: Signal) -> io::Result<()> {
    // A pid of zero or below would address a whole group, or everybody.
    if pid <= 1 {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    // SAFETY: kill takes two integers and touches no memory of ours.
    if unsafe { libc::kill(pid, signal.number()) } == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(libc::ESRCH) {
        Ok(())
    } else {
        Err(error)
    }
}

/// The user id whose rights this process has.
pub(crate) fn effective_uid() -> u32 {
    // SAFETY: geteuid takes nothing, cannot fail and touches no memory of ours.
    unsafe { libc::geteuid() }
}

/// Makes the child end (SIGINT) when the thread that spawns it ends, and lets it inherit `keep_open`.
///
/// The kernel's rule is about the *thread*: spawn from one that lives as long as the child should. std applies user and
/// group before it runs this hook, which matters because a change of credentials clears the wish.
pub(crate) fn tie_to_this_thread(command: &mut Command, keep_open: Option<&File>) {
    let parent = std::process::id();
    let inherited = keep_open.map(AsRawFd::as_raw_fd);
    let hook = move || {
        #[cfg(target_os = "linux")]
        {
            // SAFETY: async-signal-safe system call with integer arguments.
            if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGINT as libc::c_ulong) } != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        // The parent may have died before the wish was noted; then nobody would ever send the signal.
        // SAFETY: async-signal-safe system call without arguments.
        if u32::try_from(unsafe { libc::getppid() }) != Ok(parent) {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        if let Some(fd) = inherited {
            // SAFETY: async-signal-safe system call on a descriptor that `keep_open` holds open in the parent until after
            // the spawn; clearing its close-on-exec flag happens in the child only.
            if unsafe { libc::fcntl(fd, libc::F_SETFD, 0) } != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: the hook only makes async-signal-safe system calls and allocates nothing (its errors carry numbers).
    unsafe {
        command.pre_exec(hook);
    }
}
