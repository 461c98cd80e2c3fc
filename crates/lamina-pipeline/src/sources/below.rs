//! Opening files below a folder, one part of the path at a time and never through a link.
//!
//! A check of a path followed by a use of the same path can be raced by whoever may rename things in the folder. Here
//! every part is opened relative to the descriptor of the one before with `O_NOFOLLOW`, and what a file is, and how
//! long, is asked of the opened descriptor.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use lamina_types::{RejectReason, Rejection};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::errors::{FetchError, SourceError};
use super::too_many_bytes;

/// Why something below a folder was not opened.
#[derive(Debug)]
pub(super) enum NotOpened {
    /// A part of the way is a link, or no folder.
    Way,
    /// The last part is not what was asked for, but this.
    Kind(FileType),
    Missing,
    Denied,
    /// No file can have this name.
    Name,
    Io(io::Error),
}

impl From<Errno> for NotOpened {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::LOOP | Errno::NOTDIR => Self::Way,
            Errno::NOENT => Self::Missing,
            Errno::ACCESS | Errno::PERM => Self::Denied,
            Errno::INVAL | Errno::NAMETOOLONG | Errno::ILSEQ => Self::Name,
            // What opening a socket, or a pipe or device without anything behind it, answers.
            Errno::NXIO | Errno::NODEV => Self::Kind(FileType::Unknown),
            other => Self::Io(other.into()),
        }
    }
}

/// The rejection for something that is neither a regular file nor a folder.
pub(super) fn not_regular(kind: FileType) -> Rejection {
    let detail = match kind {
        FileType::Symlink => "it is a link, and links are not followed",
        FileType::Fifo => "it is a pipe",
        FileType::Socket => "it is a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "it is a device",
        FileType::Directory => "it is a folder",
        FileType::RegularFile | FileType::Unknown => "it is not a regular file",
    };
    Rejection::new(RejectReason::NotARegularFile, detail)
}

impl From<NotOpened> for FetchError {
    fn from(failure: NotOpened) -> Self {
        let unreadable =
            |detail: &str| Self::Rejected(Rejection::new(RejectReason::Unreadable, detail));
        match failure {
            NotOpened::Way => Self::Rejected(Rejection::new(
                RejectReason::NotARegularFile,
                "the way to it goes through a link or through something that is not a folder",
            )),
            NotOpened::Kind(kind) => Self::Rejected(not_regular(kind)),
            NotOpened::Missing => unreadable("there is no such file"),
            NotOpened::Denied => unreadable("the server is not allowed to read it"),
            NotOpened::Name => unreadable("no file can have this name"),
            NotOpened::Io(error) => Self::Io(error),
        }
    }
}

impl NotOpened {
    /// The same for the path of a whole source.
    fn into_source_error(self, wanted: SourceError) -> SourceError {
        match self {
            Self::Way => SourceError::ThroughLink,
            Self::Kind(FileType::Symlink) => SourceError::ThroughLink,
            Self::Kind(_) => wanted,
            Self::Missing | Self::Name => SourceError::NotFound,
            Self::Denied => SourceError::Denied,
            Self::Io(error) => SourceError::Io(error),
        }
    }
}

/// The kind of one name in a folder, links not followed.
pub(super) fn kind_of(folder: BorrowedFd<'_>, name: &[u8]) -> Result<FileType, NotOpened> {
    let found = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(found.st_mode))
}

/// Opens one folder in a folder.
pub(super) fn open_folder_in(folder: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, NotOpened> {
    let flags =
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(folder, name, flags, Mode::empty())?)
}

/// Opens the folder at the end of `parts`, none of which may be empty, `.` or `..`.
fn open_folder_below(root: BorrowedFd<'_>, parts: &[&[u8]]) -> Result<OwnedFd, NotOpened> {
    let mut folder = open_folder_in(root, b".")?;
    for part in parts {
        check_part(part)?;
        folder = open_folder_in(folder.as_fd(), part)?;
    }
    Ok(folder)
}

fn check_part(part: &[u8]) -> Result<(), NotOpened> {
    if matches!(part, b"" | b"." | b"..") || part.iter().any(|b| matches!(b, 0 | b'/')) {
        return Err(NotOpened::Name);
    }
    Ok(())
}

/// Opens the regular file at the end of `parts`; also says its length in bytes.
pub(super) fn open_file_below(
    root: BorrowedFd<'_>,
    parts: &[&[u8]],
) -> Result<(File, u64), NotOpened> {
    let Some((name, way)) = parts.split_last() else {
        return Err(NotOpened::Kind(FileType::Directory));
    };
    check_part(name)?;
    let folder = open_folder_below(root, way)?;
    // Asked before opening too, because merely opening a device can do things. The answer that counts is the second.
    let kind = kind_of(folder.as_fd(), name)?;
    if kind != FileType::RegularFile {
        return Err(NotOpened::Kind(kind));
    }
    // NONBLOCK: should the name have become a pipe meanwhile, opening it does not wait for a writer.
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(&folder, *name, flags, Mode::empty()) {
        Err(Errno::LOOP) => return Err(NotOpened::Kind(FileType::Symlink)),
        opened => opened?,
    };
    let found = rustix::fs::fstat(&file)?;
    let kind = FileType::from_raw_mode(found.st_mode);
    if kind != FileType::RegularFile {
        return Err(NotOpened::Kind(kind));
    }
    Ok((File::from(file), u64::try_from(found.st_size).unwrap_or(0)))
}

/// Reads the regular file at the end of `parts`. A file that grows while it is read, or a sparse one, gives at most
/// `max_bytes` too.
pub(super) fn read_file_below(
    root: BorrowedFd<'_>,
    parts: &[&[u8]],
    max_bytes: u64,
) -> Result<Bytes, FetchError> {
    let (file, length) = open_file_below(root, parts)?;
    if length > max_bytes {
        return Err(too_many_bytes(max_bytes).into());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    file.take(max_bytes.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(FetchError::Io)?;
    if bytes.len() as u64 > max_bytes {
        return Err(too_many_bytes(max_bytes).into());
    }
    Ok(bytes.into())
}

/// One folder that the operator opened for ingests.
#[derive(Debug)]
struct Root {
    /// As configured, then with its links resolved: callers may know it by either.
    names: [PathBuf; 2],
    folder: OwnedFd,
}

/// The folders that may be read. Links on the way *to* a root are the operator's own and are followed.
#[derive(Debug)]
pub(super) struct Roots(Vec<Root>);

/// A path that lies below a root, as a way from it.
#[derive(Debug)]
pub(super) struct Located<'a> {
    pub(super) root: BorrowedFd<'a>,
    pub(super) parts: Vec<Vec<u8>>,
}

impl Located<'_> {
    pub(super) fn parts(&self) -> Vec<&[u8]> {
        self.parts.iter().map(Vec::as_slice).collect()
    }
}

impl Roots {
    /// Opens the roots that exist; one that is missing just opens nothing.
    pub(super) fn open(roots: &[PathBuf]) -> Result<Self, SourceError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut opened = Vec::with_capacity(roots.len());
        for root in roots {
            let folder = match rustix::fs::open(root, flags, Mode::empty()) {
                Ok(folder) => folder,
                Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS | Errno::LOOP) => continue,
                Err(errno) => return Err(SourceError::Io(errno.into())),
            };
            let real = fs_err::canonicalize(root).map_err(SourceError::Io)?;
            let named = if root.is_absolute() {
                root.clone()
            } else {
                real.clone()
            };
            opened.push(Root {
                names: [named, real],
                folder,
            });
        }
        Ok(Self(opened))
    }

    /// Finds the root above an absolute path. `.` and `..` are taken away by their text, which is right here because
    /// no link is ever followed below a root.
    pub(super) fn locate(&self, path: &Path) -> Option<Located<'_>> {
        let path = plain(path)?;
        let ways = self
            .0
            .iter()
            .flat_map(|root| root.names.iter().map(move |name| (root, name)));
        // The root nearest to the file, should roots lie in each other.
        let (root, rest) = ways
            .filter_map(|(root, name)| Some((root, path.strip_prefix(name).ok()?)))
            .min_by_key(|(_, rest)| rest.components().count())?;
        let parts = rest
            .components()
            .map(|part| part.as_os_str().as_bytes().to_vec())
            .collect();
        Some(Located {
            root: root.folder.as_fd(),
            parts,
        })
    }

    pub(super) fn open_folder(&self, path: &Path) -> Result<OwnedFd, SourceError> {
        let located = self.locate(path).ok_or(SourceError::OutsideRoots)?;
        let parts = located.parts();
        if let Some((name, way)) = parts.split_last() {
            let wanted = || SourceError::NotAFolder;
            let parent =
                open_folder_below(located.root, way).map_err(|e| e.into_source_error(wanted()))?;
            let kind = check_part(name).and_then(|()| kind_of(parent.as_fd(), name));
            let kind = kind.map_err(|e| e.into_source_error(wanted()))?;
            if kind != FileType::Directory {
                return Err(NotOpened::Kind(kind).into_source_error(wanted()));
            }
        }
        open_folder_below(located.root, &parts)
            .map_err(|e| e.into_source_error(SourceError::NotAFolder))
    }

    pub(super) fn open_file(&self, path: &Path) -> Result<(File, u64), SourceError> {
        let located = self.locate(path).ok_or(SourceError::OutsideRoots)?;
        open_file_below(located.root, &located.parts())
            .map_err(|e| e.into_source_error(SourceError::NotAFile))
    }
}

/// An absolute path without `.` and `..`; `None` for a relative one and for one that no file can have.
pub(super) fn plain(path: &Path) -> Option<PathBuf> {
    if !path.is_absolute() || path.as_os_str().as_bytes().contains(&0) {
        return None;
    }
    let mut plain = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            Component::ParentDir => {
                plain.pop();
            }
            Component::Normal(name) => plain.push(name),
        }
    }
    Some(plain)
}
