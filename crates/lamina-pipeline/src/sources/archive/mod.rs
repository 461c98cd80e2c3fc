//! A zip archive, read in place.
//!
//! Nothing is ever unpacked to disk and no entry's name is ever used as a path: a name is something to show. What can be
//! seen from the directory and the headers is judged when the archive is opened ([`directory`]); what only shows while
//! unpacking is counted there ([`unpack`]).

use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use lamina_types::{RejectReason, Rejection};

use self::directory::Entry;
use super::below::Roots;
use super::errors::{FetchError, SourceError};
use super::{Fetched, ListedItem, MediaSource, SourceLimits, Visit, keys, names};

mod directory;
mod entry_names;
mod overlaps;
mod reader;
mod tape;
mod unpack;

pub use tape::TarSource;

/// The files in a zip archive: stored or deflated, zip64 or not, names in UTF-8 or code page 437.
///
/// * Folders are no items; hidden files and what operating systems leave behind are left out as in a folder.
/// * Listed as rejected: names that leave the archive, links and other non-files, encrypted entries, entries that share
///   bytes with others, that pack beyond belief, are too large, or would bring the whole beyond its limit.
/// * An archive inside of an archive is a file like any other, and no picture.
///
/// Holds about 150 bytes an entry. Fetching is safe from many threads at once, they share one descriptor and nothing
/// else.
#[derive(Debug)]
pub struct ArchiveSource {
    file: File,
    /// In the order of the archive's directory: the place is part of the key.
    entries: Vec<Entry>,
    /// The same by name, which is the order of listing.
    order: Vec<u32>,
    limits: SourceLimits,
}

impl ArchiveSource {
    pub(super) fn open(
        path: &Path,
        roots: &[PathBuf],
        limits: SourceLimits,
    ) -> Result<Self, SourceError> {
        let (file, length) = Roots::open(roots)?.open_file(path)?;
        let entries = directory::read(&file, length, &limits)?;
        let mut order = Vec::with_capacity(entries.len());
        for (place, entry) in (0u32..).zip(&entries) {
            if !is_skipped(&entry.name) {
                order.push((entry.name.as_str(), place));
            }
        }
        order.sort_unstable();
        let order = order.into_iter().map(|(_, place)| place).collect();
        Ok(Self {
            file,
            entries,
            order,
            limits,
        })
    }
}

/// Whether a listing passes over the entry. A name that leaves the archive never hides: its `..` begins with a dot.
fn is_skipped(name: &str) -> bool {
    entry_names::inside(name).is_some_and(|name| {
        name.split('/')
            .any(|part| names::is_left_out(part.as_bytes()))
    })
}

/// The place makes it unique, as names may repeat; the name makes sure that a key is not used on another archive.
fn key(place: u32, entry: &Entry) -> String {
    let key = format!("{place}:{}", keys::encode(entry.name.as_bytes()));
    if key.len() > keys::MAX_KEY_BYTES {
        keys::shortened(&key, u64::from(place))
    } else {
        key
    }
}

impl MediaSource for ArchiveSource {
    fn visit(
        &self,
        stop: &dyn Fn() -> bool,
        each: &mut dyn FnMut(ListedItem) -> ControlFlow<()>,
    ) -> Result<(), SourceError> {
        let mut visit = Visit::new(&self.limits, stop, each);
        for place in &self.order {
            if let Some(entry) = self.entries.get(*place as usize) {
                visit.show(
                    key(*place, entry),
                    entry.name.as_bytes(),
                    entry.rejection.clone(),
                )?;
            }
        }
        Ok(())
    }

    fn fetch(&self, source_key: &str, max_bytes: u64) -> Result<Fetched, FetchError> {
        let place = source_key
            .split_once(':')
            .and_then(|(place, _)| place.parse::<u32>().ok());
        let entry = place
            .and_then(|place| {
                self.entries
                    .get(place as usize)
                    .filter(|entry| key(place, entry) == source_key)
            })
            .ok_or_else(|| {
                Rejection::new(RejectReason::Unreadable, "the archive has no such entry")
            })?;
        let bytes = unpack::unpack(&self.file, entry, &self.limits, max_bytes)?;
        Ok(Fetched { bytes, path: None })
    }
}
