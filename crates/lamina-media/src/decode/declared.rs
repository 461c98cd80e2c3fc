//! What a file says about its own size, held against the limits.

use image::metadata::Orientation;
use image::{ColorType, ImageDecoder};
use lamina_types::{RejectReason, Rejection};

use super::jpeg;
use crate::{DecodeLimits, PictureFormat};

/// What the headers of a file declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declared {
    /// The format, by content.
    pub format: PictureFormat,
    /// Width of the upright picture, in pixels.
    pub width: u32,
    /// Height of the upright picture, in pixels.
    pub height: u32,
    /// Estimated peak of memory while decoding, in bytes; an upper bound for well-behaved decoders. Take permits by it.
    pub peak_bytes: u64,
}

impl Declared {
    pub(super) fn check(
        format: PictureFormat,
        decoder: &impl ImageDecoder,
        orientation: Orientation,
        jpeg: Option<&jpeg::Structure>,
        limits: &DecodeLimits,
    ) -> Result<Self, Rejection> {
        let (width, height) = decoder.dimensions();
        let pixels = u64::from(width) * u64::from(height);
        if pixels == 0 {
            return Err(Rejection::new(
                RejectReason::Damaged,
                "the picture has no pixels",
            ));
        }
        if width > limits.max_side || height > limits.max_side || pixels > limits.max_pixels {
            let detail = format!(
                "{width} x {height} pixels, at most {} in all and {} a side are taken",
                limits.max_pixels, limits.max_side
            );
            return Err(Rejection::new(RejectReason::TooManyPixels, detail));
        }

        let is_turned = swaps_sides(orientation);
        let samples = decoder.total_bytes();
        let rgb = pixels * 3;
        let workspace = match format {
            PictureFormat::Jpeg => jpeg.map_or(0, jpeg::Structure::coefficient_bytes),
            // Both keep a second picture while they work: WebP its planes or its canvas, GIF a frame off the canvas,
            // TIFF the samples before they are put in order (CMYK has a fourth).
            PictureFormat::Webp | PictureFormat::Gif => pixels * 4,
            PictureFormat::Tiff => samples.max(pixels * 4),
            // Row by row.
            PictureFormat::Png | PictureFormat::Bmp => 0,
        };
        let converting = if widens(decoder.color_type()) {
            samples + rgb
        } else {
            samples
        };
        let turning = if is_turned { rgb * 2 } else { 0 };
        let peak_bytes = (samples + workspace).max(converting).max(turning);
        if peak_bytes > limits.max_alloc_bytes {
            let detail = format!(
                "decoding {width} x {height} pixels would take {} MiB, at most {} MiB are given",
                peak_bytes >> 20,
                limits.max_alloc_bytes >> 20
            );
            return Err(Rejection::new(RejectReason::TooMuchMemory, detail));
        }
        let (width, height) = if is_turned {
            (height, width)
        } else {
            (width, height)
        };
        Ok(Self {
            format,
            width,
            height,
            peak_bytes,
        })
    }
}

/// Whether turning the picture upright exchanges width and height.
fn swaps_sides(orientation: Orientation) -> bool {
    match orientation {
        Orientation::Rotate90
        | Orientation::Rotate270
        | Orientation::Rotate90FlipH
        | Orientation::Rotate270FlipH => true,
        Orientation::NoTransforms
        | Orientation::Rotate180
        | Orientation::FlipHorizontal
        | Orientation::FlipVertical => false,
    }
}

/// Whether a pixel has fewer bytes than RGB8 has, so that converting needs a second buffer.
fn widens(colour_type: ColorType) -> bool {
    colour_type.bytes_per_pixel() < 3
}
