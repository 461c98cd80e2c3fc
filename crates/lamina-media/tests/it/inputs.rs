//! Model inputs equal what the reference processors make: Pillow resizes, the rest is arithmetic.

use lamina_media::{InputSpec, Picture, PictureFormat, ResizeFilter, ResizeMode, model_input};

const REFERENCE: &[u8] = include_bytes!("../data/reference-resize.bin");

#[test]
fn resizing_equals_pillow() {
    let rgb = (0..43_u32).flat_map(|y| (0..61_u32).map(move |x| (x, y)));
    let rgb = rgb.flat_map(|(x, y)| {
        [x * 37 + y * 11, x * x + y * 3, x * 5 + y * y * 7].map(|value| value as u8)
    });
    let picture = Picture::from_rgb(PictureFormat::Png, 61, 43, rgb.collect()).unwrap();
    let cases = [
        (ResizeMode::Stretch, ResizeFilter::Bilinear, 12),
        (ResizeMode::Stretch, ResizeFilter::Bicubic, 12),
        (ResizeMode::ShortestEdgeCrop, ResizeFilter::Bilinear, 12),
        (ResizeMode::ShortestEdgeCrop, ResizeFilter::Bicubic, 12),
        (ResizeMode::ShortestEdgeCrop, ResizeFilter::Bicubic, 50),
    ];
    let mut reference = REFERENCE;
    for (resize, filter, size) in cases {
        let spec = InputSpec::new(size, resize, filter, [0.48, 0.46, 0.41], [0.27, 0.26, 0.28]);
        let tensor = model_input(&picture, &spec).unwrap();
        let (expected, rest) = reference.split_at(tensor.len());
        reference = rest;
        let plane = (size * size) as usize;
        let mut total = 0.0;
        for (at, (value, expected)) in tensor.iter().zip(expected).enumerate() {
            let sample = (value * spec.std[at / plane] + spec.mean[at / plane]) * 255.0;
            let distance = (sample - f32::from(*expected)).abs();
            assert!(
                distance < 1.01,
                "{resize:?} {filter:?} {size}, value {at}: {sample} and {expected}"
            );
            total += distance;
        }
        // Pillow weighs with 22 bits and the resizer here with 16: where a sum lies near the middle between two values,
        // they may round to different ones. This picture is noise, which has the most of such places.
        let mean = total / tensor.len() as f32;
        assert!(
            mean < 0.02,
            "{resize:?} {filter:?} {size}: {mean} of a level on average"
        );
    }
    assert!(reference.is_empty());
}
