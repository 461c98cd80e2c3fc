//! The starter detector, captioner and tagger of the repository against what ONNX Runtime gives in Python for the same pictures.

use std::path::PathBuf;

use lamina_inference::{
    CaptionOptions, Captioner, Detector, DetectorInput, EncoderConfig, Lane, ModelPackage, Tagger,
};
use lamina_media::{InputSpec, model_input};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::shared::photo;
use crate::support::{runtime, workspace};

/// All starters together, so that a clone stays small.
const MOST_BYTES: u64 = 25_000_000;
/// As the golden files say it.
const SCORES: f32 = 0.01;

#[derive(Deserialize)]
struct Golden<T> {
    images: Vec<T>,
}

fn golden<T: DeserializeOwned>(name: &str) -> Vec<T> {
    let path = workspace().join(format!("tests/golden/starter-{name}.json"));
    let text = fs_err::read_to_string(path).unwrap();
    let golden: Golden<T> = serde_json::from_str(&text).unwrap();
    assert!(golden.images.len() >= 5);
    golden.images
}

fn folder(name: &str) -> PathBuf {
    workspace().join(format!("models/lamina-starter-{name}"))
}

fn package(name: &str) -> ModelPackage {
    ModelPackage::open(&folder(name)).unwrap()
}

fn input(file: &str, spec: &InputSpec) -> DetectorInput {
    let picture = photo(&workspace().join("tests/golden").join(file));
    let (width, height) = picture.pixel_size();
    DetectorInput {
        tensor: model_input(&picture, spec).unwrap(),
        width,
        height,
    }
}

#[derive(Deserialize)]
struct Boxes {
    file: String,
    objects: Vec<Object>,
}

#[derive(Deserialize)]
struct Object {
    label: String,
    score: f32,
    /// Left, top, right, bottom in pixels.
    corners: [f64; 4],
}

#[tokio::test]
async fn the_detector_finds_what_the_reference_finds() {
    let config = EncoderConfig::default();
    let detector = Detector::start(&runtime(), &package("detector"), &config).unwrap();
    for expected in golden::<Boxes>("detector") {
        let input = input(&expected.file, detector.input_spec());
        let size = [f64::from(input.width), f64::from(input.height)];
        let found = detector.detect(Lane::Bulk, vec![input], 0.3).await.unwrap();
        let found = found[0].as_ref().unwrap();
        assert_eq!(found.len(), expected.objects.len(), "{}", expected.file);
        for (found, object) in found.iter().zip(&expected.objects) {
            assert_eq!(found.label.as_ref(), object.label, "{}", expected.file);
            assert!((found.confidence - object.score).abs() <= SCORES);
            let region = found.region;
            let corners = [
                region.x * size[0],
                region.y * size[1],
                (region.x + region.width) * size[0],
                (region.y + region.height) * size[1],
            ];
            for (found, wanted) in corners.iter().zip(object.corners) {
                assert!((found - wanted).abs() <= 1.0, "{} {wanted}", expected.file);
            }
        }
    }
}

#[derive(Deserialize)]
struct Caption {
    file: String,
    text: String,
}

#[tokio::test]
async fn the_captioner_says_what_the_reference_says() {
    let config = EncoderConfig::default();
    let captioner = Captioner::start(&runtime(), &package("captioner"), &config).unwrap();
    let expected = golden::<Caption>("captioner");
    let tensors = expected
        .iter()
        .map(|caption| input(&caption.file, captioner.input_spec()).tensor)
        .collect();
    let options = CaptionOptions::default();
    let found = captioner
        .caption(Lane::Bulk, tensors, &options)
        .await
        .unwrap();
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found.as_ref(), Ok(&expected.text), "{}", expected.file);
    }
}

#[derive(Deserialize)]
struct Tags {
    file: String,
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
struct Tag {
    tag: String,
    score: f32,
}

#[tokio::test]
async fn the_tagger_gives_the_tags_of_the_reference() {
    let config = EncoderConfig::default();
    let tagger = Tagger::start(&runtime(), &package("tagger"), &config).unwrap();
    for expected in golden::<Tags>("tagger") {
        let input = input(&expected.file, tagger.input_spec());
        let found = tagger.tag(Lane::Bulk, vec![input.tensor]).await.unwrap();
        let found = found[0].as_ref().unwrap();
        let names: Vec<&str> = found.iter().map(|tag| &*tag.name).collect();
        let wanted: Vec<&str> = expected.tags.iter().map(|tag| tag.tag.as_str()).collect();
        assert_eq!(names, wanted, "{}", expected.file);
        for (found, expected) in found.iter().zip(&expected.tags) {
            assert!((found.confidence - expected.score).abs() <= SCORES);
        }
    }
}

#[test]
fn all_starters_together_are_small_and_have_cards() {
    let mut bytes = 0;
    for name in ["encoder", "detector", "captioner", "tagger"] {
        let package = package(name);
        bytes += package
            .manifest()
            .files
            .iter()
            .map(|file| file.bytes)
            .sum::<u64>();
        let card = fs_err::read_to_string(folder(name).join("README.md")).unwrap();
        let card = card.to_lowercase();
        for word in [
            "licence",
            "seed",
            "cpu minutes",
            "held-out",
            "limits",
            "coco",
        ] {
            assert!(card.contains(word), "the card of the {name} lacks {word}");
        }
    }
    assert!(bytes < MOST_BYTES, "{bytes}");
}
