//! A decoded picture.

use lamina_types::BoundingBox;

use crate::PictureFormat;

/// A decoded picture: upright, 8-bit sRGB, opaque.
///
/// `width` and `height` are those of the whole picture at full size, after turning it upright; the pixels at hand may be
/// a reduced copy (see [`crate::decode_at_least`]), whose size is [`Picture::pixel_size`].
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// The format of the file.
    pub format: PictureFormat,
    /// Width of the upright picture at full size, in pixels, at least 1.
    pub width: u32,
    /// Height of the upright picture at full size, in pixels, at least 1.
    pub height: u32,
    /// The file ended before the picture did; what was missing is grey. Only JPEG is taken in this state.
    pub is_truncated: bool,
    pixel_width: u32,
    pixel_height: u32,
    rgb: Vec<u8>,
}

impl Picture {
    /// A picture from pixels: `rgb` holds `width * height` triples, rows from the top. `None` if the length differs or a
    /// side is 0.
    pub fn from_rgb(format: PictureFormat, width: u32, height: u32, rgb: Vec<u8>) -> Option<Self> {
        let fits =
            width > 0 && height > 0 && rgb.len() as u64 == u64::from(width) * u64::from(height) * 3;
        fits.then(|| Self::of_pixels(format, (width, height), rgb))
    }

    /// As [`Self::from_rgb`], for callers that have just made a buffer of this size.
    pub(crate) fn of_pixels(
        format: PictureFormat,
        (width, height): (u32, u32),
        rgb: Vec<u8>,
    ) -> Self {
        Self {
            format,
            width,
            height,
            is_truncated: false,
            pixel_width: width,
            pixel_height: height,
            rgb,
        }
    }

    /// The pixels: rows from the top, each pixel as red, green, blue.
    pub fn pixels(&self) -> &[u8] {
        &self.rgb
    }

    /// Width and height of [`Self::pixels`].
    pub fn pixel_size(&self) -> (u32, u32) {
        (self.pixel_width, self.pixel_height)
    }

    /// The part of the picture inside `region`, at least one pixel a side.
    pub fn crop(&self, region: &BoundingBox) -> Self {
        let [left, top, width, height] = region.to_pixels(self.pixel_width, self.pixel_height);
        let [_, _, full_width, full_height] = region.to_pixels(self.width, self.height);
        let stride = self.pixel_width as usize * 3;
        // Row by row: byte by byte would take as long as decoding.
        let mut rgb = Vec::with_capacity(width as usize * height as usize * 3);
        let rows = self.rgb.chunks_exact(stride).skip(top as usize);
        for row in rows.take(height as usize) {
            rgb.extend_from_slice(&row[left as usize * 3..(left + width) as usize * 3]);
        }
        Self {
            width: full_width,
            height: full_height,
            pixel_width: width,
            pixel_height: height,
            rgb,
            ..*self
        }
    }
}

impl std::fmt::Debug for Picture {
    /// Without the pixels.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Picture")
            .field("format", &self.format)
            .field("width", &self.width)
            .field("height", &self.height)
            .field("pixel_size", &self.pixel_size())
            .field("is_truncated", &self.is_truncated)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crop_holds_the_pixels_of_its_region() {
        let rgb = (0..4 * 2).flat_map(|n| [n, n, n]).collect();
        let picture = Picture::from_rgb(PictureFormat::Png, 4, 2, rgb).unwrap();
        let right_bottom = picture.crop(&BoundingBox::from_fractions(0.5, 0.5, 0.5, 0.5).unwrap());
        assert_eq!(right_bottom.pixel_size(), (2, 1));
        assert_eq!(right_bottom.pixels(), [6, 6, 6, 7, 7, 7]);
    }

    #[test]
    fn a_buffer_of_the_wrong_length_is_no_picture() {
        assert!(Picture::from_rgb(PictureFormat::Png, 2, 2, vec![0; 11]).is_none());
        assert!(Picture::from_rgb(PictureFormat::Png, 0, 2, vec![]).is_none());
    }
}
