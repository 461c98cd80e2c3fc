//! The bytes behind a media link.

use std::path::PathBuf;

use bytes::Bytes;
use lamina_api::ErrorCode;
use lamina_media::PictureFormat;
use lamina_store::media::Media;
use lamina_store::{BlobError, StoreError, boxes, datasets, media};
use lamina_types::{MediaId, ObjectId};

use crate::crops;
use crate::links::Variant;
use crate::recent::{Region, Seen};
use crate::routes::media::SentLink;
use crate::state::AppState;
use crate::{ApiError, now};

/// A picture that may be read.
pub(crate) struct OpenPicture {
    media: Media,
    region: Option<Region>,
    variant: Variant,
    /// Names the bytes.
    pub(crate) etag: String,
    /// Life of the link.
    pub(crate) seconds_left: i64,
}

/// Bytes and what they are.
pub(crate) struct Picture {
    pub(crate) bytes: Bytes,
    pub(crate) content_type: &'static str,
}

/// The one answer for links that open nothing, whatever the reason.
pub(crate) fn no_such_picture() -> ApiError {
    ApiError::not_found("Media not found")
}

/// Checks a link against the clock, the dataset's epoch and the signature.
///
/// # Errors
/// 404, always in the same words.
pub(crate) async fn open(state: &AppState, link: &SentLink) -> Result<OpenPicture, ApiError> {
    let seconds_left = link.expiry.saturating_sub(now::unix_seconds());
    if seconds_left < 0 {
        return Err(no_such_picture());
    }
    let seen = match look_up(state, link).await {
        Ok(seen) => seen.ok_or_else(no_such_picture)?,
        Err(error) if error.code() == ErrorCode::Unavailable => {
            state.recent.get(link.target.item).ok_or(error)?
        }
        Err(error) => return Err(error),
    };
    let is_of_dataset = seen.media.dataset_id == link.target.dataset;
    if !is_of_dataset
        || !state
            .links
            .verify(link.target, seen.epoch, link.expiry, &link.signature)
    {
        return Err(no_such_picture());
    }
    let Seen { media, region, .. } = seen;
    let variant = link.target.variant;
    let part = region.map_or_else(String::new, |region| format!("-{}", region.id));
    let etag = format!("\"{}{part}-{}\"", media.hash, variant.as_str());
    Ok(OpenPicture {
        media,
        region,
        variant,
        etag,
        seconds_left,
    })
}

/// What the database says of a link's target. The system reads here, not a user: the signature gives the right.
async fn look_up(state: &AppState, link: &SentLink) -> Result<Option<Seen>, ApiError> {
    let Some(dataset) = datasets::find(&state.pool, link.target.dataset).await? else {
        return Ok(None);
    };
    let (pool, item) = (&state.pool, link.target.item);
    let found = match link.target.variant {
        Variant::Original | Variant::Thumbnail => {
            let media = media::by_id(pool, dataset.id, MediaId::from_uuid(item)).await?;
            media.map(|media| (media, None))
        }
        Variant::Crop | Variant::CropThumbnail => {
            let object = boxes::by_id(pool, dataset.id, ObjectId::from_uuid(item)).await?;
            object.map(|object| {
                let region = Region {
                    id: object.region_id,
                    area: object.region,
                };
                (object.media, Some(region))
            })
        }
    };
    let seen = found.map(|(media, region)| Seen {
        media,
        region,
        epoch: dataset.link_epoch,
    });
    if let Some(seen) = &seen {
        state.recent.put(item, seen.clone());
    }
    Ok(seen)
}

impl OpenPicture {
    /// Reads it. The type sent is the one that was detected when the picture was taken in.
    ///
    /// # Errors
    /// 404 when the original has changed or gone away from its own place.
    pub(crate) async fn read(&self, state: &AppState) -> Result<Picture, ApiError> {
        let webp = |bytes| Picture {
            bytes,
            content_type: PictureFormat::Webp.mime(),
        };
        match (self.variant, self.region) {
            (Variant::Crop, Some(region)) => crops::full(state, self, region).await.map(webp),
            (Variant::CropThumbnail, Some(region)) => {
                crops::thumbnail(state, self, region).await.map(webp)
            }
            (Variant::Thumbnail, _) => self.thumbnail(state).await.map(webp),
            (Variant::Original | Variant::Crop | Variant::CropThumbnail, _) => {
                let known = PictureFormat::ALL
                    .iter()
                    .find(|known| known.as_str() == self.media.format);
                Ok(Picture {
                    bytes: self.original(state).await?,
                    content_type: known.map_or("application/octet-stream", |known| known.mime()),
                })
            }
        }
    }

    /// The picture it is, or is cut out of.
    pub(crate) const fn media(&self) -> &Media {
        &self.media
    }

    /// The thumbnail of the whole picture.
    pub(crate) async fn thumbnail(&self, state: &AppState) -> Result<Bytes, ApiError> {
        let (owner, hash) = (self.media.owner_id, self.media.hash);
        state.blobs.get_thumbnail(owner, hash).await.map_err(gone)
    }

    /// The file as it came.
    pub(crate) async fn original(&self, state: &AppState) -> Result<Bytes, ApiError> {
        match &self.media.source_path {
            Some(path) if !self.media.has_original => self.read_in_place(path.into()).await,
            Some(_) | None => {
                let (owner, hash) = (self.media.owner_id, self.media.hash);
                state.blobs.get_content(owner, hash).await.map_err(gone)
            }
        }
    }

    /// An original that was left where it was. What lies there now is only sent if it is still the same picture: the place is
    /// not ours, and anything may have been put there since.
    async fn read_in_place(&self, path: PathBuf) -> Result<Bytes, ApiError> {
        let (hash, size) = (self.media.hash, self.media.byte_size);
        let read = tokio::task::spawn_blocking(move || read_same(&path, hash, size)).await;
        read.map_err(ApiError::internal)?
            .ok_or_else(no_such_picture)
    }
}

fn read_same(path: &std::path::Path, hash: lamina_types::ContentHash, size: i64) -> Option<Bytes> {
    // Looked at before it is opened: opening a pipe would wait for its other end.
    let metadata = fs_err::symlink_metadata(path).ok()?;
    if !metadata.is_file() || i64::try_from(metadata.len()) != Ok(size) {
        return None;
    }
    let mut bytes = Vec::new();
    let file = fs_err::File::open(path).ok()?;
    std::io::Read::read_to_end(&mut std::io::Read::take(file, metadata.len()), &mut bytes).ok()?;
    (lamina_media::content_hash(&bytes) == hash).then(|| Bytes::from(bytes))
}

/// A blob that is missing is a picture that is being deleted.
fn gone(error: StoreError) -> ApiError {
    if let StoreError::Blob(BlobError::NotFound(_)) = error {
        return no_such_picture();
    }
    error.into()
}
