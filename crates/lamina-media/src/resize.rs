//! Resizing by antialiased convolution, as Pillow does it.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::{MediaError, Picture};

/// The pixels of `picture` at another size. The kernel grows with the reduction, so nothing aliases.
///
/// Across first, then down, rounded to 8 bits in between: the order of Pillow. With kernels that overshoot, the values
/// that are cut off in between depend on it.
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
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
    let mut resizer = Resizer::new();
    let mut pass = |pixels: &[u8], from: (u32, u32), to: (u32, u32)| {
        let source = ImageRef::new(from.0, from.1, pixels, PixelType::U8x3).map_err(|source| {
            MediaError::Buffer {
                width: from.0,
                height: from.1,
                source,
            }
        })?;
        let mut target = Image::new(to.0, to.1, PixelType::U8x3);
        resizer
            .resize(&source, &mut target, &options)
            .map_err(|source| MediaError::Resize {
                width: to.0,
                height: to.1,
                source,
            })?;
        Ok(target.into_vec())
    };
    match (width == from_width, height == from_height) {
        (true, true) => Ok(picture.pixels().to_vec()),
        (false, true) | (true, false) => {
            pass(picture.pixels(), (from_width, from_height), (width, height))
        }
        (false, false) => {
            let narrow = pass(
                picture.pixels(),
                (from_width, from_height),
                (width, from_height),
            )?;
            pass(&narrow, (width, from_height), (width, height))
        }
    }
}
