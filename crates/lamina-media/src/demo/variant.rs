//! Changed copies of a picture, as they turn up in collections.

use fast_image_resize::FilterType;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, RgbImage, imageops};
use lamina_types::BoundingBox;

use crate::resize::resize;
use crate::{MediaError, Picture};

/// A change of a picture's pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Variant {
    /// Left and right exchanged.
    Flipped,
    /// Both sides times a factor.
    Resized(f32),
    /// Every value times a factor: above 1 brighter, below 1 darker.
    Brightened(f32),
    /// Laid under a bright veil: 0 is no change, 1 is white. What overexposure looks like.
    Washed(f32),
    /// This share of each side cut off, half of it on either end.
    Cropped(f32),
    /// Out of focus: a Gaussian of this deviation, as a share of the longest side.
    Blurred(f32),
}

impl Variant {
    /// The changed copy.
    ///
    /// # Errors
    /// Lack of memory or a bug.
    pub fn of(self, picture: &Picture) -> Result<Picture, MediaError> {
        let (width, height) = picture.pixel_size();
        let (rgb, (width, height)) = match self {
            Self::Flipped => {
                let rows = picture.pixels().chunks_exact(width as usize * 3);
                let rgb =
                    rows.flat_map(|row| row.as_chunks::<3>().0.iter().rev().flatten().copied());
                (rgb.collect(), (width, height))
            }
            Self::Resized(factor) => {
                let size =
                    [width, height].map(|side| ((side as f32 * factor).round() as u32).max(1));
                (
                    resize(picture, size[0], size[1], FilterType::CatmullRom)?,
                    (size[0], size[1]),
                )
            }
            Self::Brightened(factor) => (each(picture, |value| value * factor), (width, height)),
            Self::Washed(share) => (
                each(picture, |value| value + (258.0 - value) * share),
                (width, height),
            ),
            Self::Cropped(share) => {
                let (edge, rest) = (f64::from(share) / 2.0, 1.0 - f64::from(share));
                return Ok(match BoundingBox::from_fractions(edge, edge, rest, rest) {
                    Ok(middle) => picture.crop(&middle),
                    Err(_) => picture.clone(),
                });
            }
            Self::Blurred(share) => {
                let source = RgbImage::from_raw(width, height, picture.pixels().to_vec())
                    .unwrap_or_default();
                (
                    imageops::blur(&source, share * width.max(height) as f32).into_raw(),
                    (width, height),
                )
            }
        };
        Ok(Picture::of_pixels(picture.format, (width, height), rgb))
    }
}

fn each(picture: &Picture, change: impl Fn(f32) -> f32) -> Vec<u8> {
    picture
        .pixels()
        .iter()
        .map(|value| change(f32::from(*value)).round().clamp(0.0, 255.0) as u8)
        .collect()
}

/// The picture as a JPEG file of this quality, 1 to 100.
///
/// # Errors
/// Lack of memory or a bug.
pub fn encode_jpeg(picture: &Picture, quality: u8) -> Result<Vec<u8>, MediaError> {
    let (width, height) = picture.pixel_size();
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality)
        .write_image(picture.pixels(), width, height, ExtendedColorType::Rgb8)
        .map_err(MediaError::Encode)?;
    Ok(bytes)
}

/// The picture as a PNG file.
///
/// # Errors
/// Lack of memory or a bug.
pub fn encode_png(picture: &Picture) -> Result<Vec<u8>, MediaError> {
    let (width, height) = picture.pixel_size();
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(picture.pixels(), width, height, ExtendedColorType::Rgb8)
        .map_err(MediaError::Encode)?;
    Ok(bytes)
}
