//! A tiny `DINOv2` graph, exported as the hub's are: vectors equal those of `PyTorch`.

use lamina_inference::{
    EncoderConfig, ImageEncoder, InferenceError, Lane, ModelPackage, Models, ModelsOptions,
};
use serde::Deserialize;

use crate::shared::{package, photo, shared};
use crate::support::{assert_same_direction, runtime, workspace};

#[derive(Deserialize)]
struct Expected {
    images: Vec<Vec<f32>>,
}

fn expected() -> Expected {
    let file = workspace().join("tests/golden/tiny-dinov2/expected.json");
    serde_json::from_str(&fs_err::read_to_string(file).unwrap()).unwrap()
}

/// The reference pictures of `packages.py`.
fn pictures(size: u32, count: usize) -> Vec<Vec<f32>> {
    let picture = |number: usize| {
        let number = number as f64;
        let value = |place| (f64::from(place) * 0.37 * (number + 1.0) + number).sin() as f32;
        (0..3 * size * size).map(value).collect()
    };
    (0..count).map(picture).collect()
}

#[tokio::test]
async fn the_first_token_of_dinov2_agrees_with_the_reference_alone_and_in_batches() {
    let models = Models::new(
        runtime(),
        ModelsOptions {
            dirs: vec![workspace().join("tests/golden")],
            encoder: EncoderConfig::default(),
            idle_unload: std::time::Duration::from_secs(60),
        },
    );
    let encoder = models.image_encoder("tiny-dinov2@1").await.unwrap();
    let expected = expected();
    let inputs = pictures(encoder.input_spec().size, expected.images.len());
    let together = encoder
        .embed_images(Lane::Bulk, inputs.clone())
        .await
        .unwrap();
    for (number, wanted) in expected.images.iter().enumerate() {
        let alone = encoder
            .embed_images(Lane::Interactive, vec![inputs[number].clone()])
            .await
            .unwrap();
        let what = format!("picture {number}");
        assert_same_direction(alone[0].as_ref().unwrap(), wanted, &what);
        assert_same_direction(together[number].as_ref().unwrap(), wanted, &what);
    }
    let report = encoder.report();
    assert!(report.is_ready() && report.graphs[0].1.items == 6);
    let error = encoder
        .embed_images(Lane::Bulk, vec![vec![0.0; 7]])
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        InferenceError::TensorLength {
            index: 0,
            found: 7,
            ..
        }
    ));
    let broken = encoder
        .embed_images(
            Lane::Bulk,
            vec![vec![f32::NAN; 3 * 28 * 28], inputs[0].clone()],
        )
        .await
        .unwrap();
    assert!(broken[0].is_err() && broken[1].is_ok());
    models.shutdown().await;
}

#[test]
fn an_encoder_of_another_length_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let golden = workspace().join("tests/golden/tiny-dinov2");
    let text = fs_err::read_to_string(golden.join("model.toml")).unwrap();
    fs_err::copy(golden.join("model.onnx"), folder.path().join("model.onnx")).unwrap();
    let text = text.replacen("dimension = 32", "dimension = 16", 1);
    fs_err::write(folder.path().join("model.toml"), text).unwrap();
    let package = ModelPackage::open(folder.path()).unwrap();
    let error = ImageEncoder::start(&runtime(), &package, &EncoderConfig::default()).unwrap_err();
    let InferenceError::Start { source, .. } = &error else {
        panic!("{error:?}");
    };
    assert!(source.to_string().contains("32"), "{source}");
    let dual = ModelPackage::open(&workspace().join("tests/golden/tiny-clip")).unwrap();
    let error = ImageEncoder::start(&runtime(), &dual, &EncoderConfig::default()).unwrap_err();
    assert!(matches!(error, InferenceError::Family { .. }));
}

#[tokio::test]
async fn mobilenet_puts_a_smaller_copy_beside_its_photo() {
    let (Some(folder), Some(photos)) = (
        shared("models/mobilenetv2-imagenet"),
        shared("photos/coco-cc/images"),
    ) else {
        return;
    };
    let to = tempfile::tempdir().unwrap();
    let rest = r#"family = "image-encoder"
dimension = 1280
image = { size = 224, shortest_edge = 256, resize = "shortest-edge-crop", filter = "bilinear", mean = [0.5, 0.5, 0.5], std = [0.5, 0.5, 0.5] }
index = { cluster_distances = [0.05, 0.1, 0.2, 0.3, 0.4], anchor_distance = 0.3, outlier_distance = 0.6, duplicate_similarity = 0.97 }
batch = { max_batch = 8 }
"#;
    let package = package(to.path(), &folder, &[("model.onnx", "vision")], rest);
    let encoder = ImageEncoder::start(&runtime(), &package, &EncoderConfig::default()).unwrap();
    let mut files: Vec<_> = fs_err::read_dir(&photos)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut originals = Vec::new();
    let mut copies = Vec::new();
    for file in files.iter().take(12) {
        let picture = photo(file);
        let thumbnail = lamina_media::thumbnail(&picture).unwrap();
        let copy = lamina_media::decode(&thumbnail, &lamina_media::DecodeLimits::default());
        originals.push(lamina_media::model_input(&picture, encoder.input_spec()).unwrap());
        copies.push(lamina_media::model_input(&copy.unwrap(), encoder.input_spec()).unwrap());
    }
    let originals = encoder.embed_images(Lane::Bulk, originals).await.unwrap();
    let copies = encoder.embed_images(Lane::Bulk, copies).await.unwrap();
    for (number, copy) in copies.iter().enumerate() {
        let copy = copy.as_ref().unwrap();
        let distances = originals
            .iter()
            .map(|original| original.as_ref().unwrap().cosine_distance(copy));
        let nearest = distances
            .enumerate()
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .unwrap();
        assert_eq!(nearest.0, number, "{:?}", files[number]);
    }
}
