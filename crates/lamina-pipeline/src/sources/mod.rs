//! The places an ingest takes its files from: a folder, a list of files, an archive, a bucket.
//!
//! Owns the way from a path somebody sent to bytes in memory: which roots may be read at all, how a folder is walked
//! without following a link, how an archive is read without ever unpacking it to disk. Knows nothing of pictures: what
//! the bytes are is decided later, by one function for every door. Everything here blocks; call it from a thread that may.
//!
//! An ingest opens a source once, stores every [`ListedItem`] as a row, and later fetches the rows one by one, possibly
//! in another process after a restart: a `source_key` alone, with the source opened again, finds the same file. A file
//! that cannot be taken is an item or an answer with a [`Rejection`]; a [`SourceError`] means that there is no source.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use lamina_types::{RejectReason, Rejection};

mod archive;
mod below;
mod bucket;
mod elsewhere;
mod entries;
mod errors;
mod file_list;
mod folder;
mod keys;
mod names;
mod remote_list;
#[cfg(test)]
mod tests;

pub use archive::{ArchiveSource, TarSource};
pub use bucket::BucketSource;
pub use elsewhere::Elsewhere;
pub use errors::{FetchError, SourceError};
pub use file_list::FileListSource;
pub use folder::FolderSource;
pub use remote_list::RemoteListSource;

/// One file of a source, as found by listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedItem {
    /// Unique in the source, the same at every listing of an unchanged source, at most 2,000 bytes, free of control
    /// characters; what [`MediaSource::fetch`] takes.
    pub source_key: String,
    /// The last part of the name, for people: at most 255 characters, never empty, no control characters.
    pub file_name: String,
    /// The name inside the source with `/` between its parts, for people: at most 4,096 characters.
    pub original_uri: String,
    /// Why it will not be fetched, where listing already shows it.
    pub rejection: Option<Rejection>,
}

/// The bytes of one file.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// All of them.
    pub bytes: Bytes,
    /// Where the file lies, if it is a file of its own that may be served from its place later.
    pub path: Option<PathBuf>,
}

/// What one source may hold. A limit of an archive counts what is really read; what an archive says of itself is only
/// ever used to refuse earlier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLimits {
    /// Items in one listing.
    pub max_files: u64,
    /// Folders within folders.
    pub max_depth: usize,
    /// Bytes of a list of files.
    pub max_list_bytes: u64,
    /// Entries of an archive, folders included.
    pub max_archive_entries: u64,
    /// Bytes of an archive's directory, which is held in memory while it is read.
    pub max_directory_bytes: u64,
    /// Unpacked bytes of one entry.
    pub max_entry_bytes: u64,
    /// Unpacked bytes of all entries together.
    pub max_unpacked_bytes: u64,
    /// Unpacked over packed bytes of one entry, beyond `ratio_free_bytes`.
    pub max_ratio: u64,
    /// Unpacked bytes up to which any ratio is fine.
    pub ratio_free_bytes: u64,
}

impl Default for SourceLimits {
    fn default() -> Self {
        Self {
            max_files: 5_000_000,
            max_depth: 100,
            max_list_bytes: 256 << 20,
            max_archive_entries: 200_000,
            max_directory_bytes: 256 << 20,
            max_entry_bytes: 500_000_000,
            max_unpacked_bytes: 200_000_000_000,
            max_ratio: 200,
            ratio_free_bytes: 1 << 20,
        }
    }
}

/// A place with files. Opened sources may be shared between threads and fetched from by all of them at once.
pub trait MediaSource: Send + Sync {
    /// Shows every file to `each`, in an order that depends on the source's content only: folders and archives by the
    /// bytes of the path, lists as written. `stop` is asked now and then; `each` may end the visit too.
    ///
    /// # Errors
    /// [`SourceError::Stopped`] after either; [`SourceError::TooManyFiles`]; the source itself cannot be read.
    fn visit(
        &self,
        stop: &dyn Fn() -> bool,
        each: &mut dyn FnMut(ListedItem) -> ControlFlow<()>,
    ) -> Result<(), SourceError>;

    /// Every file at once: [`visit`](Self::visit) into a list. About 250 bytes of memory an item.
    ///
    /// # Errors
    /// Those of `visit`.
    fn list(&self, stop: &dyn Fn() -> bool) -> Result<Vec<ListedItem>, SourceError> {
        let mut items = Vec::new();
        self.visit(stop, &mut |item| {
            items.push(item);
            ControlFlow::Continue(())
        })?;
        Ok(items)
    }

    /// Reads one file whole. An empty file is not rejected here: what no bytes mean is for whoever looks at pictures.
    ///
    /// # Errors
    /// [`FetchError::Rejected`]: this file will never be taken, for instance because it has more than `max_bytes` or
    /// became a link. [`FetchError::Io`]: the storage failed, trying again may help.
    fn fetch(&self, source_key: &str, max_bytes: u64) -> Result<Fetched, FetchError>;

    /// The files behind the one with this key, a part at a time, for sources whose listing takes long enough to be interrupted;
    /// `None` from those that are listed at once.
    fn page(&self, _after: Option<&str>) -> Option<Result<ItemPage, SourceError>> {
        None
    }

    /// Whether fetching mostly waits for a network: it then needs no share of the processor.
    fn is_elsewhere(&self) -> bool {
        false
    }
}

/// A part of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemPage {
    /// In the order of the listing; may be none even when more follow.
    pub items: Vec<ListedItem>,
    /// Where to go on; `None` at the end.
    pub next: Option<String>,
}

/// Opens a folder that is one of `roots` or lies below one. A root may be reached by links, nothing below it may.
///
/// # Errors
/// Outside of the roots, missing, not a folder, a link, not readable.
pub fn open_folder(
    path: &Path,
    roots: &[PathBuf],
    limits: SourceLimits,
) -> Result<FolderSource, SourceError> {
    FolderSource::open(path, roots, limits)
}

/// Opens a list of files, `.txt`, `.csv` or `.parquet`, below one of `roots`. What it names is read only below them too.
///
/// # Errors
/// As [`open_folder`]; the list is too long or of a kind that is not read.
pub fn open_file_list(
    path: &Path,
    roots: &[PathBuf],
    limits: SourceLimits,
) -> Result<FileListSource, SourceError> {
    FileListSource::open(path, roots, limits)
}

/// Opens a zip archive below one of `roots` and reads its directory.
///
/// # Errors
/// As [`open_folder`]; not an archive, damaged, too many entries.
pub fn open_zip(
    path: &Path,
    roots: &[PathBuf],
    limits: SourceLimits,
) -> Result<ArchiveSource, SourceError> {
    ArchiveSource::open(path, roots, limits)
}

/// Counts items and asks `stop` once in a while; every source passes its items through one.
struct Visit<'a> {
    stop: &'a dyn Fn() -> bool,
    each: &'a mut dyn FnMut(ListedItem) -> ControlFlow<()>,
    max_files: u64,
    shown: u64,
}

impl<'a> Visit<'a> {
    fn new(
        limits: &SourceLimits,
        stop: &'a dyn Fn() -> bool,
        each: &'a mut dyn FnMut(ListedItem) -> ControlFlow<()>,
    ) -> Self {
        Self {
            stop,
            each,
            max_files: limits.max_files,
            shown: 0,
        }
    }

    fn check_stop(&self) -> Result<(), SourceError> {
        if (self.stop)() {
            Err(SourceError::Stopped)
        } else {
            Ok(())
        }
    }

    /// Shows the file with this path (raw bytes, `/` between the parts). A path too long for a key cannot be fetched
    /// again, so it is rejected; its key is then made unique by its place in the listing.
    fn show(
        &mut self,
        key: String,
        path: &[u8],
        rejection: Option<Rejection>,
    ) -> Result<(), SourceError> {
        const ITEMS_BETWEEN_CHECKS: u64 = 256;
        if self.shown.is_multiple_of(ITEMS_BETWEEN_CHECKS) {
            self.check_stop()?;
        }
        if self.shown >= self.max_files {
            return Err(SourceError::TooManyFiles {
                limit: self.max_files,
            });
        }
        let (source_key, rejection) = if key.len() > keys::MAX_KEY_BYTES {
            let detail = format!("its path is longer than {} bytes", keys::MAX_KEY_BYTES);
            let rejection =
                rejection.unwrap_or_else(|| Rejection::new(RejectReason::Unreadable, detail));
            (keys::shortened(&key, self.shown), Some(rejection))
        } else {
            (key, rejection)
        };
        self.shown += 1;
        let item = ListedItem {
            source_key,
            file_name: names::file_name(path),
            original_uri: names::uri(path),
            rejection,
        };
        match (self.each)(item) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(SourceError::Stopped),
        }
    }
}

/// The one wording of this verdict, whichever door a file came by.
fn too_many_bytes(max_bytes: u64) -> Rejection {
    Rejection::new(
        RejectReason::TooManyBytes,
        format!("it has more than {max_bytes} bytes"),
    )
}
