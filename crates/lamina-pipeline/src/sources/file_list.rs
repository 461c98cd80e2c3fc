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
use super::errors::{FetchError, SourceError};
use super::{Fetched, ListedItem, MediaSource, SourceLimits, Visit, keys};

/// The files that a `.txt` or `.csv` names.
///
/// * `.txt`: one path a line, as it stands; empty lines are passed over.
/// * `.csv` (RFC 4180, comma): the first column whose heading is one of `filename`, `file_name`, `path`, `file`; with
///   no such heading, the first column, and the first row is a file like all others.
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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ListKind {
    Lines,
    Table,
}

impl FileListSource {
    pub(super) fn open(
        path: &Path,
        roots: &[PathBuf],
        limits: SourceLimits,
    ) -> Result<Self, SourceError> {
        let extension = path
            .extension()
            .map(|e| e.to_string_lossy().to_ascii_lowercase())
            .unwrap_or_default();
        let kind = match extension.as_str() {
            "txt" => ListKind::Lines,
            "csv" => ListKind::Table,
            "" => {
                return Err(SourceError::UnsupportedList {
                    extension: "a file without an extension".to_owned(),
                });
            }
            other => {
                return Err(SourceError::UnsupportedList {
                    extension: format!(".{}", other.escape_debug()),
                });
            }
        };
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
        })
    }

    /// The list from its beginning; no more of it than the limit, should it have grown.
    fn text(&self) -> Result<impl BufRead + use<>, SourceError> {
        let mut text = BufReader::new(
            FromStart {
                file: Arc::clone(&self.list),
                position: 0,
            }
            .take(self.limits.max_list_bytes),
        );
        const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
        if text
            .fill_buf()
            .map_err(SourceError::Io)?
            .starts_with(BYTE_ORDER_MARK)
        {
            text.consume(BYTE_ORDER_MARK.len());
        }
        Ok(text)
    }

    /// Key, and the verdict that the path alone allows.
    fn judge(&self, entry: &[u8]) -> (String, Option<Rejection>) {
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

/// Lists made for other tools name files by addresses; taken as paths, those would only be files that are missing.
fn is_address(entry: &[u8]) -> bool {
    entry.windows(3).any(|three| three == b"://")
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

/// The entries of a list one after the other; gives `false` at the end.
trait Entries {
    fn next_into(&mut self, entry: &mut Vec<u8>) -> Result<bool, SourceError>;
}

struct Lines<R>(R);

impl<R: BufRead> Entries for Lines<R> {
    fn next_into(&mut self, entry: &mut Vec<u8>) -> Result<bool, SourceError> {
        entry.clear();
        if self.0.read_until(b'\n', entry).map_err(SourceError::Io)? == 0 {
            return Ok(false);
        }
        for end in [b'\n', b'\r'] {
            if entry.last() == Some(&end) {
                entry.pop();
            }
        }
        Ok(true)
    }
}

struct Table<R> {
    rows: csv::Reader<R>,
    row: csv::ByteRecord,
    column: Option<usize>,
}

const HEADINGS: [&str; 4] = ["filename", "file_name", "path", "file"];

impl<R: Read> Entries for Table<R> {
    fn next_into(&mut self, entry: &mut Vec<u8>) -> Result<bool, SourceError> {
        loop {
            if !self
                .rows
                .read_byte_record(&mut self.row)
                .map_err(table_error)?
            {
                return Ok(false);
            }
            let column = match self.column {
                Some(column) => column,
                None => {
                    let heading = |field: &[u8]| {
                        HEADINGS
                            .iter()
                            .any(|h| field.trim_ascii().eq_ignore_ascii_case(h.as_bytes()))
                    };
                    let found = self.row.iter().position(heading);
                    self.column = Some(found.unwrap_or(0));
                    if found.is_some() {
                        continue;
                    }
                    0
                }
            };
            entry.clear();
            entry.extend_from_slice(self.row.get(column).unwrap_or_default());
            return Ok(true);
        }
    }
}

/// Rows of any length and bytes of any kind are taken, so reading is all that can fail.
fn table_error(error: csv::Error) -> SourceError {
    SourceError::Io(io::Error::from(error))
}

impl MediaSource for FileListSource {
    fn visit(
        &self,
        stop: &dyn Fn() -> bool,
        each: &mut dyn FnMut(ListedItem) -> ControlFlow<()>,
    ) -> Result<(), SourceError> {
        let mut visit = Visit::new(&self.limits, stop, each);
        let text = self.text()?;
        let mut entries: Box<dyn Entries> = match self.kind {
            ListKind::Lines => Box::new(Lines(text)),
            ListKind::Table => Box::new(Table {
                rows: csv::ReaderBuilder::new()
                    .has_headers(false)
                    .flexible(true)
                    .from_reader(text),
                row: csv::ByteRecord::new(),
                column: None,
            }),
        };
        let mut seen = HashSet::new();
        let mut entry = Vec::new();
        while entries.next_into(&mut entry)? {
            if entry.trim_ascii().is_empty() {
                continue;
            }
            let (key, rejection) = self.judge(&entry);
            if seen.insert(key.clone()) {
                visit.show(key, &entry, rejection)?;
            }
        }
        Ok(())
    }

    fn fetch(&self, source_key: &str, max_bytes: u64) -> Result<Fetched, FetchError> {
        let path = keys::decode(source_key).ok_or(NotOpened::Name)?;
        let path = PathBuf::from(OsStr::from_bytes(&path));
        let located = self.roots.locate(&path).ok_or_else(outside)?;
        let bytes = below::read_file_below(located.root, &located.parts(), max_bytes)?;
        Ok(Fetched {
            bytes,
            path: Some(path),
        })
    }
}
