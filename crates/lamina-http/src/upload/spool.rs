//! Received files on disk: counted and hashed while they arrive, removed when dropped.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use lamina_types::ContentHash;
use sha2::{Digest, Sha256};
use tempfile::{NamedTempFile, TempPath};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Part;
use crate::ApiError;

/// Bytes kept of the start of a file: enough to tell every format.
const HEAD_BYTES: usize = 512;

/// The folder for files that are being received.
#[derive(Debug, Clone)]
pub(crate) struct Spool(PathBuf);

/// A file that has arrived whole.
#[derive(Debug)]
pub(crate) struct Spooled {
    path: TempPath,
    /// Number of bytes.
    pub(crate) length: u64,
    /// SHA-256 of the bytes.
    pub(crate) hash: ContentHash,
    /// The first bytes.
    pub(crate) head: Vec<u8>,
}

impl Spool {
    /// Files go below `folder`, which exists.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Writes a part to a fresh file.
    pub(super) async fn receive(
        &self,
        mut part: Part,
        max_bytes: u64,
    ) -> Result<Spooled, ApiError> {
        let folder = self.0.clone();
        let temporary = tokio::task::spawn_blocking(move || NamedTempFile::new_in(folder)).await;
        let (file, path) = temporary
            .map_err(ApiError::internal)?
            .map_err(disk_error)?
            .into_parts();
        let mut file = tokio::fs::File::from_std(file);
        let (mut digest, mut length, mut head) =
            (Sha256::new(), 0_u64, Vec::with_capacity(HEAD_BYTES));
        while let Some(chunk) = part.chunk().await? {
            length += chunk.len() as u64;
            if length > max_bytes {
                return Err(ApiError::bad_request(format!(
                    "The file is larger than {max_bytes} bytes"
                )));
            }
            let missing = HEAD_BYTES - head.len();
            head.extend_from_slice(&chunk[..missing.min(chunk.len())]);
            digest.update(&chunk);
            file.write_all(&chunk).await.map_err(disk_error)?;
        }
        file.flush().await.map_err(disk_error)?;
        let hash = ContentHash::from_bytes(digest.finalize().into());
        Ok(Spooled {
            path,
            length,
            hash,
            head,
        })
    }
}

impl Spooled {
    /// Where it lies, as long as this value lives.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// All of it, in memory.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) async fn read(&self) -> Result<Bytes, ApiError> {
        let mut file = tokio::fs::File::open(&self.path)
            .await
            .map_err(disk_error)?;
        let mut bytes = Vec::with_capacity(usize::try_from(self.length).unwrap_or_default());
        file.read_to_end(&mut bytes).await.map_err(disk_error)?;
        Ok(Bytes::from(bytes))
    }
}

/// A full disk is said so; anything else is our fault.
fn disk_error(error: std::io::Error) -> ApiError {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    if matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge) {
        return ApiError::plain(lamina_api::ErrorCode::StorageFull).with_cause(error);
    }
    ApiError::internal(error)
}
