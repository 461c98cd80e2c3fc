//! The directories of the private cluster, whose they are, and how the server is told about them.
//!
//! ```text
//! <data dir>/postgres/          root:<group of the server's account> 0710, or ours 0700
//!     data/                     the cluster, the account's, 0700
//!     data.init.<process>/      a cluster being made
//!     socket/                   the account's, 0700; a link to a short directory elsewhere when this path is too long
//!     owner.lock  users.lock    see the module lock
//!     server.log  server.log.1
//! ```
//! When Lamina runs as root, only `data`, `data.init` and `socket` belong to the other account: root never opens a file
//! for writing in a directory where that account could have put a link.

use std::{
    fs::{DirBuilder, Permissions},
    io,
    os::fd::AsRawFd,
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
};

use fs_err::{File, OpenOptions, os::unix::fs::OpenOptionsExt};

use crate::{account::RunAs, error::PostgresError, sys, wire};

/// `sockaddr_un` holds 108 bytes, one of them the closing zero.
const MAX_SOCKET_PATH_BYTES: usize = 107;
const UNFINISHED_PREFIX: &str = "data.init.";
const MAX_LOG_BYTES: u64 = 8 << 20;

/// Where everything is, as this process sees it.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) data_dir: PathBuf,
    root: PathBuf,
}

impl Layout {
    /// Makes the data directory and the cluster's directory if need be.
    pub(crate) fn prepare(data_dir: &Path) -> io::Result<Self> {
        private_directory(data_dir)?;
        let data_dir = fs_err::canonicalize(data_dir)?;
        let root = data_dir.join("postgres");
        private_directory(&root)?;
        Ok(Self { data_dir, root })
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// Where this process makes a cluster. Named by process, because an `initdb` whose starter was killed may go on for a
    /// moment and must not write into the next one's directory.
    pub(crate) fn unfinished_data(&self) -> PathBuf {
        self.root
            .join(format!("{UNFINISHED_PREFIX}{}", std::process::id()))
    }

    /// What interrupted first starts left behind.
    pub(crate) fn abandoned_data(&self) -> io::Result<Vec<PathBuf>> {
        let entries = fs_err::read_dir(&self.root)?.collect::<io::Result<Vec<_>>>()?;
        let is_abandoned =
            |name: &std::ffi::OsStr| name.as_bytes().starts_with(UNFINISHED_PREFIX.as_bytes());
        Ok(entries
            .into_iter()
            .filter(|entry| is_abandoned(&entry.file_name()))
            .map(|entry| entry.path())
            .collect())
    }

    pub(crate) fn owner_lock(&self) -> PathBuf {
        Self::lock_of(&self.data_dir)
    }

    /// The owner's lock file of any data directory, prepared or not.
    pub(crate) fn lock_of(data_dir: &Path) -> PathBuf {
        data_dir.join("postgres").join("owner.lock")
    }

    pub(crate) fn users_lock(&self) -> PathBuf {
        self.root.join("users.lock")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.root.join("server.log")
    }

    /// A name for this cluster that is the same at every start: the server carries it in its process titles.
    pub(crate) fn tag(&self) -> String {
        format!("lamina-{:016x}", fnv1a(self.root.as_os_str().as_bytes()))
    }

    /// The directory with the socket, links resolved. Exists once an owner has prepared it.
    pub(crate) fn socket_dir(&self) -> io::Result<PathBuf> {
        fs_err::canonicalize(self.root.join("socket"))
    }

    /// Opens the server's log for appending; a large one is put aside first.
    pub(crate) fn open_log(&self) -> io::Result<File> {
        let path = self.log();
        if fs_err::metadata(&path).is_ok_and(|found| found.len() > MAX_LOG_BYTES) {
            fs_err::rename(&path, self.root.join("server.log.1"))?;
        }
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)
    }

    /// The last lines of the log, for messages.
    pub(crate) fn log_tail(&self) -> String {
        let text = fs_err::read(self.log())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines
            .iter()
            .skip(lines.len().saturating_sub(12))
            .map(|line| format!("  {line}\n"))
            .collect()
    }

    /// Gives `data.init`'s future owner and the socket directory their rights, and says how the server is to be told
    /// about the paths.
    pub(crate) fn hand_over(&self, run_as: &RunAs) -> Result<ServerView, PostgresError> {
        let found = fs_err::metadata(&self.root)?;
        if found.uid() != sys::effective_uid() {
            return Err(PostgresError::ForeignCluster {
                path: self.root.clone(),
                owner: found.uid(),
            });
        }
        if let RunAs::Other(account) = run_as {
            // The group may pass, so that the account reaches `data`; nobody but root may list or write.
            std::os::unix::fs::chown(&self.root, Some(0), Some(account.gid))?;
            fs_err::set_permissions(&self.root, Permissions::from_mode(0o710))?;
        }
        self.prepare_socket_dir(run_as)?;
        let data = self.data();
        if run_as.blocked_on_the_way_to(&data)?.is_none() {
            return Ok(ServerView {
                root: self.root.clone(),
                real_root: self.root.clone(),
                handle: None,
            });
        }
        // A directory above ours is closed to the account (a private home, a private temporary directory). It need not
        // pass there if it inherits an open handle: the kernel lets a process step through its own /proc/self/fd.
        let handle = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
            .open(&self.root)?;
        let through_handle = PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd()));
        if !fs_err::metadata(through_handle.join("socket")).is_ok_and(|found| found.is_dir()) {
            run_as.require_way_to(&data)?;
        }
        Ok(ServerView {
            root: through_handle,
            real_root: self.root.clone(),
            handle: Some(handle),
        })
    }

    fn prepare_socket_dir(&self, run_as: &RunAs) -> Result<(), PostgresError> {
        let link = self.root.join("socket");
        let real = if fits_in_a_socket_address(&link) {
            link.clone()
        } else {
            short_directories(run_as.uid(), &self.tag())
                .into_iter()
                .find(|candidate| candidate.parent().is_some_and(Path::is_dir))
                .unwrap_or_else(|| link.clone())
        };
        if real != link {
            match fs_err::remove_file(&link) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => fs_err::os::unix::fs::symlink(&real, &link)?,
            }
        }
        match DirBuilder::new().mode(0o700).create(&real) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error.into()),
            _ => {}
        }
        if let RunAs::Other(account) = run_as
            && fs_err::symlink_metadata(&real)?.uid() == 0
        {
            fs_err::os::unix::fs::lchown(&real, Some(account.uid), Some(account.gid))?;
        }
        // In /tmp anybody could have made this directory before us.
        let found = fs_err::symlink_metadata(&real)?;
        if !found.is_dir() || found.uid() != run_as.uid() || found.mode() & 0o077 != 0 {
            return Err(PostgresError::UnsafeSocketDirectory {
                path: real,
                owner: run_as.uid(),
            });
        }
        Ok(())
    }

    /// Removes a socket directory that had to be made outside of the data directory.
    pub(crate) fn remove_outside_socket_dir(&self) {
        let link = self.root.join("socket");
        if let Ok(real) = fs_err::read_link(&link) {
            // Only empty directories go; a failure leaves an empty private directory behind, which the next start uses.
            let _ = fs_err::remove_dir(real);
        }
    }
}

/// The cluster's directories as the server is told about them.
#[derive(Debug)]
pub(crate) struct ServerView {
    root: PathBuf,
    real_root: PathBuf,
    /// Must stay open while a child is being spawned: the child inherits it under the same number.
    pub(crate) handle: Option<File>,
}

impl ServerView {
    /// Translates a path of ours into the one that the server can use.
    pub(crate) fn of(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.real_root)
            .map_or_else(|_| path.to_owned(), |inside| self.root.join(inside))
    }

    /// The open directory that a child must inherit for the translated paths to mean anything.
    pub(crate) fn inherited(&self) -> Option<&std::fs::File> {
        self.handle.as_ref().map(File::file)
    }
}

/// True when a socket in `directory` can be bound and reached.
fn fits_in_a_socket_address(directory: &Path) -> bool {
    wire::socket_file(directory).as_os_str().len() <= MAX_SOCKET_PATH_BYTES
}

/// Where a socket may lie when the data directory's path is too long, best first.
fn short_directories(uid: u32, tag: &str) -> Vec<PathBuf> {
    let mut parents = vec![format!("/run/user/{uid}")];
    if sys::effective_uid() == 0 {
        parents.push("/run".to_owned());
    }
    parents.push("/tmp".to_owned());
    parents
        .iter()
        .map(|parent| Path::new(parent).join(tag))
        .collect()
}

/// Makes a directory that only we may use; one that exists is left as it is.
fn private_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("{} could not be made: {error}", path.display()),
            )
        })
}

/// FNV-1a with 64 bits: the same in every build and release, unlike the standard library's hasher.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_matches_the_published_vector() {
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn only_short_paths_fit_in_a_socket_address() {
        assert!(fits_in_a_socket_address(Path::new(
            "/var/lib/lamina/postgres/socket"
        )));
        assert!(fits_in_a_socket_address(Path::new(&format!(
            "/{}",
            "x".repeat(106 - "/.s.PGSQL.5432".len())
        ))));
        assert!(!fits_in_a_socket_address(Path::new(&format!(
            "/{}",
            "x".repeat(107 - "/.s.PGSQL.5432".len())
        ))));
    }

    #[test]
    fn paths_are_translated_below_the_root_only() {
        let view = ServerView {
            root: "/proc/self/fd/9".into(),
            real_root: "/root/x/postgres".into(),
            handle: None,
        };
        assert_eq!(
            view.of(Path::new("/root/x/postgres/data")),
            Path::new("/proc/self/fd/9/data")
        );
        assert_eq!(
            view.of(Path::new("/tmp/lamina-1")),
            Path::new("/tmp/lamina-1")
        );
    }

    #[test]
    fn the_log_tail_is_short() {
        let data = tempfile::tempdir().unwrap();
        let layout = Layout::prepare(data.path()).unwrap();
        let text: String = (0..100).map(|line| format!("line {line}\n")).collect();
        fs_err::write(layout.log(), text).unwrap();
        let tail = layout.log_tail();
        assert_eq!(tail.lines().count(), 12);
        assert!(tail.ends_with("line 99\n"));
    }
}
