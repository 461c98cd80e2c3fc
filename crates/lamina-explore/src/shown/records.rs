//! Byte strings by ordinal, in a file that has lost its name: they take no memory but the cache of the disk, and are gone with
//! their last reader.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use lamina_index::FileBytes;
use tempfile::NamedTempFile;

/// Records begin at multiples of so many bytes, which lets four bytes say where in 32 GiB.
const ALIGNMENT: u64 = 8;

/// Of an ordinal without a record.
const NONE: u32 = u32::MAX;

/// Files below this are held in memory: a mapping takes whole pages.
const MAPPED_FROM: u64 = 1 << 20;

/// Records that were written once.
#[derive(Debug)]
pub(crate) struct Records {
    bytes: FileBytes,
    /// Where each begins, by ordinal, in multiples of [`ALIGNMENT`].
    starts: Vec<u32>,
}

impl Records {
    /// The record of an ordinal, if it has one.
    pub(crate) fn get(&self, ordinal: u32) -> Option<&[u8]> {
        let start = *self.starts.get(ordinal as usize)?;
        let begun = self.bytes.get(start as usize * ALIGNMENT as usize..)?;
        let (length, rest) = begun.split_first_chunk()?;
        rest.get(..u32::from_le_bytes(*length) as usize)
    }

    /// Bytes held, without those of a mapped file.
    pub(crate) fn bytes_in_memory(&self) -> usize {
        let read = if self.bytes.is_mapped() {
            0
        } else {
            self.bytes.len()
        };
        read + self.starts.capacity() * size_of::<u32>()
    }
}

/// Records while they are written, in any order.
#[derive(Debug)]
pub(crate) struct RecordsWriter {
    file: BufWriter<NamedTempFile>,
    starts: Vec<u32>,
    /// Bytes written.
    end: u64,
}

impl RecordsWriter {
    /// A file in `folder` for ordinals below `count`.
    ///
    /// # Errors
    /// The disk.
    pub(crate) fn new(folder: &Path, count: u32) -> io::Result<Self> {
        Ok(Self {
            file: BufWriter::new(NamedTempFile::new_in(folder)?),
            starts: vec![NONE; count as usize],
            end: 0,
        })
    }

    /// Writes a record, of one that is in several parts end to end.
    ///
    /// # Errors
    /// The disk; an ordinal that is not below the count, or more than the file can number.
    pub(crate) fn put(&mut self, ordinal: u32, parts: &[&[u8]]) -> io::Result<()> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let length = u32::try_from(length).map_err(io::Error::other)?;
        let start = u32::try_from(self.end / ALIGNMENT).map_err(io::Error::other)?;
        let place = self.starts.get_mut(ordinal as usize);
        *place.ok_or(io::ErrorKind::InvalidInput)? = start;
        self.file.write_all(&length.to_le_bytes())?;
        for part in parts {
            self.file.write_all(part)?;
        }
        let end = self.end + size_of::<u32>() as u64 + u64::from(length);
        let padding = end.next_multiple_of(ALIGNMENT) - end;
        self.file
            .write_all(&[0; ALIGNMENT as usize][..padding as usize])?;
        self.end = end + padding;
        Ok(())
    }

    /// The records, for reading.
    ///
    /// # Errors
    /// The disk.
    pub(crate) fn finish(self) -> io::Result<Records> {
        let file = self
            .file
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        // Its name goes with `file`, its bytes with the records.
        Ok(Records {
            bytes: FileBytes::open_above(file.path(), MAPPED_FROM)?,
            starts: self.starts,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(count: u32, length: usize) -> (tempfile::TempDir, Records) {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = RecordsWriter::new(folder.path(), count).unwrap();
        // Every other one, the last first.
        for ordinal in (0..count).rev().filter(|ordinal| ordinal % 2 == 1) {
            let rest = vec![ordinal as u8; length + ordinal as usize % 9];
            writer
                .put(ordinal, &[&ordinal.to_le_bytes(), &rest])
                .unwrap();
        }
        let records = writer.finish().unwrap();
        (folder, records)
    }

    #[test]
    fn records_are_what_was_put_and_nothing_is_left_in_the_folder() {
        for (length, is_mapped) in [(0, false), (20_000, true)] {
            let (folder, records) = written(200, length);
            assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 0);
            for ordinal in 0..210_u32 {
                let wanted = (ordinal % 2 == 1 && ordinal < 200).then(|| {
                    let mut bytes = ordinal.to_le_bytes().to_vec();
                    bytes.resize(4 + length + ordinal as usize % 9, ordinal as u8);
                    bytes
                });
                assert_eq!(records.get(ordinal), wanted.as_deref(), "{ordinal}");
            }
            assert_eq!(records.bytes.is_mapped(), is_mapped);
            assert!(records.bytes_in_memory() < 10_000);
        }
        let (_folder, none) = written(1, 0);
        assert_eq!(none.get(0), None);
    }

    #[test]
    fn an_ordinal_that_was_not_announced_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = RecordsWriter::new(folder.path(), 2).unwrap();
        assert!(writer.put(2, &[]).is_err());
        assert!(RecordsWriter::new(&folder.path().join("gone"), 2).is_err());
    }
}
