//! The bytes of a generation file: mapped where that pays and is safe, else read.

#![expect(
    unsafe_code,
    reason = "a mapping is sound while nobody changes the file; see `FileBytes::open` for who makes sure of that"
)]

use std::ops::Deref;
use std::path::Path;

use memmap2::Mmap;
use rustix::fs::fstatfs;

/// Files below this are read into memory: that takes no time, and nothing that happens to the file matters afterwards.
const MAPPED_FROM: u64 = 64 << 20;

/// Kinds of file systems (`f_type`) whose files other machines may change or take away under a mapping: NFS, SMB (two
/// numbers), CIFS, 9P, FUSE, Ceph.
const NETWORK: [u32; 7] = [
    0x6969,
    0x517B,
    0xFE53_4D42,
    0xFF53_4D42,
    0x0102_1997,
    0x6573_5546,
    0x00C3_6400,
];

/// All bytes of a file.
#[derive(Debug)]
pub struct FileBytes(Bytes);

#[derive(Debug)]
enum Bytes {
    Read(Vec<u8>),
    Mapped(Mmap),
}

impl FileBytes {
    /// Opens a file that is never written again under its name: whoever replaces it writes another file and renames it, and
    /// deleting it does not take the bytes away. The blob store keeps to that. A file that somebody else cuts off while it is
    /// mapped would end the process, so only large files are mapped, and none of a network file system (hardening P58).
    ///
    /// # Errors
    /// The disk.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        Self::open_above(path, MAPPED_FROM)
    }

    /// As [`FileBytes::open`]; files of fewer than `mapped_from` bytes are read.
    ///
    /// # Errors
    /// The disk.
    pub fn open_above(path: &Path, mapped_from: u64) -> std::io::Result<Self> {
        let file = fs_err::File::open(path)?;
        if file.metadata()?.len() < mapped_from.max(1) || is_on_network(&file) {
            return Ok(Self(Bytes::Read(fs_err::read(path)?)));
        }
        // SAFETY: the file is not changed while it is mapped, as said at `open`.
        let map = unsafe { Mmap::map(file.file()) }?;
        Ok(Self(Bytes::Mapped(map)))
    }

    /// Whether the bytes are pages of the file rather than a copy.
    pub const fn is_mapped(&self) -> bool {
        matches!(self.0, Bytes::Mapped(_))
    }
}

/// Unknown counts as local: what cannot be asked is no network file system that is in use.
fn is_on_network(file: &fs_err::File) -> bool {
    fstatfs(file.file()).is_ok_and(|found| NETWORK.contains(&(found.f_type as u32)))
}

impl From<Vec<u8>> for FileBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Bytes::Read(bytes))
    }
}

impl Deref for FileBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Bytes::Read(bytes) => bytes,
            Bytes::Mapped(map) => map,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_outlives_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("generation");
        fs_err::write(&path, [7; 9_000]).unwrap();
        let small = FileBytes::open(&path).unwrap();
        assert!(!small.is_mapped());
        let mapped = FileBytes::open_above(&path, 0).unwrap();
        assert!(mapped.is_mapped());
        // Replaced as the blob store does it, then deleted.
        let next = folder.path().join("next");
        fs_err::write(&next, [8; 10]).unwrap();
        fs_err::rename(&next, &path).unwrap();
        fs_err::remove_file(&path).unwrap();
        assert_eq!(mapped[..], small[..]);
        assert!(FileBytes::open(&path).is_err());
    }
}
