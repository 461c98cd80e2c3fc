//! What the tests share: the library, the tiny package, its reference.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lamina_inference::{
    DeviceChoice, DualEncoder, EncoderConfig, ModelPackage, Runtime, RuntimeSearch, find_runtime,
};
use lamina_types::Embedding;
use serde::Deserialize;

pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The library: `ORT_DYLIB_PATH` when the test runner names one, else the one that set-up fetched. Without any the test fails and says
/// which command helps.
pub fn library() -> PathBuf {
    let search = RuntimeSearch {
        explicit: std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from),
        workspace: Some(workspace()),
        ..RuntimeSearch::default()
    };
    find_runtime(&search).unwrap_or_else(|missing| panic!("{missing}"))
}

pub fn runtime() -> Arc<Runtime> {
    Runtime::load(&library(), DeviceChoice::Cpu).unwrap_or_else(|error| panic!("{error:?}"))
}

pub fn tiny_folder() -> PathBuf {
    workspace().join("tests/golden/tiny-dual-encoder")
}

pub fn tiny_encoder(config: &EncoderConfig) -> DualEncoder {
    let package = ModelPackage::open(&tiny_folder()).unwrap();
    DualEncoder::start(&runtime(), &package, config).unwrap()
}

#[derive(Deserialize)]
pub struct Expected {
    pub images: Vec<Vec<f32>>,
    pub texts: Vec<ExpectedText>,
}

#[derive(Deserialize)]
pub struct ExpectedText {
    pub text: String,
    pub embedding: Vec<f32>,
}

pub fn expected() -> Expected {
    let text = fs_err::read_to_string(tiny_folder().join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The reference pictures of `make.py`.
pub fn picture(number: usize) -> Vec<f32> {
    let number = number as f64;
    (0..3 * 16 * 16)
        .map(|place| (f64::from(place) * 0.37 * (number + 1.0) + number).sin() as f32)
        .collect()
}

/// A copy of the tiny package that may be damaged.
pub fn copy_of_tiny(to: &Path) {
    for name in [
        "model.toml",
        "vision_model.onnx",
        "text_model.onnx",
        "tokenizer.json",
    ] {
        fs_err::copy(tiny_folder().join(name), to.join(name)).unwrap();
    }
}

#[track_caller]
pub fn assert_same_direction(found: &Embedding, expected: &[f32], what: &str) {
    let expected = Embedding::new(expected.to_vec()).unwrap();
    assert_eq!(found.dimension(), expected.dimension());
    let distance = found.cosine_distance(&expected);
    assert!(distance <= 1e-5, "{what}: cosine distance {distance}");
    for (found, expected) in found.as_slice().iter().zip(expected.as_slice()) {
        assert!(
            (found - expected).abs() < 1e-4,
            "{what}: {found} where {expected} was expected"
        );
    }
}
