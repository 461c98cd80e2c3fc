//! The tagger family: a tiny one of the form of `RAM++` against `PyTorch`, and a zero-shot one over the towers of the tiny dual encoder.

use std::path::Path;

use lamina_inference::{
    DualEncoder, EncoderConfig, InferenceError, Lane, ModelPackage, PackageError, Tagger,
};
use lamina_types::{ContentHash, Embedding};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support::{picture, runtime, tiny_folder, workspace};

#[derive(Debug, Deserialize)]
struct Tag {
    name: String,
    confidence: f32,
}

fn golden() -> std::path::PathBuf {
    workspace().join("tests/golden/tiny-tagger")
}

fn start(folder: &Path) -> Result<Tagger, InferenceError> {
    let package = ModelPackage::open(folder).unwrap();
    Tagger::start(&runtime(), &package, &EncoderConfig::default())
}

/// The reference pictures of `make.py`.
fn pixels(number: usize) -> Vec<f32> {
    let number = number as f64;
    (0..3 * 32 * 32)
        .map(|place| (f64::from(place) * 0.37 * (number + 1.0) + number).sin() as f32)
        .collect()
}

#[tokio::test]
async fn scores_and_thresholds_agree_with_the_reference() {
    let text = fs_err::read_to_string(golden().join("expected.json")).unwrap();
    let expected: Vec<Vec<Tag>> = serde_json::from_str(&text).unwrap();
    let tagger = start(&golden()).unwrap();
    // The graph takes one picture at a time; the pool must see to that.
    let pictures = (0..expected.len()).map(pixels).collect();
    let found = tagger.tag(Lane::Bulk, pictures).await.unwrap();
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        let found = found.as_ref().unwrap();
        let names: Vec<&str> = found.iter().map(|tag| &*tag.name).collect();
        let wanted: Vec<&str> = expected.iter().map(|tag| &*tag.name).collect();
        assert_eq!(names, wanted);
        for (found, expected) in found.iter().zip(expected) {
            let difference = (found.confidence - expected.confidence).abs();
            assert!(difference < 1e-4, "{found:?} {expected:?}");
        }
    }
    assert!(tagger.report().is_ready());
    let short = tagger.tag(Lane::Interactive, vec![vec![0.0; 5]]).await;
    assert!(matches!(short, Err(InferenceError::TensorLength { .. })));
    tagger.shutdown().await;
}

fn copy(names: &[&str], from: &Path, to: &Path) {
    for name in names {
        fs_err::copy(from.join(name), to.join(name)).unwrap();
    }
}

/// A copy of the tiny tagger with another text in the place of one of its files.
fn changed(name: &str, text: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let names = ["model.onnx", "labels.txt", "thresholds.txt", "model.toml"];
    copy(&names, &golden(), folder.path());
    let before = fs_err::read(folder.path().join(name)).unwrap();
    fs_err::write(folder.path().join(name), text).unwrap();
    let path = folder.path().join("model.toml");
    let manifest = fs_err::read_to_string(&path).unwrap();
    let manifest = manifest.replace(&hash(&before), &hash(text.as_bytes()));
    let size = |bytes: usize| format!("bytes = {bytes}\n");
    let manifest = manifest.replace(&size(before.len()), &size(text.len()));
    fs_err::write(path, manifest).unwrap();
    folder
}

fn hash(bytes: &[u8]) -> String {
    ContentHash::from_bytes(Sha256::digest(bytes).into()).to_hex()
}

#[test]
fn labels_and_thresholds_that_do_not_fit_do_not_start() {
    let fewer = changed("labels.txt", "dog\ncat\n");
    assert!(matches!(
        start(fewer.path()),
        Err(InferenceError::Package(PackageError::Thresholds { .. }))
    ));
    let wrong = changed("thresholds.txt", "0.5\n0.5\n0.5\n0.5\n0.5\n0.5\n5\n");
    assert!(matches!(
        start(wrong.path()),
        Err(InferenceError::Package(PackageError::Thresholds { .. }))
    ));
    let more = changed("labels.txt", "a\nb\nc\nd\ne\nf\ng\nh\n");
    let path = more.path().join("model.toml");
    let manifest = fs_err::read_to_string(&path).unwrap();
    let manifest = manifest.replace("role = \"thresholds\"", "role = \"document\"");
    fs_err::write(
        path,
        manifest.replace("max_tags", "score_threshold = 0.5\nmax_tags"),
    )
    .unwrap();
    let error = start(more.path()).unwrap_err();
    assert!(matches!(error, InferenceError::Start { .. }), "{error:?}");
}

const NAMES: [&str; 4] = ["dog", "red car", "", "house"];
const TEMPLATES: [&str; 2] = ["a photo of a {}", "{}"];
const SCALE: f32 = 20.0;

/// A zero-shot tagger over the towers of the tiny dual encoder.
fn zero_shot() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let files = ["vision_model.onnx", "text_model.onnx", "tokenizer.json"];
    copy(&files, &tiny_folder(), folder.path());
    let labels = NAMES.map(|name| format!("{name}\n")).concat();
    fs_err::write(folder.path().join("labels.txt"), &labels).unwrap();
    let manifest = fs_err::read_to_string(tiny_folder().join("model.toml")).unwrap();
    let (head, _) = manifest.split_once("[index]").unwrap();
    let head = head.replace("\"dual-encoder\"", "\"tagger\"");
    let labels_entry = format!(
        "[[files]]\npath = \"labels.txt\"\nrole = \"labels\"\nsha256 = \"{}\"\nbytes = {}\n\n[image]",
        hash(labels.as_bytes()),
        labels.len()
    );
    let head = head.replace("[image]", &labels_entry);
    let tail = format!(
        "[tagger]\nlayout = \"zero-shot\"\nscore_threshold = 0.0\nmax_tags = 10\ntemplates = {TEMPLATES:?}\nscale = {SCALE:.1}\n\n[batch]\nmax_batch = 4\n"
    );
    fs_err::write(folder.path().join("model.toml"), format!("{head}{tail}")).unwrap();
    folder
}

/// The same by hand, from the vectors of the dual encoder itself.
#[tokio::test]
async fn zero_shot_scores_are_the_softmax_over_mean_prompt_vectors() {
    let tagger = start(zero_shot().path()).unwrap();
    let found = tagger
        .tag(Lane::Bulk, vec![picture(0), picture(1)])
        .await
        .unwrap();

    let package = ModelPackage::open(&tiny_folder()).unwrap();
    let encoder = DualEncoder::start(&runtime(), &package, &EncoderConfig::default()).unwrap();
    let named: Vec<&str> = NAMES.into_iter().filter(|name| !name.is_empty()).collect();
    let mut tags = Vec::new();
    for name in &named {
        let prompts = TEMPLATES.map(|template| template.replace("{}", name));
        let vectors = encoder
            .embed_texts(Lane::Bulk, prompts.into())
            .await
            .unwrap();
        let sum = |at: usize| vectors.iter().map(|vector| vector.as_slice()[at]).sum();
        tags.push(Embedding::new((0..encoder.dimension()).map(sum).collect()).unwrap());
    }
    let pictures = encoder
        .embed_images(Lane::Bulk, vec![picture(0), picture(1)])
        .await
        .unwrap();
    for (found, picture) in found.iter().zip(pictures) {
        let (found, picture) = (found.as_ref().unwrap(), picture.unwrap());
        let raised: Vec<f32> = tags
            .iter()
            .map(|tag| (SCALE * (1.0 - picture.cosine_distance(tag))).exp())
            .collect();
        let sum: f32 = raised.iter().sum();
        let mut expected: Vec<(&str, f32)> = named
            .iter()
            .zip(raised)
            .map(|(name, raised)| (*name, raised / sum))
            .collect();
        expected.sort_by(|a, b| b.1.total_cmp(&a.1));
        assert_eq!(found.len(), expected.len());
        for (found, (name, share)) in found.iter().zip(expected) {
            assert_eq!(&*found.name, name);
            assert!((found.confidence - share).abs() < 1e-4, "{found:?} {share}");
        }
        let total: f32 = found.iter().map(|tag| tag.confidence).sum();
        assert!((total - 1.0).abs() < 1e-4);
    }
    let graphs = tagger.report().graphs;
    assert_eq!(graphs.len(), 1, "the text tower is not kept: {graphs:?}");
}
