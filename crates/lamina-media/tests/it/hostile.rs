//! Files that mean harm, or merely came to it: every one ends in a picture or a reason, soon, and never in a panic.

use std::time::{Duration, Instant};

use image::{DynamicImage, ImageFormat};
use lamina_media::{DecodeLimits, decode, decode_at_least, demo, inspect};
use lamina_types::RejectReason;

use crate::files::{
    EMBEDDED, FLOAT_TIFF, corners, embedded, encoded, hollow_png, jpeg_declaring,
    jpeg_with_orientation, png_with_orientation, png_with_palette_of, png_with_profile_of,
    with_chunk,
};

/// What must become of a file.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Verdict {
    Taken,
    Refused(RejectReason),
    /// Either is right; what counts is that there is one.
    Any,
}
use Verdict::{Any, Refused, Taken};

const FORMATS: [(&str, ImageFormat); 6] = [
    ("jpeg", ImageFormat::Jpeg),
    ("png", ImageFormat::Png),
    ("webp", ImageFormat::WebP),
    ("gif", ImageFormat::Gif),
    ("bmp", ImageFormat::Bmp),
    ("tiff", ImageFormat::Tiff),
];

fn cases() -> Vec<(String, Vec<u8>, Verdict)> {
    let mut cases: Vec<(String, Vec<u8>, Verdict)> = Vec::new();
    let mut add =
        |name: String, bytes: Vec<u8>, verdict: Verdict| cases.push((name, bytes, verdict));

    add("no bytes".into(), vec![], Refused(RejectReason::Empty));
    for (name, bytes) in [
        ("text", &b"these are words and nothing but words"[..]),
        (
            "svg",
            b"<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>",
        ),
        ("html", b"<!doctype html><script>alert(1)</script>"),
        ("zip", b"PK\x03\x04\x14\0\0\0\x08\0 and so on"),
        ("pdf", b"%PDF-1.7\n1 0 obj"),
        ("elf", b"\x7FELF\x02\x01\x01"),
        ("heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"),
        ("avif", b"\0\0\0\x18ftypavif\0\0\0\0avifmif1"),
        ("one byte", b"\xFF"),
        ("zeros", &[0; 4096]),
        ("half a signature", b"\x89PNG\r"),
        ("wave file", b"RIFF\x24\0\0\0WAVEfmt "),
        (
            "words that begin as a bitmap",
            b"BMI is a number that says little about a person",
        ),
        ("icon", b"\0\0\x01\0\x01\0\x10\x10\0\0\x01\0\x20\0"),
        ("hdr", b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\n"),
        ("portable anymap", b"P6\n1 1\n255\nabc"),
    ] {
        add(
            name.into(),
            bytes.to_vec(),
            Refused(RejectReason::UnsupportedFormat),
        );
    }
    for (name, magic) in [
        ("jpeg", &b"\xFF\xD8\xFF\xE0"[..]),
        ("png", b"\x89PNG\r\n\x1A\n"),
        ("webp", b"RIFF\xFF\xFF\xFF\x7FWEBPVP8 "),
        ("gif", b"GIF89a"),
        ("tiff", b"II*\0\x08\0\0\0"),
        ("bigtiff", b"II+\0\x08\0\0\0"),
        ("bmp", b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0"),
    ] {
        add(
            format!("bare {name} signature"),
            magic.to_vec(),
            Refused(RejectReason::Damaged),
        );
        let mut noise = demo::Random::new(magic.len() as u64);
        for round in 0..4 {
            let mut bytes = magic.to_vec();
            bytes.extend((0..900).map(|_| noise.below(256) as u8));
            add(format!("{name} signature and noise {round}"), bytes, Any);
        }
    }

    let whole = corners(40, 24);
    for (name, format) in FORMATS {
        let bytes = encoded(&whole, format);
        add(format!("whole {name}"), bytes.clone(), Taken);
        for percent in [3, 10, 25, 50, 75, 90, 98] {
            let cut = bytes[..bytes.len() * percent / 100].to_vec();
            // The smallest files end in padding that decoders do not miss.
            add(format!("{name} cut at {percent} %"), cut, Any);
        }
        for shift in 0..12 {
            let mut bent = bytes.clone();
            let at = 12 + (bent.len() - 12) * shift / 12;
            bent[at] ^= 0x55;
            add(format!("{name} with byte {at} bent"), bent, Any);
        }
        for (width, height) in [(1, 1), (1, 700), (700, 1)] {
            add(
                format!("{name} of {width} x {height}"),
                encoded(&corners(width, height), format),
                Taken,
            );
        }
    }
    for (name, bytes) in EMBEDDED {
        // Pillow writes palette TIFF, which the decoder does not know.
        let verdict = if name == "palette.tif" {
            Refused(RejectReason::UnsupportedFormat)
        } else {
            Taken
        };
        add(name.into(), bytes.to_vec(), verdict);
        add(
            format!("{name} cut in half"),
            bytes[..bytes.len() / 2].to_vec(),
            Any,
        );
    }
    add(
        "floats".into(),
        FLOAT_TIFF.to_vec(),
        Refused(RejectReason::UnsupportedFormat),
    );

    for (name, picture) in [
        ("16-bit rgb", DynamicImage::ImageRgb16(whole.to_rgb16())),
        ("16-bit rgba", DynamicImage::ImageRgba16(whole.to_rgba16())),
        ("16-bit grey", DynamicImage::ImageLuma16(whole.to_luma16())),
        (
            "16-bit grey with alpha",
            DynamicImage::ImageLumaA16(whole.to_luma_alpha16()),
        ),
        (
            "grey with alpha",
            DynamicImage::ImageLumaA8(whole.to_luma_alpha8()),
        ),
        ("rgba", DynamicImage::ImageRgba8(whole.to_rgba8())),
    ] {
        add(name.into(), encoded(&picture, ImageFormat::Png), Taken);
    }
    add(
        "16-bit tiff".into(),
        encoded(
            &DynamicImage::ImageRgb16(whole.to_rgb16()),
            ImageFormat::Tiff,
        ),
        Taken,
    );

    let (png, jpeg) = (
        encoded(&whole, ImageFormat::Png),
        encoded(&whole, ImageFormat::Jpeg),
    );
    for orientation in [0, 9, 255, 65_535] {
        add(
            format!("jpeg turned {orientation}"),
            jpeg_with_orientation(&jpeg, orientation),
            Taken,
        );
        add(
            format!("png turned {orientation}"),
            png_with_orientation(&png, orientation),
            Taken,
        );
    }
    add(
        "png with exif rubbish".into(),
        with_chunk(&png, b"eXIf", b"MM\0*\xFF\xFF\xFF\xFF"),
        Taken,
    );
    for length in [1, 2, 4, 5, 767, 769] {
        add(
            format!("png palette of {length} bytes"),
            png_with_palette_of(length),
            Any,
        );
    }
    for (width, height, depth, colour, reason) in [
        (50_000, 50_000, 8, 2, RejectReason::TooManyPixels),
        (
            u32::MAX >> 1,
            u32::MAX >> 1,
            16,
            6,
            RejectReason::TooManyPixels,
        ),
        (16_385, 1, 8, 2, RejectReason::TooManyPixels),
        (16_384, 16_384, 1, 0, RejectReason::TooManyPixels),
        (9_900, 9_900, 16, 6, RejectReason::TooMuchMemory),
        (9_900, 9_900, 16, 2, RejectReason::TooMuchMemory),
        (0, 10, 8, 2, RejectReason::Damaged),
    ] {
        add(
            format!("hollow png of {width} x {height}"),
            hollow_png(width, height, depth, colour),
            Refused(reason),
        );
    }
    add(
        "hollow png within limits".into(),
        hollow_png(8_000, 8_000, 8, 2),
        Refused(RejectReason::Damaged),
    );
    add(
        "jpeg that declares 65,535 x 65,535".into(),
        jpeg_declaring(&jpeg, 65_535, 65_535),
        Refused(RejectReason::TooManyPixels),
    );
    add(
        "jpeg that declares 16,000 x 6,000".into(),
        jpeg_declaring(&jpeg, 16_000, 6_000),
        Any,
    );
    let progressive = jpeg_declaring(&embedded("progressive.jpg"), 16_000, 6_000);
    add(
        "progressive jpeg that declares 16,000 x 6,000".into(),
        progressive,
        Refused(RejectReason::TooMuchMemory),
    );
    add(
        "jpeg that declares no height".into(),
        jpeg_declaring(&jpeg, 40, 0),
        Any,
    );
    add(
        "profile that unpacks to 200 MB".into(),
        png_with_profile_of(200_000_000),
        Any,
    );
    add(
        "profile that is rubbish".into(),
        png_with_profile_of(300),
        Taken,
    );
    let mut trailing = jpeg.clone();
    trailing.extend([0xAB; 5000]);
    add("jpeg with 5 kB behind it".into(), trailing, Taken);
    let mut twice = jpeg.clone();
    twice.extend(&jpeg);
    add("two jpegs in a row".into(), twice, Taken);
    cases
}

#[test]
fn every_file_gets_a_verdict_and_every_door_the_same() {
    let cases = cases();
    assert!(cases.len() >= 200, "{}", cases.len());
    let limits = DecodeLimits::default();
    let mut wrong = Vec::new();
    for (name, bytes, expected) in &cases {
        let start = Instant::now();
        let outcome = decode(bytes, &limits);
        let took = start.elapsed();
        if took > Duration::from_secs(5) {
            wrong.push(format!("{name}: took {took:?}"));
        }
        let is_right = match (&outcome, expected) {
            (_, Any) | (Ok(_), Taken) => true,
            (Err(rejection), Refused(reason)) => rejection.reason == *reason,
            (Ok(_), Refused(_)) | (Err(_), Taken) => false,
        };
        if !is_right {
            wrong.push(format!("{name}: expected {expected:?}, got {outcome:?}"));
        }
        let reduced = decode_at_least(bytes, &limits, 16);
        match (&outcome, &reduced) {
            (Ok(full), Ok(less)) => {
                if (full.width, full.height, full.is_truncated)
                    != (less.width, less.height, less.is_truncated)
                {
                    wrong.push(format!("{name}: full {full:?}, reduced {less:?}"));
                }
            }
            (Err(full), Err(less)) if full == less => {}
            (full, less) => wrong.push(format!("{name}: full {full:?}, reduced {less:?}")),
        }
        match (&outcome, inspect(bytes, &limits)) {
            (Ok(picture), Ok(declared)) => {
                if (picture.width, picture.height) != (declared.width, declared.height) {
                    wrong.push(format!("{name}: {picture:?} but declared {declared:?}"));
                }
            }
            (Ok(picture), Err(rejection)) => {
                wrong.push(format!("{name}: {picture:?} but {rejection}"))
            }
            (Err(_), _) => {}
        }
        if let Err(rejection) = &outcome {
            let is_plain =
                rejection.detail.len() < 400 && !rejection.detail.chars().any(char::is_control);
            if rejection.detail.is_empty() || !is_plain {
                wrong.push(format!("{name}: detail {:?}", rejection.detail));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

#[test]
fn small_limits_are_kept() {
    let bytes = encoded(&corners(300, 200), ImageFormat::Png);
    let reason = |limits: DecodeLimits| decode(&bytes, &limits).map(|_| ()).unwrap_err().reason;
    let limits = DecodeLimits::default();
    assert_eq!(
        reason(DecodeLimits {
            max_bytes: 100,
            ..limits
        }),
        RejectReason::TooManyBytes
    );
    assert_eq!(
        reason(DecodeLimits {
            max_side: 299,
            ..limits
        }),
        RejectReason::TooManyPixels
    );
    assert_eq!(
        reason(DecodeLimits {
            max_pixels: 59_999,
            ..limits
        }),
        RejectReason::TooManyPixels
    );
    assert_eq!(
        reason(DecodeLimits {
            max_alloc_bytes: 300 * 200 * 3 - 1,
            ..limits
        }),
        RejectReason::TooMuchMemory
    );
    assert!(
        decode(
            &bytes,
            &DecodeLimits {
                max_pixels: 60_000,
                max_side: 300,
                ..limits
            }
        )
        .is_ok()
    );
}
