//! Resizing by antialiased convolution, as Pillow does it.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::{MediaError, Picture};

/// The pixels of `picture` at another size. The kernel grows with the reduction, so nothing aliases.
///
/// # Errors
/// A side of 0, or a bug.
pub(crate) fn resize(
    picture: &Picture,
    width: u32,
    height: u32,
    filter: FilterType,
) -> Result<Vec<u8>, MediaError> {
    let (from_width, from_height) = picture.pixel_size();
    if (from_width, from_height) == (width, height) {
        return Ok(picture.pixels().to_vec());
    }
    let source = ImageRef::new(from_width, from_height, picture.pixels(), PixelType::U8x3)
        .map_err(|source| MediaError::Buffer {
            width: from_width,
            height: from_height,
            source,
        })?;
    let mut target = Image::new(width, height, PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
    Resizer::new()
        .resize(&source, &mut target, &options)
        .map_err(|source| MediaError::Resize {
            width,
            height,
            source,
        })?;
    Ok(target.into_vec())
}
