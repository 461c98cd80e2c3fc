//! Which format a file has, by its first bytes. Names and extensions are never asked: they lie, and a decoder that is
//! chosen by content cannot be tricked into serving one type as another.

/// The formats that are taken. Others are attack surface without users, or need C libraries with a long list of flaws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PictureFormat {
    /// JPEG.
    Jpeg,
    /// PNG; of an animated one, the default image.
    Png,
    /// WebP, lossy or lossless; of an animated one, the first frame.
    Webp,
    /// GIF, first frame.
    Gif,
    /// Windows bitmap.
    Bmp,
    /// TIFF, first page.
    Tiff,
}

impl PictureFormat {
    /// Every format.
    pub const ALL: &'static [Self] = &[
        Self::Jpeg,
        Self::Png,
        Self::Webp,
        Self::Gif,
        Self::Bmp,
        Self::Tiff,
    ];

    /// The name used in columns and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::Webp => "webp",
            Self::Gif => "gif",
            Self::Bmp => "bmp",
            Self::Tiff => "tiff",
        }
    }

    /// The media type to serve the original with.
    pub const fn mime(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
            Self::Gif => "image/gif",
            Self::Bmp => "image/bmp",
            Self::Tiff => "image/tiff",
        }
    }

    pub(crate) const fn codec(self) -> image::ImageFormat {
        match self {
            Self::Jpeg => image::ImageFormat::Jpeg,
            Self::Png => image::ImageFormat::Png,
            Self::Webp => image::ImageFormat::WebP,
            Self::Gif => image::ImageFormat::Gif,
            Self::Bmp => image::ImageFormat::Bmp,
            Self::Tiff => image::ImageFormat::Tiff,
        }
    }
}

impl std::fmt::Display for PictureFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Webp => "WebP",
            Self::Gif => "GIF",
            Self::Bmp => "BMP",
            Self::Tiff => "TIFF",
        })
    }
}

/// The format of a file that begins with `prefix`; 18 bytes are enough. `None` when it is none of the formats taken.
pub fn sniff(prefix: &[u8]) -> Option<PictureFormat> {
    let starts = |magic: &[u8]| prefix.starts_with(magic);
    if starts(b"\xFF\xD8\xFF") {
        Some(PictureFormat::Jpeg)
    } else if starts(b"\x89PNG\r\n\x1A\n") {
        Some(PictureFormat::Png)
    } else if starts(b"RIFF") && prefix.get(8..12) == Some(b"WEBP") {
        Some(PictureFormat::Webp)
    } else if starts(b"GIF87a") || starts(b"GIF89a") {
        Some(PictureFormat::Gif)
    } else if starts(b"II*\0") || starts(b"MM\0*") || starts(b"II+\0") || starts(b"MM\0+") {
        Some(PictureFormat::Tiff)
    } else if starts(b"BM") && has_bitmap_header(prefix) {
        Some(PictureFormat::Bmp)
    } else {
        None
    }
}

/// "BM" alone begins many a text; a bitmap also states the size of its second header, one of a few known ones.
fn has_bitmap_header(prefix: &[u8]) -> bool {
    let size = prefix
        .get(14..18)
        .and_then(|bytes| <[u8; 4]>::try_from(bytes).ok())
        .map(u32::from_le_bytes);
    matches!(size, Some(12 | 16 | 40 | 52 | 56 | 64 | 108 | 124))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_by_their_first_bytes() {
        assert_eq!(sniff(b"\xFF\xD8\xFF\xE0"), Some(PictureFormat::Jpeg));
        assert_eq!(sniff(b"RIFF\x10\0\0\0WEBPVP8 "), Some(PictureFormat::Webp));
        assert_eq!(sniff(b"MM\0*\0\0\0\x08"), Some(PictureFormat::Tiff));
        assert_eq!(
            sniff(b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0"),
            Some(PictureFormat::Bmp)
        );
    }

    #[test]
    fn texts_and_neighbours_are_no_pictures() {
        for other in [
            &b""[..],
            b"BM is how this sentence starts",
            b"RIFF\x10\0\0\0WAVEfmt ",
            b"<svg xmlns=",
            b"PK\x03\x04",
            b"\x89PNG",
        ] {
            assert_eq!(sniff(other), None, "{other:?}");
        }
    }
}
