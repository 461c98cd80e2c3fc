//! A tar archive, plain or gzipped, read in place.
//!
//! As with zip archives, no name in it is ever a path. A plain archive is read where it lies; a gzipped one is unpacked once into
//! a file without a name, under the limits of archives, because its entries cannot be reached one by one otherwise.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, Write};
use std::ops::ControlFlow;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use lamina_types::{RejectReason, Rejection};
use tar::EntryType;

use super::reader::Span;
use super::{entry_names, is_skipped};
use crate::sources::below::Roots;
use crate::sources::errors::{FetchError, SourceError};
use crate::sources::{Fetched, ListedItem, MediaSource, SourceLimits, Visit, keys, too_many_bytes};

/// How a gzipped file begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Bytes unpacked between two looks at the limits.
const PIECE_BYTES: usize = 64 << 10;

/// The files in a tar archive.
#[derive(Debug)]
pub struct TarSource {
    file: File,
    /// In the order of the archive: the place is part of the key.
    entries: Vec<Entry>,
    /// The same by name, which is the order of listing.
    order: Vec<u32>,
    limits: SourceLimits,
}

#[derive(Debug)]
struct Entry {
    name: Vec<u8>,
    start: u64,
    bytes: u64,
    rejection: Option<Rejection>,
}

impl TarSource {
    /// Opens an archive that is `root` or lies below it. `scratch` is a folder for what has to be unpacked.
    ///
    /// # Errors
    /// As for a zip archive.
    pub fn open(
        path: &Path,
        root: &Path,
        scratch: &Path,
        limits: SourceLimits,
    ) -> Result<Self, SourceError> {
        let (mut file, _) = Roots::open(&[root.to_path_buf()])?.open_file(path)?;
        let mut start = [0; 2];
        let is_gzipped = file.read_exact(&mut start).is_ok() && start == GZIP;
        file.rewind().map_err(SourceError::Io)?;
        if is_gzipped {
            file = unpacked(file, scratch, &limits)?;
        }
        let entries = read(&file, &limits)?;
        let mut order: Vec<u32> = (0_u32..)
            .zip(&entries)
            .filter(|(_, entry)| {
                std::str::from_utf8(&entry.name).map_or(true, |name| !is_skipped(name))
            })
            .map(|(place, _)| place)
            .collect();
        order.sort_by(|a, b| name_of(&entries, *a).cmp(name_of(&entries, *b)));
        Ok(Self {
            file,
            entries,
            order,
            limits,
        })
    }
}

fn name_of(entries: &[Entry], place: u32) -> &[u8] {
    entries.get(place as usize).map_or(&[], |entry| &entry.name)
}

/// The bytes inside of a gzipped file, in a file of our own that ends with its last user.
fn unpacked(file: File, scratch: &Path, limits: &SourceLimits) -> Result<File, SourceError> {
    let packed = file.metadata().map_err(SourceError::Io)?.len();
    let allowed = packed
        .saturating_mul(limits.max_ratio)
        .max(limits.ratio_free_bytes)
        .min(limits.max_unpacked_bytes);
    let mut decoder = MultiGzDecoder::new(BufReader::new(file));
    let mut out = tempfile::tempfile_in(scratch).map_err(SourceError::Io)?;
    let mut piece = vec![0; PIECE_BYTES];
    let mut written = 0_u64;
    loop {
        let count = match decoder.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.raw_os_error().is_some() => return Err(SourceError::Io(error)),
            Err(error) => return Err(SourceError::DamagedTar(error)),
        };
        written += count as u64;
        if written > allowed {
            return Err(SourceError::UnpacksTooFar { limit: allowed });
        }
        out.write_all(&piece[..count]).map_err(SourceError::Io)?;
    }
    out.rewind().map_err(SourceError::Io)?;
    Ok(out)
}

fn damaged(error: io::Error) -> SourceError {
    if error.raw_os_error().is_some() {
        SourceError::Io(error)
    } else {
        SourceError::DamagedTar(error)
    }
}

fn read(file: &File, limits: &SourceLimits) -> Result<Vec<Entry>, SourceError> {
    let mut archive = tar::Archive::new(BufReader::new(file));
    let mut entries = Vec::new();
    let mut total = 0_u64;
    for entry in archive.entries_with_seek().map_err(damaged)? {
        let entry = entry.map_err(damaged)?;
        if entries.len() as u64 >= limits.max_archive_entries {
            return Err(SourceError::TooManyEntries {
                limit: limits.max_archive_entries,
            });
        }
        let kind = entry.header().entry_type();
        if kind == EntryType::Directory {
            continue;
        }
        let name = entry.path_bytes().into_owned();
        let bytes = entry.size();
        total = total.saturating_add(bytes);
        let rejection = verdict(kind, &name, bytes, total, limits);
        entries.push(Entry {
            name: name
                .strip_prefix(b"./")
                .map_or_else(|| name.clone(), <[u8]>::to_vec),
            start: entry.raw_file_position(),
            bytes,
            rejection,
        });
    }
    if entries.is_empty() {
        return Err(SourceError::NotAnArchive);
    }
    Ok(entries)
}

fn verdict(
    kind: EntryType,
    name: &[u8],
    bytes: u64,
    total: u64,
    limits: &SourceLimits,
) -> Option<Rejection> {
    if !matches!(kind, EntryType::Regular | EntryType::Continuous) {
        let detail = "it is a link, a device or another thing that is no file";
        return Some(Rejection::new(RejectReason::NotARegularFile, detail));
    }
    if entry_names::inside(&String::from_utf8_lossy(name)).is_none() {
        return Some(Rejection::new(
            RejectReason::Unreadable,
            "its name leaves the archive",
        ));
    }
    if bytes > limits.max_entry_bytes || total > limits.max_unpacked_bytes {
        return Some(Rejection::new(
            RejectReason::ArchiveLimit,
            "it takes the archive beyond its limit",
        ));
    }
    None
}

fn key(place: u32, entry: &Entry) -> String {
    let key = format!("{place}:{}", keys::encode(&entry.name));
    if key.len() > keys::MAX_KEY_BYTES {
        keys::shortened(&key, u64::from(place))
    } else {
        key
    }
}

impl MediaSource for TarSource {
    fn visit(
        &self,
        stop: &dyn Fn() -> bool,
        each: &mut dyn FnMut(ListedItem) -> ControlFlow<()>,
    ) -> Result<(), SourceError> {
        let mut visit = Visit::new(&self.limits, stop, each);
        for place in &self.order {
            if let Some(entry) = self.entries.get(*place as usize) {
                visit.show(key(*place, entry), &entry.name, entry.rejection.clone())?;
            }
        }
        Ok(())
    }

    fn fetch(&self, source_key: &str, max_bytes: u64) -> Result<Fetched, FetchError> {
        let place = source_key
            .split_once(':')
            .and_then(|(place, _)| place.parse::<u32>().ok());
        let entry = place.and_then(|place| {
            self.entries
                .get(place as usize)
                .filter(|entry| key(place, entry) == source_key)
        });
        let entry = entry.ok_or_else(|| {
            Rejection::new(RejectReason::Unreadable, "the archive has no such entry")
        })?;
        if let Some(rejection) = &entry.rejection {
            return Err(rejection.clone().into());
        }
        if entry.bytes > max_bytes {
            return Err(too_many_bytes(max_bytes).into());
        }
        let mut bytes = Vec::with_capacity(usize::try_from(entry.bytes).unwrap_or(0));
        let end = entry.start.saturating_add(entry.bytes);
        match Span::new(&self.file, entry.start, end).read_to_end(&mut bytes) {
            Ok(_) => Ok(Fetched {
                bytes: bytes.into(),
                path: None,
            }),
            Err(error) if error.raw_os_error().is_some() => Err(FetchError::Io(error)),
            Err(_) => {
                Err(Rejection::new(RejectReason::Damaged, "the archive ends before it does").into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive of files, one of them behind `..`, and a link.
    fn archive() -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, bytes) in [("./b.jpg", "two"), ("a/1.jpg", "one"), (".hidden", "x")] {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder
                .append_data(&mut header, name, bytes.as_bytes())
                .unwrap();
        }
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(EntryType::Symlink);
        header.set_size(0);
        builder
            .append_link(&mut header, "link.jpg", "/etc/passwd")
            .unwrap();
        let mut header = tar::Header::new_gnu();
        let name = b"../../up.jpg";
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_size(2);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, &b"up"[..]).unwrap();
        builder.into_inner().unwrap()
    }

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    fn open(bytes: &[u8], limits: SourceLimits) -> Result<TarSource, SourceError> {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let path = root.join("archive");
        fs_err::write(&path, bytes).unwrap();
        TarSource::open(&path, &root, &root, limits)
    }

    #[test]
    fn entries_are_read_in_place_and_from_a_gzipped_archive() {
        for bytes in [archive(), gzipped(&archive())] {
            let source = open(&bytes, SourceLimits::default()).unwrap();
            let items = source.list(&|| false).unwrap();
            let names: Vec<(&str, bool)> = items
                .iter()
                .map(|item| (item.original_uri.as_str(), item.rejection.is_some()))
                .collect();
            assert_eq!(
                names,
                [
                    ("../../up.jpg", true),
                    ("a/1.jpg", false),
                    ("b.jpg", false),
                    ("link.jpg", true)
                ]
            );
            let one = source.fetch(&items[1].source_key, 100).unwrap();
            assert_eq!(one.bytes.as_ref(), b"one");
            assert!(source.fetch(&items[1].source_key, 2).is_err());
            assert!(source.fetch(&items[0].source_key, 100).is_err());
            assert!(source.fetch("9:none.jpg", 100).is_err());
        }
    }

    #[test]
    fn what_is_no_archive_or_unpacks_too_far_is_refused() {
        let mut truncated = gzipped(&archive());
        truncated.truncate(truncated.len() / 2);
        for bytes in [b"no archive at all".to_vec(), truncated, Vec::new()] {
            assert!(open(&bytes, SourceLimits::default()).is_err());
        }
        let bomb = gzipped(&vec![0_u8; 8 << 20]);
        let limits = SourceLimits {
            max_ratio: 10,
            ..SourceLimits::default()
        };
        let refused = open(&bomb, limits).unwrap_err();
        assert!(
            matches!(refused, SourceError::UnpacksTooFar { .. }),
            "{refused}"
        );
    }
}
