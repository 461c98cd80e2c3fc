//! A temporary file that grows until its place in the archive comes.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

/// A file without a name: gone when it is closed, whatever happens.
pub(crate) struct Spool(File);

impl Spool {
    pub(crate) fn new() -> io::Result<Self> {
        tempfile::tempfile().map(Self)
    }

    /// Copies everything into `out`.
    pub(crate) fn pour(mut self, out: &mut impl Write) -> io::Result<()> {
        self.0.seek(SeekFrom::Start(0))?;
        io::copy(&mut self.0, out).map(|_| ())
    }
}

impl From<File> for Spool {
    fn from(file: File) -> Self {
        Self(file)
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
