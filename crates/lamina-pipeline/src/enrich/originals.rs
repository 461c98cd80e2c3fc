//! The bytes of a picture that was taken in: from the blob store, or from the place where it was left.

use std::io::Read as _;
use std::path::Path;

use bytes::Bytes;
use lamina_media::content_hash;
use lamina_store::media::Media;
use lamina_store::{BlobError, StoreError};
use lamina_types::{ContentHash, RejectReason, Rejection};

use crate::PipelineError;
use crate::stages::Stage;
use crate::workshop::Workshop;

/// The original of a media item, or why there is none any more.
///
/// # Errors
/// The disk; never that a file is gone, changed or damaged.
pub(crate) async fn fetch(
    workshop: &Workshop,
    media: &Media,
) -> Result<Result<Bytes, Rejection>, PipelineError> {
    let (hash, size) = (media.hash, media.byte_size);
    if let (Some(path), false) = (&media.source_path, media.has_original) {
        let (path, workshop) = (std::path::PathBuf::from(path), workshop.clone());
        let read = move || {
            workshop
                .stages
                .run(Stage::Fetch, || read_same(&path, hash, size))
        };
        let read = tokio::task::spawn_blocking(read).await?;
        let detail = "the file that was left in its place has changed or is gone";
        return Ok(read.ok_or_else(|| Rejection::new(RejectReason::Unreadable, detail)));
    }
    match workshop.blobs.get_content(media.owner_id, hash).await {
        Ok(bytes) => Ok(Ok(bytes)),
        Err(StoreError::Blob(BlobError::NotFound(_))) => {
            let detail = "the original is not in the blob store";
            Ok(Err(Rejection::new(RejectReason::Unreadable, detail)))
        }
        Err(error) => Err(error.into()),
    }
}

/// What lies at a path, if it is still the same picture: the place is not ours, and what models say is kept under the
/// name of the content.
fn read_same(path: &Path, hash: ContentHash, size: i64) -> Option<Bytes> {
    // Looked at before it is opened: opening a pipe would wait for its other end.
    let metadata = fs_err::symlink_metadata(path).ok()?;
    if !metadata.is_file() || i64::try_from(metadata.len()) != Ok(size) {
        return None;
    }
    let mut bytes = Vec::new();
    let file = fs_err::File::open(path).ok()?;
    file.take(metadata.len()).read_to_end(&mut bytes).ok()?;
    (content_hash(&bytes) == hash).then(|| Bytes::from(bytes))
}
