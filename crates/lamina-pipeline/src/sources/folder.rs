//! A folder, walked all the way down.

use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::vec;

use lamina_types::{RejectReason, Rejection};
use rustix::fs::{Dir, FileType};

use super::below::{self, NotOpened, Roots};
use super::errors::{FetchError, SourceError};
use super::{Fetched, ListedItem, MediaSource, SourceLimits, Visit, keys, names};

/// The regular files in a folder and in the folders below it.
///
/// * Links, pipes, sockets and devices are listed as rejected: not followed, not opened.
/// * Not mentioned at all: names that begin with a dot, what operating systems leave behind (`Thumbs.db`,
///   `desktop.ini`, `__MACOSX` and the like).
/// * A folder that cannot be read is one rejected item.
#[derive(Debug)]
pub struct FolderSource {
    /// Absolute, without `..`.
    path: PathBuf,
    folder: OwnedFd,
    limits: SourceLimits,
}

/// A folder that is being walked: what of it is still to come, sorted.
struct Level {
    folder: OwnedFd,
    names: vec::IntoIter<(Vec<u8>, FileType)>,
    /// Length of the path of this folder, with the `/` behind it.
    path_length: usize,
}

impl FolderSource {
    pub(super) fn open(
        path: &Path,
        roots: &[PathBuf],
        limits: SourceLimits,
    ) -> Result<Self, SourceError> {
        let folder = Roots::open(roots)?.open_folder(path)?;
        Ok(Self {
            path: below::plain(path).ok_or(SourceError::OutsideRoots)?,
            folder,
            limits,
        })
    }

    fn open_root(&self) -> Result<Level, SourceError> {
        let folder = below::open_folder_in(self.folder.as_fd(), b".");
        let opened = folder
            .map_err(NoLevel::from)
            .and_then(|f| read_level(f, 0, self.limits.max_files));
        opened.map_err(|failure| match failure {
            NoLevel::TooManyNames => self.too_many_files(),
            NoLevel::NotOpened(NotOpened::Denied) => SourceError::Denied,
            NoLevel::NotOpened(NotOpened::Io(error)) => SourceError::Io(error),
            NoLevel::NotOpened(
                NotOpened::Way | NotOpened::Kind(_) | NotOpened::Name | NotOpened::Missing,
            ) => SourceError::NotFound,
        })
    }

    /// Opens a folder of the walk. Outer error: the listing cannot go on, or it would be wrong. Inner: this folder
    /// alone is rejected.
    fn open_level(
        &self,
        parent: &Level,
        name: &[u8],
        path_length: usize,
    ) -> Result<Result<Level, Rejection>, SourceError> {
        let folder = below::open_folder_in(parent.folder.as_fd(), name);
        let opened = folder
            .map_err(NoLevel::from)
            .and_then(|f| read_level(f, path_length, self.limits.max_files));
        match opened {
            Ok(level) => Ok(Ok(level)),
            Err(NoLevel::TooManyNames) => Err(self.too_many_files()),
            Err(NoLevel::NotOpened(failure)) => match FetchError::from(failure) {
                FetchError::Rejected(rejection) => Ok(Err(rejection)),
                FetchError::Io(error) => Err(SourceError::Io(error)),
            },
        }
    }

    fn too_many_files(&self) -> SourceError {
        SourceError::TooManyFiles {
            limit: self.limits.max_files,
        }
    }
}

/// Why the names in a folder are not known.
enum NoLevel {
    NotOpened(NotOpened),
    /// This folder alone holds more than a whole source may.
    TooManyNames,
}

impl<E: Into<NotOpened>> From<E> for NoLevel {
    fn from(failure: E) -> Self {
        Self::NotOpened(failure.into())
    }
}

/// The names in a folder, in the order that makes whole paths come out by their bytes: a folder sorts as its name with
/// the `/` that will follow it.
fn read_level(folder: OwnedFd, path_length: usize, max_names: u64) -> Result<Level, NoLevel> {
    let mut found = Vec::new();
    for entry in Dir::read_from(&folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if names::is_left_out(name) {
            continue;
        }
        let mut kind = entry.file_type();
        // Some file systems do not say.
        if kind == FileType::Unknown {
            kind = match below::kind_of(folder.as_fd(), name) {
                Err(NotOpened::Missing) => continue,
                asked => asked?,
            };
        }
        if found.len() as u64 >= max_names {
            return Err(NoLevel::TooManyNames);
        }
        found.push((name.to_vec(), kind));
    }
    found.sort_unstable_by(|(a, a_kind), (b, b_kind)| {
        sort_bytes(a, *a_kind).cmp(sort_bytes(b, *b_kind))
    });
    Ok(Level {
        folder,
        names: found.into_iter(),
        path_length,
    })
}

fn sort_bytes(name: &[u8], kind: FileType) -> impl Iterator<Item = &u8> {
    let slash: &[u8] = if kind == FileType::Directory {
        b"/"
    } else {
        b""
    };
    name.iter().chain(slash)
}

impl MediaSource for FolderSource {
    fn visit(
        &self,
        stop: &dyn Fn() -> bool,
        each: &mut dyn FnMut(ListedItem) -> ControlFlow<()>,
    ) -> Result<(), SourceError> {
        let mut visit = Visit::new(&self.limits, stop, each);
        let mut levels = vec![self.open_root()?];
        let mut path = Vec::new();
        loop {
            let depth = levels.len();
            let Some(level) = levels.last_mut() else {
                return Ok(());
            };
            let Some((name, kind)) = level.names.next() else {
                levels.pop();
                continue;
            };
            path.truncate(level.path_length);
            path.extend_from_slice(&name);
            match kind {
                FileType::RegularFile => visit.show(keys::encode(&path), &path, None)?,
                FileType::Directory => {
                    visit.check_stop()?;
                    let opened = if depth > self.limits.max_depth {
                        Err(Rejection::new(
                            RejectReason::Unreadable,
                            "it is a folder within too many folders",
                        ))
                    } else {
                        self.open_level(level, &name, path.len() + 1)?
                    };
                    match opened {
                        Ok(level) => {
                            path.push(b'/');
                            levels.push(level);
                        }
                        Err(rejection) => {
                            visit.show(keys::encode(&path), &path, Some(rejection))?
                        }
                    }
                }
                FileType::Symlink
                | FileType::Fifo
                | FileType::Socket
                | FileType::CharacterDevice
                | FileType::BlockDevice
                | FileType::Unknown => {
                    visit.show(keys::encode(&path), &path, Some(below::not_regular(kind)))?;
                }
            }
        }
    }

    fn fetch(&self, source_key: &str, max_bytes: u64) -> Result<Fetched, FetchError> {
        let relative = keys::decode(source_key).ok_or(NotOpened::Name)?;
        let parts: Vec<&[u8]> = relative.split(|b| *b == b'/').collect();
        let bytes = below::read_file_below(self.folder.as_fd(), &parts, max_bytes)?;
        Ok(Fetched {
            bytes,
            path: Some(self.path.join(OsStr::from_bytes(&relative))),
        })
    }
}
