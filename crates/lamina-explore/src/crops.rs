//! Objects cut out of their pictures.

use bytes::Bytes;
use lamina_media::{DecodeLimits, MediaError, Picture, THUMBNAIL_SIDE, cutting, decode, thumbnail};
use lamina_types::{BoundingBox, RejectReason, Rejection};

use crate::ExploreError;

/// A box at least this long on the picture's own thumbnail is cut out of that, in pixels: a tenth of the work.
const ENOUGH: f64 = 192.0;

/// How large a cutting is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CuttingSize {
    /// As the source has it.
    Full,
    /// As thumbnails are.
    Thumbnail,
}

/// Cuts a part out of a picture; a WebP file. Decodes beside the async threads.
///
/// # Errors
/// Bytes that are no usable picture.
pub async fn cut(
    source: Bytes,
    area: BoundingBox,
    size: CuttingSize,
) -> Result<Bytes, ExploreError> {
    let encode: fn(&Picture) -> Result<Vec<u8>, MediaError> = match size {
        CuttingSize::Full => cutting,
        CuttingSize::Thumbnail => thumbnail,
    };
    let work = move || {
        let picture =
            decode(&source, &DecodeLimits::default()).map_err(ExploreError::BadPicture)?;
        let made = encode(&picture.crop(&area));
        made.map_err(|error| {
            let detail = error.to_string();
            ExploreError::BadPicture(Rejection::new(RejectReason::Unreadable, detail))
        })
    };
    Ok(tokio::task::spawn_blocking(work).await??.into())
}

/// Whether the thumbnail of a picture of this size shows a part large enough to be cut out of it, or as large as the picture
/// itself does.
pub fn is_seen_on_thumbnail((width, height): (u32, u32), area: &BoundingBox) -> bool {
    let (width, height) = (f64::from(width), f64::from(height));
    let scale = f64::from(THUMBNAIL_SIDE) / width.max(height);
    scale >= 1.0 || (width * area.width).max(height * area.height) * scale >= ENOUGH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_boxes_of_large_pictures_need_the_original() {
        let area = |side| BoundingBox::from_fractions(0.0, 0.0, side, side).unwrap();
        assert!(is_seen_on_thumbnail((4_000, 3_000), &area(0.5)));
        assert!(!is_seen_on_thumbnail((4_000, 3_000), &area(0.1)));
        let small = is_seen_on_thumbnail((400, 300), &area(0.1));
        assert!(small, "the thumbnail is the picture");
    }
}
