//! The directory of an archive: every entry with the verdict that its headers alone allow.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use lamina_types::{RejectReason, Rejection};
use rustix::fs::FileType;
use zip::CompressionMethod;
use zip::read::{ArchiveOffset, Config, ZipFileEntry};
use zip::result::ZipError;
use zip::unstable::read::ZipIterable;

use super::reader::Windowed;
use super::{entry_names, overlaps};
use crate::sources::SourceLimits;
use crate::sources::below;
use crate::sources::errors::SourceError;

/// How the bytes of an entry are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Stored,
    Deflated,
    /// Always with a rejection.
    Other,
}

/// One file of an archive.
#[derive(Debug)]
pub(super) struct Entry {
    /// For people; what a key is made of.
    pub(super) name: String,
    /// Where the packed bytes begin in the archive; right for an entry without a rejection.
    pub(super) start: u64,
    pub(super) packed_bytes: u64,
    /// As declared. Unpacking never gives more.
    pub(super) bytes: u64,
    pub(super) checksum: u32,
    pub(super) packing: Packing,
    pub(super) rejection: Option<Rejection>,
}

/// Reads the directory and the header before each entry's bytes. Opens nothing that is not at the beginning of the file:
/// where an archive with something before it really begins is a matter of opinion, on which readers differ.
pub(super) fn read(
    file: &File,
    length: u64,
    limits: &SourceLimits,
) -> Result<Vec<Entry>, SourceError> {
    let config = Config {
        archive_offset: ArchiveOffset::Known(0),
    };
    let mut archive = ZipIterable::try_new(Windowed::new(file, length), config)
        .map_err(|e| directory_error(e, file))?;
    if archive.len() as u64 > limits.max_archive_entries {
        return Err(SourceError::TooManyEntries {
            limit: limits.max_archive_entries,
        });
    }
    let mut entries = Vec::with_capacity(archive.len());
    let mut ranges = Vec::with_capacity(archive.len());
    // Where the directory begins: no entry's bytes may reach into it.
    let mut directory_start = None;
    for found in archive.files().map_err(|e| directory_error(e, file))? {
        let found = found.map_err(|e| directory_error(e, file))?;
        let start = *directory_start.get_or_insert(found.central_header_start());
        if found.central_header_start() - start > limits.max_directory_bytes {
            return Err(SourceError::DirectoryTooLarge {
                limit: limits.max_directory_bytes,
            });
        }
        if is_folder(&found) {
            continue;
        }
        let mut entry = judge(&found, limits);
        match data_start(file, found.header_start(), length).map_err(SourceError::Io)? {
            Some(data_start)
                if data_start
                    .checked_add(entry.packed_bytes)
                    .is_some_and(|end| end <= start) =>
            {
                entry.start = data_start;
                ranges.push((
                    found.header_start()..data_start + entry.packed_bytes,
                    entries.len(),
                ));
            }
            _ => reject(
                &mut entry,
                RejectReason::Damaged,
                "its bytes are not where the archive says",
            ),
        }
        entries.push(entry);
    }
    for place in overlaps::find(&mut ranges) {
        if let Some(entry) = entries.get_mut(place) {
            reject(
                entry,
                RejectReason::ArchiveLimit,
                "it shares bytes with another entry",
            );
        }
    }
    let mut total = 0u64;
    for entry in entries.iter_mut().filter(|entry| entry.rejection.is_none()) {
        // An entry never gives more than it declares, so the sum of what is declared bounds what is unpacked.
        total = total.saturating_add(entry.bytes);
        if total > limits.max_unpacked_bytes {
            reject(
                entry,
                RejectReason::ArchiveLimit,
                "the archive unpacks to too many bytes before it",
            );
        }
    }
    Ok(entries)
}

/// The first reason stays: it is the one nearest to what the user made.
fn reject(entry: &mut Entry, reason: RejectReason, detail: &str) {
    entry
        .rejection
        .get_or_insert_with(|| Rejection::new(reason, detail));
}

/// An entry with bytes is never a folder, whatever it says: passing over it would hide them.
fn is_folder(found: &ZipFileEntry<'_>) -> bool {
    let named_as_folder = matches!(found.name_raw().last(), Some(b'/' | b'\\'));
    found.size() == 0 && (named_as_folder || unix_type(found) == Some(FileType::Directory))
}

/// What kind of file an entry says it is; `None` if it does not say. Asked whichever system claims to have made the
/// archive, because other readers believe these bits too.
fn unix_type(found: &ZipFileEntry<'_>) -> Option<FileType> {
    let mode = found.external_attributes() >> 16;
    (mode & 0o170_000 != 0).then(|| FileType::from_raw_mode(mode))
}

fn judge(found: &ZipFileEntry<'_>, limits: &SourceLimits) -> Entry {
    let method = found.compression();
    let packing = if method == CompressionMethod::Stored {
        Packing::Stored
    } else if method == CompressionMethod::Deflated {
        Packing::Deflated
    } else {
        Packing::Other
    };
    let shown = found
        .name()
        .unwrap_or_else(|_| String::from_utf8_lossy(found.name_raw()));
    let inside = entry_names::inside(&shown);
    let mut entry = Entry {
        start: 0,
        packed_bytes: found.compressed_size(),
        bytes: found.size(),
        checksum: found.crc32(),
        packing,
        rejection: None,
        name: inside.clone().unwrap_or_else(|| shown.into_owned()),
    };
    if inside.is_none() {
        reject(
            &mut entry,
            RejectReason::ArchiveLimit,
            "its name leaves the archive",
        );
    }
    match unix_type(found) {
        None | Some(FileType::RegularFile) => {}
        Some(other) => {
            entry
                .rejection
                .get_or_insert_with(|| below::not_regular(other));
        }
    }
    if found.encrypted() {
        reject(&mut entry, RejectReason::ArchiveLimit, "it is encrypted");
    }
    if packing == Packing::Other {
        reject(
            &mut entry,
            RejectReason::Unreadable,
            "it is packed by a method that is not read",
        );
    }
    if packing == Packing::Stored && entry.bytes != entry.packed_bytes {
        reject(
            &mut entry,
            RejectReason::ArchiveLimit,
            "its size is not what it says",
        );
    }
    if entry.bytes > limits.max_entry_bytes {
        reject(
            &mut entry,
            RejectReason::ArchiveLimit,
            "it unpacks to too many bytes",
        );
    }
    if is_beyond_ratio(entry.bytes, entry.packed_bytes, limits) {
        reject(&mut entry, RejectReason::ArchiveLimit, BEYOND_RATIO);
    }
    entry
}

/// The one wording for declared and for counted.
pub(super) const BEYOND_RATIO: &str = "it is packed beyond belief";

pub(super) fn is_beyond_ratio(bytes: u64, packed_bytes: u64, limits: &SourceLimits) -> bool {
    bytes > limits.ratio_free_bytes && bytes > packed_bytes.max(1).saturating_mul(limits.max_ratio)
}

/// Where the bytes of an entry begin: behind the header that stands before them, whose name and extra fields may have
/// other lengths than in the directory. `None` if no such header is there.
fn data_start(file: &File, header_start: u64, length: u64) -> io::Result<Option<u64>> {
    const HEADER_BYTES: usize = 30;
    const SIGNATURE: &[u8] = b"PK\x03\x04";
    let Some(header_end) = header_start
        .checked_add(HEADER_BYTES as u64)
        .filter(|end| *end <= length)
    else {
        return Ok(None);
    };
    let mut header = [0u8; HEADER_BYTES];
    file.read_exact_at(&mut header, header_start)?;
    if !header.starts_with(SIGNATURE) {
        return Ok(None);
    }
    let name_bytes = u64::from(u16::from_le_bytes([header[26], header[27]]));
    let extra_bytes = u64::from(u16::from_le_bytes([header[28], header[29]]));
    Ok(Some(header_end + name_bytes + extra_bytes))
}

fn directory_error(error: ZipError, file: &File) -> SourceError {
    if let ZipError::Io(failure) = &error
        && let Some(code) = failure.raw_os_error()
    {
        return SourceError::Io(io::Error::from_raw_os_error(code));
    }
    let mut beginning = [0u8; 2];
    let looks_like_zip = file.read_exact_at(&mut beginning, 0).is_ok() && &beginning == b"PK";
    if looks_like_zip {
        SourceError::DamagedArchive(error)
    } else {
        SourceError::NotAnArchive
    }
}
