//! The blob store: originals, thumbnails and index generations under one directory.
//!
//! A blob appears under its name complete and synced, or not at all (hardening P33): `object_store` writes a temporary
//! file, syncs it, renames it and syncs the folder. Originals and thumbnails are named by the SHA-256 of the original, so
//! writing one twice is harmless. Rows are written after blobs and deleted before them: a crash in between leaves a file
//! that nobody refers to (collected later, see [`crate::removal`]), never a row without its file.

mod keys;
mod local_files;
mod space;

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use lamina_types::{ContentHash, DatasetId, EntityType, Space, UserId};
use object_store::{ObjectStore, ObjectStoreExt, local::LocalFileSystem, path::Path};
use sha2::{Digest, Sha256};

use crate::{BlobError, StoreError};

/// How much space to keep free.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlobOptions {
    /// Bytes; default 1 GiB.
    pub margin_bytes: u64,
    /// Share of the file system, 0..=1; default 0.05. The smaller of the two counts.
    pub margin_share: f64,
}

impl Default for BlobOptions {
    fn default() -> Self {
        Self {
            margin_bytes: 1 << 30,
            margin_share: 0.05,
        }
    }
}

/// One file of the blob store, from a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBlob {
    /// Its key.
    pub key: String,
    /// Number of bytes.
    pub byte_size: u64,
    /// When it was written.
    pub modified_at: DateTime<Utc>,
}

/// The blob store; cheap to clone.
#[derive(Debug, Clone)]
pub struct BlobStore {
    store: Arc<LocalFileSystem>,
    root: PathBuf,
    options: BlobOptions,
}

impl BlobStore {
    /// Opens (or makes) the blob directory.
    ///
    /// # Errors
    /// The directory cannot be made or read.
    pub fn open(root: impl Into<PathBuf>, options: BlobOptions) -> Result<Self, StoreError> {
        let root = root.into();
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| BlobError::Io {
            key: String::new(),
            source,
        };
        fs_err::create_dir_all(root.join(local_files::STAGING))
            .map_err(|error| failed(error.into()))?;
        let store =
            LocalFileSystem::new_with_prefix(&root).map_err(|error| failed(error.into()))?;
        Ok(Self {
            store: Arc::new(store.with_fsync(true)),
            root,
            options,
        })
    }

    /// Stores an original under the hash of its bytes; nothing is written when it is there.
    ///
    /// # Errors
    /// [`BlobError::Damaged`] when `hash` is not the bytes' hash; no space; the disk.
    pub async fn put_content(
        &self,
        owner: UserId,
        hash: ContentHash,
        bytes: Bytes,
    ) -> Result<(), StoreError> {
        let key = keys::content(owner, hash);
        if self.has(&key).await? {
            return Ok(());
        }
        if !has_hash(&bytes, hash).await {
            return Err(BlobError::Damaged(key).into());
        }
        self.put(&key, bytes).await
    }

    /// An original. One read in 16 is checked against the hash, so that a disk that rots is noticed while it is used.
    ///
    /// # Errors
    /// Not found; [`BlobError::Damaged`].
    pub async fn get_content(&self, owner: UserId, hash: ContentHash) -> Result<Bytes, StoreError> {
        if rand::random_ratio(1, 16) {
            return self.get_content_checked(owner, hash).await;
        }
        self.get(&keys::content(owner, hash)).await
    }

    /// An original, always checked against its hash.
    ///
    /// # Errors
    /// Not found; [`BlobError::Damaged`].
    pub async fn get_content_checked(
        &self,
        owner: UserId,
        hash: ContentHash,
    ) -> Result<Bytes, StoreError> {
        let key = keys::content(owner, hash);
        let bytes = self.get(&key).await?;
        if !has_hash(&bytes, hash).await {
            return Err(BlobError::Damaged(key).into());
        }
        Ok(bytes)
    }

    /// Whether the original is there.
    ///
    /// # Errors
    /// The disk.
    pub async fn has_content(&self, owner: UserId, hash: ContentHash) -> Result<bool, StoreError> {
        self.has(&keys::content(owner, hash)).await
    }

    /// Stores the WebP thumbnail of the original with this hash, in place of an earlier one.
    ///
    /// # Errors
    /// No space; the disk.
    pub async fn put_thumbnail(
        &self,
        owner: UserId,
        hash: ContentHash,
        webp: Bytes,
    ) -> Result<(), StoreError> {
        self.put(&keys::thumbnail(owner, hash), webp).await
    }

    /// The thumbnail of the original with this hash.
    ///
    /// # Errors
    /// Not found; the disk.
    pub async fn get_thumbnail(
        &self,
        owner: UserId,
        hash: ContentHash,
    ) -> Result<Bytes, StoreError> {
        self.get(&keys::thumbnail(owner, hash)).await
    }

    /// Whether the thumbnail is there.
    ///
    /// # Errors
    /// The disk.
    pub async fn has_thumbnail(
        &self,
        owner: UserId,
        hash: ContentHash,
    ) -> Result<bool, StoreError> {
        self.has(&keys::thumbnail(owner, hash)).await
    }

    /// Stores the WebP thumbnail of a region's crop; it can be made again at any time.
    ///
    /// # Errors
    /// No space; the disk.
    pub async fn put_crop(
        &self,
        owner: UserId,
        hash: ContentHash,
        region: i64,
        webp: Bytes,
    ) -> Result<(), StoreError> {
        self.put(&keys::crop(owner, hash, region), webp).await
    }

    /// The thumbnail of a region's crop; `None` when it was not made yet.
    ///
    /// # Errors
    /// The disk.
    pub async fn get_crop(
        &self,
        owner: UserId,
        hash: ContentHash,
        region: i64,
    ) -> Result<Option<Bytes>, StoreError> {
        match self.get(&keys::crop(owner, hash, region)).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(StoreError::Blob(BlobError::NotFound(_))) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The key of a generation's file.
    pub fn generation_key(
        dataset: DatasetId,
        entity: EntityType,
        space: Space,
        number: i32,
    ) -> String {
        keys::generation(dataset, entity, space, number)
    }

    /// Stores a generation's file. It replaces a file of the same key that no row ever published.
    ///
    /// # Errors
    /// Not a generation's key; no space; the disk.
    pub async fn put_generation(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        if !key.starts_with(keys::GENERATION) {
            return Err(BlobError::BadKey(key.to_owned()).into());
        }
        self.put(key, bytes).await
    }

    /// Any blob by its key.
    ///
    /// # Errors
    /// Not found; not a key; the disk.
    pub async fn get(&self, key: &str) -> Result<Bytes, StoreError> {
        let found = self
            .store
            .get(&keys::path(key)?)
            .await
            .map_err(|error| failed(key, error))?;
        Ok(found.bytes().await.map_err(|error| failed(key, error))?)
    }

    /// Size and bytes of a blob, piece by piece, for large ones.
    ///
    /// # Errors
    /// Not found; not a key; the disk.
    pub async fn stream(
        &self,
        key: &str,
    ) -> Result<(u64, BoxStream<'static, Result<Bytes, StoreError>>), StoreError> {
        let found = self
            .store
            .get(&keys::path(key)?)
            .await
            .map_err(|error| failed(key, error))?;
        let (size, key) = (found.meta.size, key.to_owned());
        let pieces = found
            .into_stream()
            .map_err(move |error| StoreError::from(failed(&key, error)));
        Ok((size, pieces.boxed()))
    }

    /// Deletes a blob; false when it is not there. Its row must be gone, and committed.
    ///
    /// # Errors
    /// Not a key; the disk.
    pub async fn delete(&self, key: &str) -> Result<bool, StoreError> {
        fail::fail_point!("blob_before_delete", |_| Err(injected(key)));
        match self.store.delete(&keys::path(key)?).await {
            Ok(()) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(failed(key, error).into()),
        }
    }

    /// Deletes original, thumbnail and crops of a content.
    ///
    /// # Errors
    /// The disk.
    pub async fn delete_content(&self, owner: UserId, hash: ContentHash) -> Result<(), StoreError> {
        self.delete(&keys::content(owner, hash)).await?;
        self.delete(&keys::thumbnail(owner, hash)).await?;
        let crops = keys::crops(owner, hash);
        let mut files = self.store.list(Some(&keys::path(&crops)?));
        while let Some(file) = files
            .try_next()
            .await
            .map_err(|error| failed(&crops, error))?
        {
            self.delete(file.location.as_ref()).await?;
        }
        Ok(())
    }

    /// Every blob, in no order. Temporary files are left out.
    pub fn list(&self) -> BoxStream<'_, Result<StoredBlob, StoreError>> {
        let staging = format!("{}/", local_files::STAGING);
        self.store
            .list(None)
            .map_err(|error| StoreError::from(failed("", error)))
            .try_filter(move |meta| {
                std::future::ready(!meta.location.as_ref().starts_with(&staging))
            })
            .map_ok(|meta| StoredBlob {
                key: meta.location.to_string(),
                byte_size: meta.size,
                modified_at: meta.last_modified,
            })
            .boxed()
    }

    /// Owner and hash behind the key of an original, a thumbnail or a crop.
    pub fn content_of_key(key: &str) -> Option<(UserId, ContentHash)> {
        keys::parse_content(key)
    }

    async fn has(&self, key: &str) -> Result<bool, StoreError> {
        match self.store.head(&keys::path(key)?).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(failed(key, error).into()),
        }
    }

    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        fail::fail_point!("blob_before_write", |_| Err(injected(key)));
        self.check_free_space()?;
        let path: Path = keys::path(key)?;
        self.store
            .put(&path, bytes.into())
            .await
            .map_err(|error| failed(key, error))?;
        fail::fail_point!("blob_renamed", |_| Err(injected(key)));
        Ok(())
    }
}

/// Whether these are the bytes that `hash` names. A large file is hashed beside the async threads, not on one of them.
async fn has_hash(bytes: &Bytes, hash: ContentHash) -> bool {
    const LARGE: usize = 1 << 20;
    let digest = move |bytes: Bytes| Sha256::digest(&bytes).as_slice() == hash.as_bytes();
    if bytes.len() < LARGE {
        return digest(bytes.clone());
    }
    let bytes = bytes.clone();
    tokio::task::spawn_blocking(move || digest(bytes))
        .await
        .unwrap_or(false)
}

/// What a driver error means.
fn failed(key: &str, error: object_store::Error) -> BlobError {
    if matches!(error, object_store::Error::NotFound { .. }) {
        BlobError::NotFound(key.to_owned())
    } else {
        space::or_full_disk(key, Box::new(error))
    }
}

#[cfg(feature = "failpoints")]
fn injected(key: &str) -> StoreError {
    BlobError::Io {
        key: key.to_owned(),
        source: "injected by a fail point".into(),
    }
    .into()
}
