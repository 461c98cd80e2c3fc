//! The starter package of this repository against the reference that its training wrote.

use lamina_inference::{DualEncoder, EncoderConfig, Lane, ModelPackage};
use lamina_media::{DecodeLimits, decode, model_input};
use lamina_types::Embedding;
use serde::Deserialize;

use crate::support::{runtime, workspace};

#[derive(Deserialize)]
struct Golden {
    images: Vec<GoldenImage>,
    texts: Vec<GoldenText>,
    cosine: GoldenCosine,
}

#[derive(Deserialize)]
struct GoldenImage {
    file: String,
    first_16: Vec<f32>,
    tolerance: f32,
}

#[derive(Deserialize)]
struct GoldenText {
    text: String,
    first_16: Vec<f32>,
    tolerance: f32,
}

#[derive(Deserialize)]
struct GoldenCosine {
    order: Vec<String>,
    matrix: Vec<Vec<f32>>,
}

fn starter() -> DualEncoder {
    let package = ModelPackage::open(&workspace().join("models/lamina-starter-encoder")).unwrap();
    DualEncoder::start(
        &runtime(),
        &package,
        &EncoderConfig {
            max_batch: Some(4),
            ..EncoderConfig::default()
        },
    )
    .unwrap()
}

fn golden() -> Golden {
    let text =
        fs_err::read_to_string(workspace().join("tests/golden/starter-encoder.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn tensors(encoder: &DualEncoder, golden: &Golden) -> Vec<Vec<f32>> {
    let tensor = |image: &GoldenImage| {
        let bytes = fs_err::read(workspace().join("tests/golden").join(&image.file)).unwrap();
        let picture = decode(&bytes, &DecodeLimits::default()).unwrap();
        model_input(&picture, encoder.input_spec()).unwrap()
    };
    golden.images.iter().map(tensor).collect()
}

#[track_caller]
fn assert_near(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() <= tolerance,
            "{what}: {found} where {expected} was expected"
        );
    }
}

#[tokio::test]
async fn pictures_and_texts_agree_with_the_reference() {
    let (encoder, golden) = (starter(), golden());
    assert!(encoder.has_text() && !golden.images.is_empty() && !golden.texts.is_empty());
    let pictures = encoder
        .embed_images(Lane::Bulk, tensors(&encoder, &golden))
        .await
        .unwrap();
    let pictures: Vec<Embedding> = pictures.into_iter().map(Result::unwrap).collect();
    let texts = golden.texts.iter().map(|text| text.text.clone()).collect();
    let texts = encoder.embed_texts(Lane::Interactive, texts).await.unwrap();
    let mut names = Vec::new();
    for (found, golden) in pictures.iter().zip(&golden.images) {
        assert_eq!(found.dimension(), encoder.dimension());
        assert_near(
            found.as_slice(),
            &golden.first_16,
            golden.tolerance,
            &golden.file,
        );
        names.push((golden.file.clone(), golden.tolerance));
    }
    for (found, golden) in texts.iter().zip(&golden.texts) {
        assert_near(
            found.as_slice(),
            &golden.first_16,
            golden.tolerance,
            &golden.text,
        );
        names.push((golden.text.clone(), golden.tolerance));
    }
    let all: Vec<&Embedding> = pictures.iter().chain(&texts).collect();
    let order: Vec<&String> = names.iter().map(|(name, _)| name).collect();
    assert_eq!(order, golden.cosine.order.iter().collect::<Vec<_>>());
    for (row, first) in all.iter().enumerate() {
        for (column, second) in all.iter().enumerate() {
            let cosine: f32 = first
                .as_slice()
                .iter()
                .zip(second.as_slice())
                .map(|(a, b)| a * b)
                .sum();
            let tolerance = names[row].1.max(names[column].1);
            let what = format!("cosine of {} and {}", order[row], order[column]);
            assert_near(
                &[cosine],
                &[golden.cosine.matrix[row][column]],
                tolerance,
                &what,
            );
        }
    }
}

#[tokio::test]
async fn a_batch_equals_its_items_one_by_one() {
    let (encoder, golden) = (starter(), golden());
    let tensors = tensors(&encoder, &golden);
    let together = encoder
        .embed_images(Lane::Bulk, tensors.clone())
        .await
        .unwrap();
    for (tensor, together) in tensors.into_iter().zip(together) {
        let alone = encoder
            .embed_images(Lane::Interactive, vec![tensor])
            .await
            .unwrap()
            .remove(0)
            .unwrap();
        assert!(alone.cosine_distance(&together.unwrap()) < 1e-5);
    }
    let texts: Vec<String> = ["dog", "a photo of a dog on the beach beside a red boat", ""]
        .map(str::to_owned)
        .into();
    let together = encoder
        .embed_texts(Lane::Bulk, texts.clone())
        .await
        .unwrap();
    for (text, together) in texts.into_iter().zip(together) {
        let alone = encoder
            .embed_texts(Lane::Interactive, vec![text.clone()])
            .await
            .unwrap()
            .remove(0);
        assert!(alone.cosine_distance(&together) < 1e-5, "{text:?}");
    }
}
