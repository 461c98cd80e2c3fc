//! Files made byte by byte, or by an encoder and then bent.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use image::{DynamicImage, ImageBuffer, ImageFormat, Rgb};

/// The embedded pictures: see `tests/data/README.md`.
pub const EMBEDDED: [(&str, &[u8]); 14] = [
    ("alpha.webp", include_bytes!("../data/alpha.webp")),
    ("animated.gif", include_bytes!("../data/animated.gif")),
    ("animated.webp", include_bytes!("../data/animated.webp")),
    ("cmyk.jpg", include_bytes!("../data/cmyk.jpg")),
    ("cmyk.tif", include_bytes!("../data/cmyk.tif")),
    ("grey.jpg", include_bytes!("../data/grey.jpg")),
    ("one-bit.png", include_bytes!("../data/one-bit.png")),
    ("one-bit.tif", include_bytes!("../data/one-bit.tif")),
    ("palette.bmp", include_bytes!("../data/palette.bmp")),
    ("palette.png", include_bytes!("../data/palette.png")),
    ("palette.tif", include_bytes!("../data/palette.tif")),
    ("plain.bmp", include_bytes!("../data/plain.bmp")),
    ("progressive.jpg", include_bytes!("../data/progressive.jpg")),
    ("subsampled.jpg", include_bytes!("../data/subsampled.jpg")),
];

/// 32-bit floats.
pub const FLOAT_TIFF: &[u8] = include_bytes!("../data/float.tif");

/// An embedded picture.
pub fn embedded(name: &str) -> Vec<u8> {
    EMBEDDED
        .iter()
        .find(|(known, _)| *known == name)
        .unwrap()
        .1
        .to_vec()
}

/// A picture with four different corners, red, green, blue and white in reading order.
pub fn corners(width: u32, height: u32) -> DynamicImage {
    DynamicImage::ImageRgb8(ImageBuffer::from_fn(width, height, |x, y| {
        match (x < width / 2, y < height / 2) {
            (true, true) => Rgb([250, 10, 10]),
            (false, true) => Rgb([10, 250, 10]),
            (true, false) => Rgb([10, 10, 250]),
            (false, false) => Rgb([250, 250, 250]),
        }
    }))
}

/// A picture in a format.
pub fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A TIFF header with the one tag that EXIF orientation is.
fn exif(orientation: u16) -> Vec<u8> {
    let mut bytes = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01".to_vec();
    bytes.extend(orientation.to_be_bytes());
    bytes.extend([0; 6]);
    bytes
}

/// A JPEG with an EXIF orientation.
pub fn jpeg_with_orientation(jpeg: &[u8], orientation: u16) -> Vec<u8> {
    let mut body = b"Exif\0\0".to_vec();
    body.extend(exif(orientation));
    let mut bytes = vec![0xFF, 0xD8, 0xFF, 0xE1];
    bytes.extend((body.len() as u16 + 2).to_be_bytes());
    bytes.extend(body);
    bytes.extend(&jpeg[2..]);
    bytes
}

/// A PNG with an EXIF orientation.
pub fn png_with_orientation(png: &[u8], orientation: u16) -> Vec<u8> {
    with_chunk(png, b"eXIf", &exif(orientation))
}

/// A PNG with another chunk after the header.
pub fn with_chunk(png: &[u8], kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    // Signature 8, header chunk 25.
    let mut bytes = png[..33].to_vec();
    bytes.extend(chunk(kind, body));
    bytes.extend(&png[33..]);
    bytes
}

fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = (body.len() as u32).to_be_bytes().to_vec();
    bytes.extend(kind);
    bytes.extend(body);
    let mut sum = flate2::Crc::new();
    sum.update(&bytes[4..]);
    bytes.extend(sum.sum().to_be_bytes());
    bytes
}

/// A PNG that declares a size and holds next to nothing.
pub fn hollow_png(width: u32, height: u32, depth: u8, colour: u8) -> Vec<u8> {
    let mut header = width.to_be_bytes().to_vec();
    header.extend(height.to_be_bytes());
    header.extend([depth, colour, 0, 0, 0]);
    let mut bytes = b"\x89PNG\r\n\x1A\n".to_vec();
    bytes.extend(chunk(b"IHDR", &header));
    bytes.extend(chunk(b"IDAT", &deflated(&[0; 64])));
    bytes.extend(chunk(b"IEND", &[]));
    bytes
}

/// A palette picture whose palette has this many bytes.
pub fn png_with_palette_of(length: usize) -> Vec<u8> {
    let mut header = 8_u32.to_be_bytes().to_vec();
    header.extend(8_u32.to_be_bytes());
    header.extend([8, 3, 0, 0, 0]);
    let mut bytes = b"\x89PNG\r\n\x1A\n".to_vec();
    bytes.extend(chunk(b"IHDR", &header));
    bytes.extend(chunk(b"PLTE", &vec![90; length]));
    bytes.extend(chunk(b"IDAT", &deflated(&[1; 72])));
    bytes.extend(chunk(b"IEND", &[]));
    bytes
}

/// A small PNG whose colour profile unpacks to this many bytes.
pub fn png_with_profile_of(length: usize) -> Vec<u8> {
    let png = encoded(&corners(8, 8), ImageFormat::Png);
    let mut body = b"bomb\0\0".to_vec();
    body.extend(deflated(&vec![0; length]));
    with_chunk(&png, b"iCCP", &body)
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The frame header's size, rewritten.
pub fn jpeg_declaring(jpeg: &[u8], width: u16, height: u16) -> Vec<u8> {
    let mut bytes = jpeg.to_vec();
    let at = (2..bytes.len())
        .find(|at| bytes[*at] == 0xFF && matches!(bytes[at + 1], 0xC0..=0xC2))
        .unwrap();
    bytes[at + 5..at + 7].copy_from_slice(&height.to_be_bytes());
    bytes[at + 7..at + 9].copy_from_slice(&width.to_be_bytes());
    bytes
}
