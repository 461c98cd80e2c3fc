use super::*;

const GOOD: &str = include_str!("../../../../tests/golden/tiny-dual-encoder/model.toml");

fn with(from: &str, to: &str) -> Result<ModelManifest, ManifestError> {
    assert!(GOOD.contains(from), "{from}");
    ModelManifest::parse(&GOOD.replacen(from, to, 1))
}

#[test]
fn a_good_manifest_is_read() {
    let manifest = ModelManifest::parse(GOOD).unwrap();
    assert_eq!(manifest.key().package, "tiny-dual-encoder@1");
    assert_eq!(manifest.text.as_ref().map(|text| text.max_length), Some(10));
    assert!(manifest.calibration.is_some() && manifest.batch.max_batch == 4);
}

#[test]
fn unknown_and_missing_fields_are_refused() {
    for (from, to) in [
        ("dimension = 8", "dimension = 8\ncolour = 1"),
        ("pad_id = 0", "pad_id = 0\npadding = 1"),
        ("family = \"dual-encoder\"", "family = \"oracle\""),
        ("raw = [0.5, 0.8, 1.2]", "raw = [0.5, 0.8]"),
        (
            "cluster_distances = [0.05, 0.1, 0.2, 0.3, 0.4]",
            "cluster_distances = [0.1]",
        ),
    ] {
        assert!(
            matches!(with(from, to), Err(ManifestError::Toml(_))),
            "{to}"
        );
    }
}

#[test]
fn file_names_cannot_leave_the_folder() {
    for name in [
        "../x",
        "/etc/passwd",
        "a/b",
        "a\\\\b",
        "..",
        ".",
        ".hidden",
        "",
        "a b",
        "naïve",
    ] {
        let result = with("path = \"tokenizer.json\"", &format!("path = \"{name}\""));
        assert!(
            matches!(result, Err(ManifestError::FileName(_))),
            "{name}: {result:?}"
        );
    }
    let twice = with("path = \"tokenizer.json\"", "path = \"Text_Model.onnx\"");
    assert!(matches!(twice, Err(ManifestError::FileTwice(_))));
}

#[test]
fn numbers_out_of_range_are_named() {
    for (from, to, field) in [
        ("dimension = 8", "dimension = 0", "dimension"),
        ("size = 16", "size = 0", "image.size"),
        (
            "std = [0.5, 0.5, 0.5]",
            "std = [0.5, 0.0, 0.5]",
            "image.std",
        ),
        ("max_length = 10", "max_length = 0", "text.max_length"),
        ("max_batch = 4", "max_batch = 0", "batch.max_batch"),
        (
            "[0.05, 0.1, 0.2, 0.3, 0.4]",
            "[0.1, 0.05, 0.2, 0.3, 0.4]",
            "index.cluster_distances",
        ),
        (
            "anchor_distance = 0.3",
            "anchor_distance = nan",
            "index.anchor_distance",
        ),
        (
            "duplicate_similarity = 0.97",
            "duplicate_similarity = 1.5",
            "index.duplicate_similarity",
        ),
    ] {
        assert_eq!(
            with(from, to),
            Err(ManifestError::OutOfRange(field)),
            "{to}"
        );
    }
    assert!(matches!(
        with("version = \"1\"", "version = \"1@2\""),
        Err(ManifestError::Word { .. })
    ));
}

#[test]
fn towers_and_files_belong_together() {
    let text = GOOD.find("[text]").unwrap();
    let index = GOOD.find("[index]").unwrap();
    let without = format!("{}{}", &GOOD[..text], &GOOD[index..]);
    assert_eq!(
        ModelManifest::parse(&without),
        Err(ManifestError::Role {
            role: FileRole::Text,
            found: 1,
            needed: 0
        })
    );
    // Weights of eight bits are for text encoders.
    assert_eq!(
        with(
            "[text]",
            "[[files]]\npath = \"less.onnx\"\nrole = \"text-int8\"\nsha256 = \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\nbytes = 1\n\n[text]"
        ),
        Err(ManifestError::Role {
            role: FileRole::TextInt8,
            found: 1,
            needed: 0
        })
    );
    assert_eq!(
        with("role = \"vision\"", "role = \"document\""),
        Err(ManifestError::Role {
            role: FileRole::Vision,
            found: 0,
            needed: 1
        })
    );
}

#[test]
fn sections_belong_to_families() {
    let detector = "[detector]\nlayout = \"detr\"\nscore_threshold = 0.5\n\n[batch]";
    for (from, to, field, is_needed) in [
        ("dimension = 8", "", "dimension", true),
        ("[batch]", detector, "[detector]", false),
        (
            "family = \"dual-encoder\"",
            "family = \"detector\"",
            "dimension",
            false,
        ),
        (
            "pad_id = 0",
            "pad_id = 0\npooling = \"mean\"",
            "text.pooling",
            false,
        ),
    ] {
        assert_eq!(
            with(from, to),
            Err(ManifestError::Section { field, is_needed }),
            "{to}"
        );
    }
}

#[test]
fn a_tagger_needs_thresholds() {
    let text = include_str!("../../../../tests/golden/tiny-tagger/model.toml");
    assert!(ModelManifest::parse(text).is_ok());
    let without = text.replace("role = \"thresholds\"", "role = \"document\"");
    assert!(matches!(
        ModelManifest::parse(&without),
        Err(ManifestError::Section {
            field: "tagger.score_threshold",
            is_needed: true
        })
    ));
    let one_for_all = without.replace("max_tags", "score_threshold = 0.5\nmax_tags");
    assert!(ModelManifest::parse(&one_for_all).is_ok());
}
