//! Folders in hub layouts, honest and hostile.

use std::path::{Path, PathBuf};

use lamina_hub::{AddOptions, Added, HubError, add};
use lamina_inference::{CaptionerLayout, Family, ModelPackage};
use lamina_testkit::hub::onnx;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::catalog::packages;

/// A folder with these files, graphs under `onnx/`.
fn folder(graphs: &[&str], files: &[(&str, Value)]) -> (TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("My Model");
    fs_err::create_dir_all(dir.join("onnx")).unwrap();
    for name in graphs {
        fs_err::write(
            dir.join("onnx").join(format!("{name}.onnx")),
            onnx(name, 300),
        )
        .unwrap();
    }
    for (name, value) in files {
        let path = dir.join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, value.to_string()).unwrap();
    }
    (root, dir)
}

fn added(dir: &Path) -> (TempDir, Result<Added, HubError>) {
    let target = tempfile::tempdir().unwrap();
    let options = AddOptions {
        name: None,
        licence: Some("MIT".to_owned()),
    };
    let outcome = add(dir, target.path(), &options);
    if outcome.is_err() {
        assert!(packages(target.path()).is_empty(), "installed all the same");
    }
    (target, outcome)
}

fn pixels() -> Value {
    json!({"size": {"height": 64, "width": 64}, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]})
}

#[test]
fn every_common_layout_becomes_a_package_of_its_family() {
    let tokenizer = ("tokenizer.json", json!({}));
    let detector = json!({"model_type": "d_fine", "id2label": {"0": "cat", "1": "dog"}});
    let cases = [
        (
            Family::DualEncoder,
            folder(
                &["vision_model", "text_model"],
                &[
                    (
                        "config.json",
                        json!({"model_type": "clip", "projection_dim": 32}),
                    ),
                    ("preprocessor_config.json", pixels()),
                    tokenizer.clone(),
                ],
            ),
        ),
        (
            Family::ImageEncoder,
            folder(
                &["model"],
                &[
                    (
                        "config.json",
                        json!({"model_type": "dinov2", "hidden_size": 32}),
                    ),
                    ("preprocessor_config.json", pixels()),
                ],
            ),
        ),
        (
            Family::TextEncoder,
            folder(
                &["model"],
                &[
                    (
                        "config.json",
                        json!({"model_type": "bert", "hidden_size": 32}),
                    ),
                    (
                        "1_Pooling/config.json",
                        json!({"pooling_mode_cls_token": true}),
                    ),
                    tokenizer.clone(),
                ],
            ),
        ),
        (
            Family::Detector,
            folder(
                &["model"],
                &[
                    ("config.json", detector),
                    ("preprocessor_config.json", pixels()),
                ],
            ),
        ),
        (
            Family::Captioner,
            folder(
                &["encoder_model", "decoder_model_merged"],
                &[
                    (
                        "config.json",
                        json!({"decoder_start_token_id": 5, "eos_token_id": 6}),
                    ),
                    ("preprocessor_config.json", pixels()),
                    tokenizer.clone(),
                ],
            ),
        ),
        (
            Family::Captioner,
            folder(
                &[
                    "vision_encoder",
                    "embed_tokens",
                    "encoder_model",
                    "decoder_model_merged",
                ],
                &[
                    ("config.json", json!({"model_type": "florence2"})),
                    ("preprocessor_config.json", pixels()),
                    tokenizer,
                ],
            ),
        ),
    ];
    for (number, (family, (_root, dir))) in cases.into_iter().enumerate() {
        let (_target, outcome) = added(&dir);
        let outcome = outcome.unwrap_or_else(|error| panic!("case {number}: {error:?}"));
        let package = ModelPackage::open(&outcome.dir).unwrap();
        assert_eq!(package.manifest().family, family);
        assert!(
            outcome.package.starts_with("my-model@1-"),
            "{}",
            outcome.package
        );
        assert!(!outcome.assumptions.is_empty(), "says what it assumed");
        if let Some(captioner) = &package.manifest().captioner {
            assert_eq!(captioner.layout == CaptionerLayout::Florence2, number == 5);
        }
        if family == Family::Detector {
            let labels = fs_err::read_to_string(outcome.dir.join("labels.txt")).unwrap();
            assert_eq!(labels, "cat\ndog\n");
        }
    }
}

#[test]
fn a_finished_package_is_taken_as_it_is() {
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/tiny-d-fine");
    let (target, outcome) = added(&tiny);
    let outcome = outcome.unwrap();
    assert!(outcome.assumptions.is_empty());
    ModelPackage::open(&outcome.dir).unwrap();
    assert_eq!(packages(target.path()).len(), 1);
}

/// What is wrong with a folder.
type Damage = Box<dyn Fn(&Path)>;

#[test]
fn hostile_folders_are_refused_and_nothing_is_installed() {
    let detector = || {
        let labels = json!({"model_type": "d_fine", "id2label": {"0": "cat"}});
        folder(
            &["model"],
            &[
                ("config.json", labels),
                ("preprocessor_config.json", pixels()),
            ],
        )
    };
    let cases: [(&str, Damage); 8] = [
        (
            "no regular file",
            Box::new(|dir| {
                let graph = dir.join("onnx/model.onnx");
                fs_err::rename(&graph, dir.join("elsewhere")).unwrap();
                std::os::unix::fs::symlink(dir.join("elsewhere"), graph).unwrap();
            }),
        ),
        (
            "no regular file",
            Box::new(|dir| {
                fs_err::remove_file(dir.join("config.json")).unwrap();
                std::os::unix::fs::symlink("/etc/passwd", dir.join("config.json")).unwrap();
            }),
        ),
        (
            "holes",
            Box::new(|dir| {
                fs_err::write(
                    dir.join("config.json"),
                    r#"{"model_type": "d_fine", "id2label": {"7": "cat"}}"#,
                )
                .unwrap();
            }),
        ),
        (
            "two lines",
            Box::new(|dir| {
                fs_err::write(
                    dir.join("config.json"),
                    r#"{"model_type": "d_fine", "id2label": {"0": "a\nb"}}"#,
                )
                .unwrap();
            }),
        ),
        (
            "not acceptable",
            Box::new(|dir| fs_err::write(dir.join("config.json"), "{").unwrap()),
        ),
        (
            "bytes",
            Box::new(|dir| fs_err::write(dir.join("config.json"), vec![b' '; 5 << 20]).unwrap()),
        ),
        (
            "ONNX",
            Box::new(|dir| fs_err::write(dir.join("onnx/model.onnx"), "not a graph").unwrap()),
        ),
        (
            "outside its folder",
            Box::new(|dir| {
                fs_err::write(dir.join("onnx/model.onnx"), pointing_at("../../secret")).unwrap();
            }),
        ),
    ];
    for (word, damage) in cases {
        let (_root, dir) = detector();
        damage(&dir);
        let (_target, outcome) = added(&dir);
        let message = chain(&outcome.unwrap_err());
        assert!(message.contains(word), "{word}: {message}");
    }
    let empty = tempfile::tempdir().unwrap();
    let (_target, outcome) = added(empty.path());
    assert!(chain(&outcome.unwrap_err()).contains("no layout that is known"));
}

#[test]
fn weights_beside_a_graph_come_with_it() {
    let (_root, dir) = folder(
        &[],
        &[
            (
                "config.json",
                json!({"model_type": "dinov2", "hidden_size": 32}),
            ),
            ("preprocessor_config.json", pixels()),
        ],
    );
    fs_err::write(dir.join("onnx/model.onnx"), pointing_at("model_weights")).unwrap();
    let (_target, missing) = added(&dir);
    assert!(missing.is_err(), "they are not there");
    fs_err::write(dir.join("onnx/model_weights"), b"weights").unwrap();
    let (_target, outcome) = added(&dir);
    let outcome = outcome.unwrap();
    assert_eq!(
        fs_err::read(outcome.dir.join("model_weights")).unwrap(),
        b"weights"
    );
}

/// A graph with one tensor whose data lies elsewhere.
fn pointing_at(place: &str) -> Vec<u8> {
    let mut location = b"\x0a\x08location\x12".to_vec();
    location.push(place.len() as u8);
    location.extend(place.bytes());
    let mut tensor = vec![0x6a, location.len() as u8];
    tensor.extend(location);
    tensor.extend([0x70, 0x01]);
    let mut graph = vec![0x2a, tensor.len() as u8];
    graph.extend(tensor);
    let mut model = vec![0x3a, graph.len() as u8];
    model.extend(graph);
    model
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text += &format!(": {cause}");
        next = cause.source();
    }
    text
}
