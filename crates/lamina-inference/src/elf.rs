//! A look into a shared library without loading it: is it one, for this machine, and which ONNX Runtime is it?
//!
//! Loading runs code and cannot be undone, so candidates are looked at first. Only the dynamic string table is read: it holds the
//! names of the exported symbols (`OrtGetApiBase`) and of their version (`VERS_1.31.1`).

use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

/// Lowest minor version of ONNX Runtime 1.x that works: the `api-22` feature of `ort`.
pub(crate) const OLDEST_MINOR: u32 = 22;

/// A version of ONNX Runtime as its exported symbols say.
pub(crate) type Version = (u32, u32, u32);

/// Why a file cannot be the ONNX Runtime library.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// Nothing of that name.
    #[error("does not exist")]
    Absent,
    /// A folder without a library in it.
    #[error("has no libonnxruntime in it")]
    NoLibrary,
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(std::io::Error),
    /// Neither a library nor a folder.
    #[error("is not a regular file")]
    NotAFile,
    /// Not a shared library for this processor.
    #[error("is not a shared library for this machine")]
    WrongMachine,
    /// Some other library.
    #[error("is not ONNX Runtime: it does not export OrtGetApiBase")]
    NotOnnxRuntime,
    /// Too old.
    #[error("is ONNX Runtime {0}.{1}.{2}, at least 1.{OLDEST_MINOR} is needed")]
    TooOld(u32, u32, u32),
}

impl Unusable {
    /// Why a path could not be opened.
    pub(crate) fn opening(error: std::io::Error) -> Self {
        if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) {
            Self::Absent
        } else {
            Self::Unreadable(error)
        }
    }

    /// Why an opened file was not read: too short or of another format, if not the disk's fault.
    fn reading(error: std::io::Error) -> Self {
        if matches!(
            error.kind(),
            ErrorKind::UnexpectedEof | ErrorKind::InvalidData
        ) {
            Self::WrongMachine
        } else {
            Self::Unreadable(error)
        }
    }
}

/// Looks at a candidate. The version is `None` when the library does not tell; loading will find out.
pub(crate) fn inspect(path: &Path) -> Result<Option<Version>, Unusable> {
    let metadata = fs_err::metadata(path).map_err(Unusable::opening)?;
    if !metadata.is_file() {
        return Err(Unusable::NotAFile);
    }
    if !cfg!(target_os = "linux") {
        // Other systems have other formats; there loading is the check.
        return Ok(None);
    }
    let mut file = fs_err::File::open(path).map_err(Unusable::Unreadable)?;
    let names = dynamic_names(&mut file).map_err(Unusable::reading)?;
    if !names
        .split(|byte| *byte == 0)
        .any(|name| name == b"OrtGetApiBase")
    {
        return Err(Unusable::NotOnnxRuntime);
    }
    match names.split(|byte| *byte == 0).find_map(version) {
        Some((major, minor, patch)) if (major, minor) < (1, OLDEST_MINOR) => {
            Err(Unusable::TooOld(major, minor, patch))
        }
        version => Ok(version),
    }
}

/// `VERS_1.31.1` or, of a file name, `libonnxruntime.so.1.31.1`.
pub(crate) fn version(name: &[u8]) -> Option<Version> {
    let text = std::str::from_utf8(name).ok()?;
    let numbers = text
        .strip_prefix("VERS_")
        .or_else(|| text.strip_prefix("libonnxruntime.so."))?;
    let mut parts = numbers.split('.').map(str::parse::<u32>);
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch)), None) => Some((major, minor, patch)),
        _ => None,
    }
}

/// The dynamic string table of a 64-bit little-endian shared object for this processor.
fn dynamic_names(file: &mut (impl Read + Seek)) -> std::io::Result<Vec<u8>> {
    let machine: u16 = if cfg!(target_arch = "aarch64") {
        183
    } else {
        62
    };
    let mut head = [0_u8; 64];
    file.read_exact(&mut head)?;
    let is_ours = head.starts_with(b"\x7fELF\x02\x01")
        && number(&head, 16, 2) == 3
        && number(&head, 18, 2) == u64::from(machine);
    let (table, size, count) = (
        number(&head, 40, 8),
        number(&head, 58, 2),
        number(&head, 60, 2),
    );
    if !is_ours || size != 64 || count == 0 {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut sections = vec![0_u8; (size * count) as usize];
    file.seek(SeekFrom::Start(table))?;
    file.read_exact(&mut sections)?;
    for section in sections.chunks_exact(64) {
        // A string table (type 3) that is loaded (flag 2): .dynstr, the only one of that kind.
        let (kind, flags, place, bytes) = (
            number(section, 4, 4),
            number(section, 8, 8),
            number(section, 24, 8),
            number(section, 32, 8),
        );
        if kind == 3 && flags & 2 != 0 && bytes < 64 << 20 {
            let mut names = vec![0_u8; bytes as usize];
            file.seek(SeekFrom::Start(place))?;
            file.read_exact(&mut names)?;
            return Ok(names);
        }
    }
    Err(ErrorKind::InvalidData.into())
}

/// A little-endian number of up to 8 bytes.
fn number(bytes: &[u8], from: usize, length: usize) -> u64 {
    bytes
        .iter()
        .skip(from)
        .take(length)
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_symbols_and_file_names() {
        assert_eq!(version(b"VERS_1.31.1"), Some((1, 31, 1)));
        assert_eq!(version(b"libonnxruntime.so.1.22.0"), Some((1, 22, 0)));
        for other in [
            "VERS_1.31",
            "VERS_1.31.1.2",
            "VERS_",
            "libonnxruntime.so",
            "libonnxruntime.so.1",
            "1.31.1",
        ] {
            assert_eq!(version(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn files_that_are_no_library_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("libonnxruntime.so");
        assert!(matches!(inspect(&path), Err(Unusable::Absent)));
        assert!(matches!(inspect(folder.path()), Err(Unusable::NotAFile)));
        for bytes in [
            &b""[..],
            b"#!/bin/sh\n",
            b"\x7fELF\x02\x01\x01\x00",
            &[0x7f; 4096],
        ] {
            fs_err::write(&path, bytes).unwrap();
            assert!(matches!(inspect(&path), Err(Unusable::WrongMachine)));
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn other_libraries_are_not_onnx_runtime() {
        // A shared library that every Linux with this test's own loader has.
        let maps = fs_err::read_to_string("/proc/self/maps").unwrap();
        let library = maps
            .split_whitespace()
            .find(|word| word.contains("libc.so"))
            .unwrap();
        assert!(matches!(
            inspect(Path::new(library)),
            Err(Unusable::NotOnnxRuntime)
        ));
    }
}
