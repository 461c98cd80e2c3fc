//! Reading one descriptor from many threads: every reader has its own position.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

/// The whole file, for many small reads that mostly go forward.
#[derive(Debug)]
pub(super) struct Windowed<'a> {
    file: &'a File,
    length: u64,
    position: u64,
    window: Vec<u8>,
    window_start: u64,
}

impl<'a> Windowed<'a> {
    const WINDOW_BYTES: usize = 16 << 10;

    pub(super) fn new(file: &'a File, length: u64) -> Self {
        Self {
            file,
            length,
            position: 0,
            window: Vec::new(),
            window_start: 0,
        }
    }

    /// The part of the window from the current position on, which is empty only at the end of the file.
    fn ahead(&mut self) -> io::Result<&[u8]> {
        let offset = self
            .position
            .checked_sub(self.window_start)
            .and_then(|o| usize::try_from(o).ok());
        if let Some(offset) = offset.filter(|o| *o < self.window.len()) {
            return Ok(&self.window[offset..]);
        }
        self.window.resize(Self::WINDOW_BYTES, 0);
        let count = self.file.read_at(&mut self.window, self.position);
        self.window.truncate(*count.as_ref().unwrap_or(&0));
        self.window_start = self.position;
        count.map(|_| self.window.as_slice())
    }
}

impl Read for Windowed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let ahead = self.ahead()?;
        let count = ahead.len().min(buffer.len());
        buffer[..count].copy_from_slice(&ahead[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Windowed<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

/// A piece of the file.
#[derive(Debug)]
pub(super) struct Span<'a> {
    file: &'a File,
    position: u64,
    end: u64,
}

impl<'a> Span<'a> {
    pub(super) fn new(file: &'a File, start: u64, end: u64) -> Self {
        Self {
            file,
            position: start,
            end,
        }
    }
}

impl Read for Span<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let count = self.file.read_at(&mut buffer[..wanted], self.position)?;
        if count == 0 && wanted > 0 {
            // The file was longer when its headers were judged.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.position += count as u64;
        Ok(count)
    }
}
