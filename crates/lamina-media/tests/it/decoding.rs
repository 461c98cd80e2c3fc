//! What comes out of the decoder: upright, in sRGB, over white, whatever went in.

use image::{DynamicImage, ImageBuffer, ImageFormat, LumaA, Rgba};
use lamina_media::{DecodeLimits, Picture, PictureFormat, decode, thumbnail};

use crate::files::{
    EMBEDDED, corners, embedded, encoded, jpeg_with_orientation, png_with_orientation,
};

fn taken(bytes: &[u8]) -> Picture {
    decode(bytes, &DecodeLimits::default()).unwrap()
}

fn pixel(picture: &Picture, x: u32, y: u32) -> [u8; 3] {
    let at = ((y * picture.pixel_size().0 + x) * 3) as usize;
    [
        picture.pixels()[at],
        picture.pixels()[at + 1],
        picture.pixels()[at + 2],
    ]
}

fn is_near(one: [u8; 3], other: [u8; 3], by: u8) -> bool {
    one.iter().zip(other).all(|(a, b)| a.abs_diff(b) <= by)
}

/// Which of the four corner colours is in each corner, in reading order.
fn corner_names(picture: &Picture) -> String {
    let (width, height) = picture.pixel_size();
    [
        (2, 2),
        (width - 3, 2),
        (2, height - 3),
        (width - 3, height - 3),
    ]
    .into_iter()
    .map(
        |(x, y)| match pixel(picture, x, y).map(|value| value > 128) {
            [true, false, false] => 'r',
            [false, true, false] => 'g',
            [false, false, true] => 'b',
            [true, true, true] => 'w',
            _ => '?',
        },
    )
    .collect()
}

#[test]
fn all_eight_orientations_end_upright() {
    let stored = corners(48, 32);
    let (jpeg, png) = (
        encoded(&stored, ImageFormat::Jpeg),
        encoded(&stored, ImageFormat::Png),
    );
    // What is seen when the stored picture rgbw is shown as each orientation asks.
    let expected = [
        "rgbw", "grwb", "wbgr", "bwrg", "rbgw", "brwg", "wgbr", "gwrb",
    ];
    for (orientation, names) in (1..).zip(expected) {
        for bytes in [
            jpeg_with_orientation(&jpeg, orientation),
            png_with_orientation(&png, orientation),
        ] {
            let picture = taken(&bytes);
            let size = if orientation >= 5 { (32, 48) } else { (48, 32) };
            assert_eq!((picture.width, picture.height), size, "{orientation}");
            assert_eq!(picture.pixel_size(), size, "{orientation}");
            assert_eq!(corner_names(&picture), names, "{orientation}");
            assert_eq!(
                corner_names(&taken(&thumbnail(&picture).unwrap())),
                names,
                "{orientation}"
            );
        }
    }
}

#[test]
fn colours_survive_every_kind_of_file() {
    for (name, bytes) in EMBEDDED {
        let is_coloured = ![
            "grey.jpg",
            "one-bit.png",
            "one-bit.tif",
            "palette.tif",
            "alpha.webp",
        ]
        .contains(&name);
        if !is_coloured {
            continue;
        }
        let picture = taken(bytes);
        assert_eq!((picture.width, picture.height), (24, 16), "{name}");
        // CMYK without a profile has no exact answer.
        let by = if name.starts_with("cmyk") { 40 } else { 26 };
        assert!(
            is_near(pixel(&picture, 4, 8), [200, 30, 40], by),
            "{name}: {:?}",
            pixel(&picture, 4, 8)
        );
        assert!(
            is_near(pixel(&picture, 19, 8), [20, 60, 220], by),
            "{name}: {:?}",
            pixel(&picture, 19, 8)
        );
    }
}

#[test]
fn ycck_is_converted() {
    // The Adobe segment says how the four channels are coded; 2 stands for YCCK.
    let mut bytes = embedded("cmyk.jpg");
    let at = bytes
        .windows(5)
        .position(|window| window == b"Adobe")
        .unwrap()
        + 11;
    assert_eq!(bytes[at], 0);
    bytes[at] = 2;
    let picture = taken(&bytes);
    assert_eq!(
        (picture.format, picture.width, picture.height),
        (PictureFormat::Jpeg, 24, 16)
    );
}

#[test]
fn grey_and_wide_samples_are_scaled() {
    let grey = taken(&embedded("grey.jpg"));
    let [r, g, b] = pixel(&grey, 4, 8);
    assert!(r == g && g == b && r.abs_diff(82) <= 3, "{r}");
    let wide = DynamicImage::ImageRgb16(corners(16, 16).to_rgb16());
    for format in [ImageFormat::Png, ImageFormat::Tiff] {
        assert_eq!(pixel(&taken(&encoded(&wide, format)), 2, 2), [250, 10, 10]);
    }
}

#[test]
fn what_is_transparent_is_white() {
    let clear = DynamicImage::ImageRgba8(ImageBuffer::from_pixel(6, 4, Rgba([0, 0, 0, 0])));
    let half = DynamicImage::ImageLumaA8(ImageBuffer::from_pixel(6, 4, LumaA([0, 128])));
    assert_eq!(
        pixel(&taken(&encoded(&clear, ImageFormat::Png)), 1, 1),
        [255; 3]
    );
    assert_eq!(
        pixel(&taken(&encoded(&half, ImageFormat::Png)), 1, 1),
        [127; 3]
    );
    assert!(is_near(
        pixel(&taken(&embedded("alpha.webp")), 4, 8),
        [227, 142, 147],
        2
    ));
}

#[test]
fn a_cut_jpeg_is_taken_and_marked_and_a_whole_one_is_not() {
    let whole = encoded(&corners(200, 200), ImageFormat::Jpeg);
    assert!(!taken(&whole).is_truncated);
    for percent in [60, 80, 99] {
        let picture = taken(&whole[..whole.len() * percent / 100]);
        assert!(picture.is_truncated, "{percent} %");
        assert_eq!((picture.width, picture.height), (200, 200));
    }
    let mut trailing = whole;
    trailing.extend([7; 100]);
    assert!(!taken(&trailing).is_truncated);
}

#[test]
fn equal_bytes_have_equal_hashes() {
    let hash = lamina_media::content_hash(b"abc").to_hex();
    assert_eq!(
        hash,
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
}
