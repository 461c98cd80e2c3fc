//! Objects cut out of their pictures, on demand. Thumbnails are kept in the blob store, because a page of explore shows
//! hundreds of them; cuttings of full size are seen one at a time and made anew.

use bytes::Bytes;
use lamina_explore::{CuttingSize, ExploreError, cut, is_seen_on_thumbnail};

use crate::ApiError;
use crate::pictures::{OpenPicture, no_such_picture};
use crate::recent::Region;
use crate::state::AppState;

/// The object at full size, as WebP.
///
/// # Errors
/// 404 when the picture is gone.
pub(crate) async fn full(
    state: &AppState,
    picture: &OpenPicture,
    region: Region,
) -> Result<Bytes, ApiError> {
    let original = picture.original(state).await?;
    cut_in_turn(state, original, region, CuttingSize::Full).await
}

/// The object's thumbnail, as WebP: the stored one, or made now and stored.
///
/// # Errors
/// 404 when the picture is gone.
pub(crate) async fn thumbnail(
    state: &AppState,
    picture: &OpenPicture,
    region: Region,
) -> Result<Bytes, ApiError> {
    let media = picture.media();
    let (owner, hash) = (media.owner_id, media.hash);
    if let Some(stored) = state.blobs.get_crop(owner, hash, region.id).await? {
        return Ok(stored);
    }
    let source = if is_seen_on_thumbnail((media.width, media.height), &region.area) {
        picture.thumbnail(state).await?
    } else {
        picture.original(state).await?
    };
    let made = cut_in_turn(state, source, region, CuttingSize::Thumbnail).await?;
    let kept = state.blobs.put_crop(owner, hash, region.id, made.clone());
    // A full disk is no reason to show nothing.
    if let Err(error) = kept.await {
        tracing::warn!(%error, "the thumbnail of an object could not be kept");
    }
    Ok(made)
}

/// A few at a time: each holds a decoded picture.
async fn cut_in_turn(
    state: &AppState,
    source: Bytes,
    region: Region,
    size: CuttingSize,
) -> Result<Bytes, ApiError> {
    let turn = state.cuttings.acquire().await;
    let _turn = turn.map_err(ApiError::internal)?;
    let made = cut(source, region.area, size).await;
    // It was a picture when it was taken in: what lies there now is something else.
    if let Err(ExploreError::BadPicture(_)) = made {
        return Err(no_such_picture());
    }
    Ok(made?)
}
