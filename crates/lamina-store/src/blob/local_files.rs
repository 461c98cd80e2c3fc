//! Whole files in and out: uploads are streamed to a temporary file and moved in, archives are read from disk by path.

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use fs_err as fs;
use lamina_types::{ContentHash, DatasetId, ExportId, UserId};

use super::{BlobStore, keys, space};
use crate::{BlobError, StoreError};

/// Folder of files that are still being received, on the same file system as the blobs.
pub(super) const STAGING: &str = "staging";

impl BlobStore {
    /// Where to stream an upload before [`Self::put_file`]. The caller makes and, on failure, removes its file there.
    pub fn staging_dir(&self) -> PathBuf {
        self.root.join(STAGING)
    }

    /// Moves a finished file in as the original with this hash. The caller computed `hash` over the bytes it wrote.
    ///
    /// By rename, so the file must be on the same file system (see [`Self::staging_dir`]); else it is copied first. The
    /// file at `source` is gone afterwards, also when the original was there already.
    ///
    /// # Errors
    /// No space; the disk.
    pub async fn put_file(
        &self,
        owner: UserId,
        hash: ContentHash,
        source: &Path,
    ) -> Result<(), StoreError> {
        self.move_file_in(keys::content(owner, hash), source).await
    }

    /// Moves a finished archive of an export in; its key.
    ///
    /// # Errors
    /// No space; the disk.
    pub async fn put_export(
        &self,
        dataset: DatasetId,
        id: ExportId,
        source: &Path,
    ) -> Result<String, StoreError> {
        let key = keys::export(dataset, id);
        self.move_file_in(key.clone(), source).await?;
        Ok(key)
    }

    async fn move_file_in(&self, key: String, source: &Path) -> Result<(), StoreError> {
        self.check_free_space()?;
        let (target, staging) = (
            self.root.join(keys::path(&key)?.as_ref()),
            self.staging_dir(),
        );
        let source = source.to_owned();
        let moved = tokio::task::spawn_blocking(move || move_in(&source, &target, &staging)).await;
        match moved {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(space::or_full_disk(&key, Box::new(error)).into()),
            Err(panicked) => Err(BlobError::Io {
                key,
                source: Box::new(panicked),
            }
            .into()),
        }
    }

    /// The path of an original, for reading parts of it (archives, ranges). It may vanish when its row does.
    pub fn content_path(&self, owner: UserId, hash: ContentHash) -> PathBuf {
        self.root.join(keys::content(owner, hash))
    }

    /// A file of this machine with the bytes of a generation, for mapping: never written again under its name, and readable
    /// by whoever opened it when it is deleted. Blobs are local files today, so it is the blob itself; a remote store would
    /// fetch it to a cache first.
    ///
    /// # Errors
    /// A key that is none of a blob.
    pub fn generation_path(&self, key: &str) -> Result<PathBuf, StoreError> {
        Ok(self.root.join(keys::path(key)?.as_ref()))
    }

    /// Removes temporary files older than `age`: what a crash left of uploads and writes. How many.
    ///
    /// # Errors
    /// The disk.
    pub async fn sweep_staging(&self, age: Duration) -> Result<u64, StoreError> {
        let root = self.root.clone();
        let swept = tokio::task::spawn_blocking(move || sweep(&root, age)).await;
        match swept {
            Ok(Ok(count)) => Ok(count),
            Ok(Err(error)) => Err(BlobError::Io {
                key: STAGING.to_owned(),
                source: Box::new(error),
            }
            .into()),
            Err(panicked) => Err(BlobError::Io {
                key: STAGING.to_owned(),
                source: Box::new(panicked),
            }
            .into()),
        }
    }
}

fn move_in(source: &Path, target: &Path, staging: &Path) -> io::Result<()> {
    if target.exists() {
        return fs::remove_file(source);
    }
    fs::File::open(source)?.sync_all()?;
    fail::fail_point!("blob_file_synced", |_| Err(io::Error::other(
        "injected by a fail point"
    )));
    let folder = target.parent().unwrap_or(staging);
    make_folder(folder)?;
    match fs::rename(source, target) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            let name = target.file_name().unwrap_or_default();
            let copy = staging.join(format!(
                "{}.{}",
                name.to_string_lossy(),
                uuid::Uuid::now_v7()
            ));
            fs::copy(source, &copy)?;
            fs::File::open(&copy)?.sync_all()?;
            fs::rename(&copy, target)?;
            fs::remove_file(source)?;
        }
        other => other?,
    }
    sync_folder(folder)
}

/// Makes a folder and syncs every parent that gained an entry.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make_folder(parent)?;
        match fs::create_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => other?,
        }
        sync_folder(parent)?;
    }
    Ok(())
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

/// Files in the staging folder, and `name#number` files that the driver writes beside a blob.
fn sweep(folder: &Path, age: Duration) -> io::Result<u64> {
    let in_staging = folder.file_name().is_some_and(|name| name == STAGING);
    let mut swept = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            swept += sweep(&entry.path(), age)?;
        } else if kind.is_file()
            && (in_staging || entry.file_name().to_string_lossy().contains('#'))
        {
            let modified = entry.metadata()?.modified()?;
            if SystemTime::now()
                .duration_since(modified)
                .is_ok_and(|past| past >= age)
            {
                fs::remove_file(entry.path())?;
                swept += 1;
            }
        }
    }
    Ok(swept)
}
