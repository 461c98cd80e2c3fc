//! Thumbnails.

use crate::resize::resize;
use crate::{MediaError, Picture, webp};
use fast_image_resize::FilterType;

/// The longest side of a thumbnail, in pixels: cards of pages show 200 to 300, twice that on fine screens. What a thumbnail costs
/// grows with its square, and it is a quarter of what an ingest costs.
pub const THUMBNAIL_SIDE: u32 = 448;

/// Good to the eye at this size, 12 to 45 kB for a photo. Against 70 it is 0.3 dB less, and a tenth less time: what the encoder
/// does at its fastest method is mostly to write bits.
const QUALITY: f32 = 65.0;

/// For parts shown at full size.
const CUTTING_QUALITY: f32 = 90.0;

/// A lossy WebP copy whose longest side is [`THUMBNAIL_SIDE`] at most; smaller pictures keep their size. Without any
/// metadata of the original.
///
/// # Errors
/// Lack of memory or a bug; no picture that could be decoded is refused.
pub fn thumbnail(picture: &Picture) -> Result<Vec<u8>, MediaError> {
    encode(picture, THUMBNAIL_SIDE, QUALITY)
}

/// A part of a picture as a file of its own: a lossy WebP of full size (or the largest that WebP has), hard to tell from the
/// original. Without any metadata.
///
/// # Errors
/// As [`thumbnail`].
pub fn cutting(picture: &Picture) -> Result<Vec<u8>, MediaError> {
    encode(picture, webp::LONGEST_SIDE, CUTTING_QUALITY)
}

fn encode(picture: &Picture, longest: u32, quality: f32) -> Result<Vec<u8>, MediaError> {
    let (width, height) = fit(picture.pixel_size(), longest);
    let rgb = resize(picture, width, height, FilterType::Bilinear)?;
    webp::encode(&rgb, (width, height), quality)
}

/// The size with the longest side at most `longest`, proportions kept, no side below 1, never larger.
fn fit((width, height): (u32, u32), longest: u32) -> (u32, u32) {
    let side = width.max(height);
    if side <= longest {
        return (width, height);
    }
    let scaled = |length: u32| {
        ((f64::from(length) * f64::from(longest) / f64::from(side)).round() as u32).max(1)
    };
    (scaled(width), scaled(height))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PictureFormat;

    #[test]
    fn sizes_fit_and_never_grow() {
        assert_eq!(fit((640, 480), 512), (512, 384));
        assert_eq!(fit((480, 640), 512), (384, 512));
        assert_eq!(fit((300, 200), 512), (300, 200));
        assert_eq!(fit((16_384, 1), 512), (512, 1));
    }

    #[test]
    fn a_cutting_keeps_its_size() {
        let picture = Picture::from_rgb(PictureFormat::Png, 700, 3, vec![9; 700 * 3 * 3]).unwrap();
        let limits = crate::DecodeLimits::default();
        let shown = crate::decode(&cutting(&picture).unwrap(), &limits).unwrap();
        assert_eq!((shown.width, shown.height), (700, 3));
    }

    #[test]
    fn a_thumbnail_is_a_webp_of_the_fitting_size() {
        let rgb = (0..1024 * 600)
            .flat_map(|n: u32| [(n % 251) as u8, (n / 1024 % 256) as u8, 90])
            .collect();
        let picture = Picture::from_rgb(PictureFormat::Png, 1024, 600, rgb).unwrap();
        let shown = crate::decode(
            &thumbnail(&picture).unwrap(),
            &crate::DecodeLimits::default(),
        )
        .unwrap();
        assert_eq!(
            (shown.format, shown.width, shown.height),
            (PictureFormat::Webp, 448, 263)
        );
    }
}
