//! Model inputs equal those of the reference processors: CLIP, `SigLIP`, `DINOv2`, RT-DETR and RF-DETR of transformers, and `YOLOX`'s
//! letterbox. `tests/golden/vision/make_tensors.py` writes the reference.

use std::path::{Path, PathBuf};

use lamina_media::{InputSpec, Picture, PictureFormat, SampleRange, model_input};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    picture: String,
    image: InputSpec,
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/golden")
        .join(name)
}

/// The formulas of `make_tensors.py`.
fn picture(name: &str) -> Picture {
    let (width, height) = if name == "wide" { (97, 61) } else { (58, 83) };
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let pixel = |(x, y): (u32, u32)| {
        let pixel = if name == "wide" {
            let square = if (x / 16 + y / 16) % 2 == 0 { 200 } else { 40 };
            [x * 255 / width, y * 3 + x, square]
        } else {
            [x * 37 + y * 11, x * x + y * 3, x * 5 + y * y * 7]
        };
        pixel.map(|sample| (sample % 256) as u8)
    };
    let rgb = places.flat_map(pixel).collect();
    Picture::from_rgb(PictureFormat::Png, width, height, rgb).unwrap()
}

#[test]
fn tensors_are_those_of_the_reference_processors() {
    let text = fs_err::read_to_string(golden("processors.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
    let bytes = fs_err::read(golden("processors.bin")).unwrap();
    let mut rest = bytes.as_chunks::<4>().0;
    assert!(cases.len() >= 15);
    for Case {
        name,
        picture: shape,
        image,
    } in cases
    {
        let tensor = model_input(&picture(&shape), &image).unwrap();
        let (expected, others) = rest.split_at(tensor.len());
        rest = others;
        let plane = (image.size * image.size) as usize;
        // Each direction rounds to 8 bits, which may fall to the other side, and hardly anywhere does.
        let level = |channel: usize| match image.range {
            SampleRange::Unit => 1.0 / 255.0 / image.std[channel],
            SampleRange::Bytes => 1.0 / image.std[channel],
        };
        let (mut total, mut worst) = (0.0, 0.0_f32);
        for (at, (value, expected)) in tensor.iter().zip(expected).enumerate() {
            let levels = (value - f32::from_le_bytes(*expected)).abs() / level(at / plane);
            worst = worst.max(levels);
            total += levels;
        }
        let mean = total / tensor.len() as f32;
        let is_same = worst < 2.01 && mean < 0.02;
        assert!(
            is_same,
            "{name}, {shape}: {mean} levels away, {worst} at worst"
        );
    }
    assert!(rest.is_empty());
}

#[test]
fn a_letterbox_says_what_part_the_picture_covers() {
    let text = fs_err::read_to_string(golden("processors.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
    let yolox = cases
        .iter()
        .find(|case| case.name == "yolox")
        .unwrap()
        .image;
    assert_eq!(yolox.cover(640, 320), Some((1.0, 0.5)));
    assert_eq!(yolox.cover(10, 40), Some((0.25, 1.0)));
    let siglip = cases
        .iter()
        .find(|case| case.name == "siglip")
        .unwrap()
        .image;
    assert_eq!(siglip.cover(640, 320), Some((1.0, 1.0)));
    let clip = cases.iter().find(|case| case.name == "clip").unwrap().image;
    assert_eq!(clip.cover(640, 320), None);
    // Strips of any length become at least a line of pixels.
    let strip = Picture::from_rgb(PictureFormat::Png, 500, 1, vec![7; 1500]).unwrap();
    let tensor = model_input(&strip, &yolox).unwrap();
    assert!(tensor[..32].iter().all(|value| *value == 7.0));
    assert!(tensor[32..1024].iter().all(|value| *value == 114.0));
}
