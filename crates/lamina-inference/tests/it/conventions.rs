//! Dual encoders of both conventions against `transformers`: the ordinary export of each, with random weights.

use lamina_inference::{DualEncoder, EncoderConfig, Lane, ModelPackage};
use serde::Deserialize;

use crate::support::{assert_same_direction, runtime, workspace};

#[derive(Deserialize)]
struct Expected {
    texts: Vec<Text>,
    images: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct Text {
    text: String,
    embedding: Vec<f32>,
}

/// The reference pictures of `dual_encoders.py`.
fn pixels(number: usize) -> Vec<f32> {
    let number = number as f64;
    (0..3 * 32 * 32)
        .map(|place| (f64::from(place) * 0.37 * (number + 1.0) + number).sin() as f32)
        .collect()
}

async fn assert_agrees(name: &str) {
    let folder = workspace().join("tests/golden").join(name);
    let text = fs_err::read_to_string(folder.join("expected.json")).unwrap();
    let expected: Expected = serde_json::from_str(&text).unwrap();
    let package = ModelPackage::open(&folder).unwrap();
    let encoder = DualEncoder::start(&runtime(), &package, &EncoderConfig::default()).unwrap();
    let texts: Vec<String> = expected
        .texts
        .iter()
        .map(|text| text.text.clone())
        .collect();
    // Batches of four, so filled up to another length than alone.
    let together = encoder
        .embed_texts(Lane::Bulk, texts.clone())
        .await
        .unwrap();
    for ((text, together), expected) in texts.into_iter().zip(together).zip(&expected.texts) {
        assert_same_direction(&together, &expected.embedding, &format!("{name} {text:?}"));
        let alone = encoder
            .embed_texts(Lane::Interactive, vec![text.clone()])
            .await
            .unwrap();
        assert_same_direction(
            &alone[0],
            &expected.embedding,
            &format!("{name} {text:?} alone"),
        );
    }
    let pictures: Vec<Vec<f32>> = (0..expected.images.len()).map(pixels).collect();
    let together = encoder
        .embed_images(Lane::Bulk, pictures.clone())
        .await
        .unwrap();
    for ((picture, together), expected) in pictures.into_iter().zip(together).zip(&expected.images)
    {
        assert_same_direction(&together.unwrap(), expected, name);
        let alone = encoder
            .embed_images(Lane::Interactive, vec![picture])
            .await
            .unwrap()
            .remove(0);
        assert_same_direction(&alone.unwrap(), expected, &format!("{name} alone"));
    }
}

#[tokio::test]
async fn the_clip_convention_agrees_with_the_reference() {
    assert_agrees("tiny-clip").await;
}

#[tokio::test]
async fn the_siglip_convention_agrees_with_the_reference() {
    assert_agrees("tiny-siglip").await;
}
