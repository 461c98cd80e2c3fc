//! A list of files, written by somebody else.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lamina_types::{RejectReason, Rejection};

use super::below::{self, NotOpened, Roots};
use super::elsewhere::{Elsewhere, is_address, shown};
use super::entries::{self, Entries, ListKind};
use super::errors::{FetchError, SourceError};
use super::{Fetched, ListedItem, MediaSource, SourceLimits, Visit, keys};

/// The files that a `.txt`, `.csv` or `.parquet` names.
///
/// * `.txt`: one path a line, as it stands; empty lines are passed over.
/// * `.csv` (RFC 4180, comma): the first column whose heading is one of `filename`, `file_name`, `path`, `file`; with
///   no such heading, the first column, and the first row is a file like all others.
/// * `.parquet`: the first column with such a heading, else the first column of texts.
/// * An address (`s3://`, `http(s)://`) is read if the operator opened its bucket or host.
/// * A path is absolute or relative to the list's folder. Whatever it is, it must end up below a root and no part of it
///   below the root may be a link; what is outside is listed as rejected, and nothing more is said about it.
/// * A file named twice, in whatever spelling, is one item: tables with a row per label name each file often.
///
/// Items come in the order of the list; their key is the plain absolute path.
#[derive(Debug)]
pub struct FileListSource {
    list: Arc<File>,
    kind: ListKind,
    /// What relative paths are relative to.
    folder: PathBuf,
    roots: Roots,
    limits: SourceLimits,
    elsewhere: Option<Elsewhere>,
}

impl FileListSource {
    pub(super) fn open(
        path: &Path,
        roots: &[PathBuf],
        limits: SourceLimits,
    ) -> Result<Self, SourceError> {
        let kind = ListKind::of(&path.to_string_lossy())?;
        let roots = Roots::open(roots)?;
        let (list, length) = roots.open_file(path)?;
        if length > limits.max_list_bytes {
            return Err(SourceError::ListTooLong {
                limit: limits.max_list_bytes,
            });
        }
        let plain = below::plain(path).ok_or(SourceError::OutsideRoots)?;
        let folder = plain
            .parent()
            .map(Path::to_owned)
            .ok_or(SourceError::NotAFile)?;
        Ok(Self {
            list: Arc::new(list),
            kind,
            folder,
            roots,
            limits,
            elsewhere: None,
        })
    }

    /// The list from its beginning; no more of it than the limit, should it have grown.
    fn text(&self) -> impl BufRead + use<> {
        BufReader::new(
            FromStart {
                file: Arc::clone(&self.list),
                position: 0,
            }
            .take(self.limits.max_list_bytes),
        )
    }

    fn entries(&self) -> Result<Box<dyn Entries>, SourceError> {
        match self.kind {
            ListKind::Parquet => {
                entries::of_parquet(self.list.try_clone().map_err(SourceError::Io)?)
            }
            ListKind::Lines | ListKind::Table => entries::of_text(self.kind, self.text()),
        }
    }

    /// The same list, whose addresses are read too.
    #[must_use]
    pub fn with_elsewhere(mut self, elsewhere: Elsewhere) -> Self {
        self.elsewhere = Some(elsewhere);
        self
    }

    /// Key, and the verdict that the path alone allows.
    fn judge(&self, entry: &[u8]) -> (String, Option<Rejection>) {
        if let Some(elsewhere) = self.elsewhere.as_ref().filter(|_| is_address(entry)) {
            return elsewhere.judge(entry);
        }
        match below::plain(&self.folder.join(OsStr::from_bytes(entry))) {
            Some(path) => {
                let rejection = if is_address(entry) {
                    Some(Rejection::new(
                        RejectReason::Unreadable,
                        "it is an address, and lists are read for files only",
                    ))
                } else if self.roots.locate(&path).is_some() {
                    None
                } else {
                    Some(outside())
                };
                (keys::encode(path.as_os_str().as_bytes()), rejection)
            }
            // A NUL in it; the entry itself is the only name there is.
            None => (keys::encode(entry), Some(outside())),
        }
    }
}

fn outside() -> Rejection {
    Rejection::new(
        RejectReason::Unreadable,
        "it is outside the allowed folders",
    )
}

/// A file read from its beginning whatever other readers of the same descriptor do.
struct FromStart {
    file: Arc<File>,
    position: u64,
}

impl Read for FromStart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = std::os::unix::fs::FileExt::read_at(&*self.file, buffer, self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl MediaSource for FileListSource {
    fn visit(
        &self,
        stop: &dyn Fn() -> bool,
        each: &mut dyn FnMut(ListedItem) -> ControlFlow<()>,
    ) -> Result<(), SourceError> {
        let mut visit = Visit::new(&self.limits, stop, each);
        let mut entries = self.entries()?;
        let mut seen = HashSet::new();
        let mut entry = Vec::new();
        while entries.next_into(&mut entry)? {
            if entry.trim_ascii().is_empty() {
                continue;
            }
            let (key, rejection) = self.judge(&entry);
            if seen.insert(key.clone()) {
                visit.show(key, shown(&entry), rejection)?;
            }
        }
        Ok(())
    }

    fn fetch(&self, source_key: &str, max_bytes: u64) -> Result<Fetched, FetchError> {
        let path = keys::decode(source_key).ok_or(NotOpened::Name)?;
        if let Some(elsewhere) = self.elsewhere.as_ref().filter(|_| !path.starts_with(b"/")) {
            return elsewhere.fetch(&path, max_bytes);
        }
        let path = PathBuf::from(OsStr::from_bytes(&path));
        let located = self.roots.locate(&path).ok_or_else(outside)?;
        let bytes = below::read_file_below(located.root, &located.parts(), max_bytes)?;
        Ok(Fetched {
            bytes,
            path: Some(path),
        })
    }
}
