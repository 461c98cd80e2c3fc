//! Archives written byte by byte, so that every field of them can lie.

use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;

/// One entry as it will stand in the archive. Everything may be changed before [`build`].
#[derive(Debug, Clone)]
pub(super) struct RawEntry {
    pub(super) name: Vec<u8>,
    pub(super) method: u16,
    pub(super) flags: u16,
    pub(super) checksum: u32,
    pub(super) packed: Vec<u8>,
    /// As declared in both headers.
    pub(super) packed_bytes: u32,
    pub(super) bytes: u32,
    pub(super) made_by: u16,
    pub(super) attributes: u32,
    /// Where the directory says the entry is; where it is if not said.
    pub(super) header_start: Option<u32>,
    /// Whether bytes are written at all, or only an entry of the directory.
    pub(super) is_in_directory_only: bool,
}

pub(super) const STORED: u16 = 0;
pub(super) const DEFLATED: u16 = 8;
const MADE_BY_UNIX: u16 = 0x031e;

impl RawEntry {
    pub(super) fn stored(name: impl AsRef<[u8]>, content: &[u8]) -> Self {
        let mut checksum = flate2::Crc::new();
        checksum.update(content);
        Self {
            name: name.as_ref().to_vec(),
            method: STORED,
            flags: 0,
            checksum: checksum.sum(),
            packed: content.to_vec(),
            packed_bytes: content.len() as u32,
            bytes: content.len() as u32,
            made_by: MADE_BY_UNIX,
            attributes: 0o100_644 << 16,
            header_start: None,
            is_in_directory_only: false,
        }
    }

    pub(super) fn deflated(name: impl AsRef<[u8]>, content: &[u8]) -> Self {
        let mut packed = DeflateEncoder::new(Vec::new(), Compression::best());
        packed.write_all(content).unwrap();
        let packed = packed.finish().unwrap();
        let packed_bytes = packed.len() as u32;
        Self {
            method: DEFLATED,
            packed,
            packed_bytes,
            ..Self::stored(name, content)
        }
    }

    pub(super) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

/// The fields that both headers of an entry have in common, from the version needed to the length of the name.
fn common(entry: &RawEntry) -> Vec<u8> {
    let mut out = Vec::new();
    for short in [20, entry.flags, entry.method, 0, 0x21] {
        out.extend(short.to_le_bytes());
    }
    for long in [entry.checksum, entry.packed_bytes, entry.bytes] {
        out.extend(long.to_le_bytes());
    }
    out.extend((entry.name.len() as u16).to_le_bytes());
    out.extend([0, 0]);
    out
}

/// The archive. Its end says `count` entries, if given.
pub(super) fn build_with_count(entries: &[RawEntry], count: Option<u16>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for entry in entries {
        let start = entry.header_start.unwrap_or(out.len() as u32);
        if !entry.is_in_directory_only {
            out.extend(b"PK\x03\x04");
            out.extend(common(entry));
            out.extend(&entry.name);
            out.extend(&entry.packed);
        }
        directory.extend(b"PK\x01\x02");
        directory.extend(entry.made_by.to_le_bytes());
        directory.extend(common(entry));
        directory.extend([0; 6]);
        directory.extend(entry.attributes.to_le_bytes());
        directory.extend(start.to_le_bytes());
        directory.extend(&entry.name);
    }
    let start = out.len() as u32;
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    let count = count.unwrap_or(entries.len() as u16);
    out.extend(count.to_le_bytes());
    out.extend(count.to_le_bytes());
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0, 0]);
    out
}

pub(super) fn build(entries: &[RawEntry]) -> Vec<u8> {
    build_with_count(entries, None)
}
