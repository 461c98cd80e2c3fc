//! Free space: refuse early, with a word, instead of running into a full disk half-way (hardening R5).

use std::error::Error;

use super::BlobStore;
use crate::{BlobError, StoreError};

impl BlobStore {
    /// Free bytes of the blob directory's file system, and how many of them are kept free.
    ///
    /// # Errors
    /// The file system cannot be asked.
    pub fn free_space(&self) -> Result<(u64, u64), StoreError> {
        let stat = rustix::fs::statvfs(&self.root).map_err(|error| BlobError::Io {
            key: String::new(),
            source: Box::new(std::io::Error::from(error)),
        })?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        let total = stat.f_blocks.saturating_mul(stat.f_frsize);
        let share = (total as f64 * self.options.margin_share.clamp(0.0, 1.0)) as u64;
        Ok((free, share.min(self.options.margin_bytes)))
    }

    /// Refuses when less than the margin is free.
    ///
    /// # Errors
    /// [`BlobError::NoSpace`].
    pub fn check_free_space(&self) -> Result<(), StoreError> {
        let (free_bytes, margin_bytes) = self.free_space()?;
        if free_bytes < margin_bytes {
            return Err(BlobError::NoSpace {
                free_bytes,
                margin_bytes,
            }
            .into());
        }
        Ok(())
    }
}

/// Tells "no space left on device" (and "quota exceeded") from other trouble, however deep the driver wrapped it.
pub(super) fn or_full_disk(key: &str, source: Box<dyn Error + Send + Sync>) -> BlobError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&*source);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && matches!(
                io.kind(),
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
            )
        {
            return BlobError::NoSpace {
                free_bytes: 0,
                margin_bytes: 0,
            };
        }
        cause = error.source();
    }
    BlobError::Io {
        key: key.to_owned(),
        source,
    }
}
