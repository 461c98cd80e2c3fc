//! Unpacking one entry into memory, believing nothing that it says of itself.

use std::fs::File;
use std::io::{self, Read};

use bytes::Bytes;
use flate2::Crc;
use flate2::read::DeflateDecoder;
use lamina_types::{RejectReason, Rejection};

use super::directory::{BEYOND_RATIO, Entry, Packing, is_beyond_ratio};
use super::reader::Span;
use crate::sources::errors::FetchError;
use crate::sources::{SourceLimits, too_many_bytes};

/// A reader that knows how many packed bytes it has used.
trait Unpacking: Read {
    fn used_bytes(&self) -> u64;
}

struct Stored<'a> {
    span: Span<'a>,
    used_bytes: u64,
}

impl Read for Stored<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.span.read(buffer)?;
        self.used_bytes += count as u64;
        Ok(count)
    }
}

impl Unpacking for Stored<'_> {
    fn used_bytes(&self) -> u64 {
        self.used_bytes
    }
}

impl Unpacking for DeflateDecoder<Span<'_>> {
    fn used_bytes(&self) -> u64 {
        self.total_in()
    }
}

/// The bytes of an entry: exactly as many as it declares and with the checksum it declares, or a verdict.
pub(super) fn unpack(
    file: &File,
    entry: &Entry,
    limits: &SourceLimits,
    max_bytes: u64,
) -> Result<Bytes, FetchError> {
    if let Some(rejection) = &entry.rejection {
        return Err(rejection.clone().into());
    }
    if entry.bytes > max_bytes {
        return Err(too_many_bytes(max_bytes).into());
    }
    let span = Span::new(
        file,
        entry.start,
        entry.start.saturating_add(entry.packed_bytes),
    );
    match entry.packing {
        Packing::Stored => collect(
            Stored {
                span,
                used_bytes: 0,
            },
            entry,
            limits,
        ),
        Packing::Deflated => collect(DeflateDecoder::new(span), entry, limits),
        Packing::Other => Err(Rejection::new(
            RejectReason::Unreadable,
            "it is packed by a method that is not read",
        )
        .into()),
    }
}

fn collect(
    mut unpacking: impl Unpacking,
    entry: &Entry,
    limits: &SourceLimits,
) -> Result<Bytes, FetchError> {
    const PIECE_BYTES: usize = 64 << 10;
    // Room for what is declared, but not more at once than an entry of any ratio may have.
    let room = usize::try_from(entry.bytes.min(limits.ratio_free_bytes)).unwrap_or(PIECE_BYTES);
    let mut bytes = Vec::with_capacity(room);
    let mut piece = vec![0u8; PIECE_BYTES];
    let mut checksum = Crc::new();
    loop {
        let count = match unpacking.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.raw_os_error().is_some() => return Err(FetchError::Io(error)),
            Err(_) => return Err(damaged("its packed bytes are damaged").into()),
        };
        let total = bytes.len() as u64 + count as u64;
        if total > entry.bytes {
            return Err(
                Rejection::new(RejectReason::ArchiveLimit, "its size is not what it says").into(),
            );
        }
        if is_beyond_ratio(total, unpacking.used_bytes(), limits) {
            return Err(Rejection::new(RejectReason::ArchiveLimit, BEYOND_RATIO).into());
        }
        checksum.update(&piece[..count]);
        bytes.extend_from_slice(&piece[..count]);
    }
    if checksum.sum() != entry.checksum {
        return Err(damaged("its checksum is wrong").into());
    }
    if bytes.len() as u64 != entry.bytes {
        return Err(
            Rejection::new(RejectReason::ArchiveLimit, "its size is not what it says").into(),
        );
    }
    Ok(bytes.into())
}

fn damaged(detail: &str) -> Rejection {
    Rejection::new(RejectReason::Damaged, detail)
}
