//! Packages that are damaged, hostile or wrong must not start.

use std::path::Path;

use lamina_inference::{
    DualEncoder, EncoderConfig, InferenceError, Lane, ModelPackage, PackageError,
};
use lamina_types::ContentHash;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support::{assert_same_direction, copy_of_tiny, expected, picture, runtime};

fn damaged(damage: impl FnOnce(&Path)) -> (TempDir, Result<ModelPackage, PackageError>) {
    let folder = tempfile::tempdir().unwrap();
    copy_of_tiny(folder.path());
    damage(folder.path());
    let package = ModelPackage::open(folder.path());
    (folder, package)
}

/// Changes the manifest of a copy.
fn edit(folder: &Path, from: &str, to: &str) {
    let path = folder.join("model.toml");
    let text = fs_err::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from}");
    fs_err::write(path, text.replacen(from, to, 1)).unwrap();
}

fn hash(bytes: &[u8]) -> String {
    ContentHash::from_bytes(Sha256::digest(bytes).into()).to_hex()
}

/// Puts other bytes in the place of a file and pins them.
fn replace(folder: &Path, name: &str, bytes: &[u8]) {
    let before = fs_err::read(folder.join(name)).unwrap();
    edit(folder, &hash(&before), &hash(bytes));
    edit(
        folder,
        &format!("bytes = {}\n", before.len()),
        &format!("bytes = {}\n", bytes.len()),
    );
    fs_err::write(folder.join(name), bytes).unwrap();
}

#[test]
fn an_untouched_copy_opens_under_any_name_and_beside_other_files() {
    let (folder, package) =
        damaged(|folder| fs_err::write(folder.join("README.md"), "about").unwrap());
    let package = package.unwrap();
    assert_eq!(package.key().package, "tiny-dual-encoder@1");
    assert_eq!(package.dir(), folder.path());
}

#[test]
fn swapped_cut_grown_and_missing_files_are_found() {
    let name = "vision_model.onnx";
    let (_folder, swapped) = damaged(|folder| {
        let mut bytes = fs_err::read(folder.join(name)).unwrap();
        bytes[3000] ^= 1;
        fs_err::write(folder.join(name), bytes).unwrap();
    });
    assert!(
        matches!(swapped, Err(PackageError::Hash { .. })),
        "{swapped:?}"
    );
    for change in [-1_i64, 1] {
        let (_folder, resized) = damaged(|folder| {
            let mut bytes = fs_err::read(folder.join(name)).unwrap();
            bytes.resize((bytes.len() as i64 + change) as usize, 0);
            fs_err::write(folder.join(name), bytes).unwrap();
        });
        assert!(
            matches!(resized, Err(PackageError::Size { .. })),
            "{resized:?}"
        );
    }
    for name in [name, "tokenizer.json", "model.toml"] {
        let (folder, missing) = damaged(|folder| fs_err::remove_file(folder.join(name)).unwrap());
        let error = missing.unwrap_err();
        assert!(matches!(error, PackageError::Read(_)), "{error:?}");
        drop(folder);
    }
}

#[test]
fn links_and_folders_in_the_place_of_files_are_refused() {
    let (_folder, linked) = damaged(|folder| {
        let elsewhere = folder.join("elsewhere");
        fs_err::rename(folder.join("tokenizer.json"), &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, folder.join("tokenizer.json")).unwrap();
    });
    assert!(
        matches!(linked, Err(PackageError::NotAFile(_))),
        "{linked:?}"
    );
    let (_folder, folder_instead) = damaged(|folder| {
        fs_err::remove_file(folder.join("tokenizer.json")).unwrap();
        fs_err::create_dir(folder.join("tokenizer.json")).unwrap();
    });
    assert!(
        matches!(folder_instead, Err(PackageError::NotAFile(_))),
        "{folder_instead:?}"
    );
}

#[test]
fn an_unreadable_manifest_is_refused() {
    for text in ["", "name = 1", "\u{0}\u{1}", "[[[["] {
        let (_folder, package) =
            damaged(|folder| fs_err::write(folder.join("model.toml"), text).unwrap());
        assert!(
            matches!(package, Err(PackageError::Manifest { .. })),
            "{package:?}"
        );
    }
}

/// A graph whose only tensor is kept in another file: field 13 of a tensor (5) of the graph (7), with a key (1) and a value (2).
fn graph_with_external_data(location: &str) -> Vec<u8> {
    fn field(number: u8, inner: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, inner.len() as u8], inner].concat()
    }
    let entry = [field(1, b"location"), field(2, location.as_bytes())].concat();
    field(7, &field(5, &field(13, &entry)))
}

#[test]
fn graphs_may_refer_to_pinned_files_only() {
    for location in [
        "../../../../etc/passwd",
        "/etc/passwd",
        "weights.bin",
        "tokenizer.json",
        "./tokenizer.json",
    ] {
        let (_folder, package) = damaged(|folder| {
            replace(
                folder,
                "vision_model.onnx",
                &graph_with_external_data(location),
            )
        });
        assert!(
            matches!(&package, Err(PackageError::External { location: found, .. }) if found == location),
            "{package:?}"
        );
    }
    let (_folder, package) = damaged(|folder| {
        replace(
            folder,
            "vision_model.onnx",
            &graph_with_external_data("tokenizer.json"),
        );
        edit(folder, "role = \"tokenizer\"", "role = \"external-data\"");
    });
    assert!(
        matches!(package, Err(PackageError::Manifest { .. })),
        "a text tower needs its tokenizer: {package:?}"
    );
    let (_folder, garbage) = damaged(|folder| replace(folder, "vision_model.onnx", b"not a graph"));
    assert!(
        matches!(garbage, Err(PackageError::Graph { .. })),
        "{garbage:?}"
    );
}

/// The vision graph again, but with its weights in a file beside it.
#[tokio::test]
async fn pinned_external_data_is_used() {
    let outside = crate::support::tiny_folder().join("external");
    let weights = fs_err::read(outside.join("vision_weights.bin")).unwrap();
    let (folder, package) = damaged(|folder| {
        let graph = fs_err::read(outside.join("vision_model.onnx")).unwrap();
        replace(folder, "vision_model.onnx", &graph);
        fs_err::write(folder.join("vision_weights.bin"), &weights).unwrap();
        let entry = format!(
            "[[files]]\npath = \"vision_weights.bin\"\nrole = \"external-data\"\nsha256 = \"{}\"\nbytes = {}\n\n[image]",
            hash(&weights),
            weights.len()
        );
        edit(folder, "[image]", &entry);
    });
    let encoder =
        DualEncoder::start(&runtime(), &package.unwrap(), &EncoderConfig::default()).unwrap();
    // The file is not needed any more: what was checked is what runs.
    fs_err::remove_file(folder.path().join("vision_weights.bin")).unwrap();
    let found = encoder
        .embed_images(Lane::Interactive, vec![picture(2)])
        .await
        .unwrap();
    assert_same_direction(
        found[0].as_ref().unwrap(),
        &expected().images[2],
        "external weights",
    );
}

#[track_caller]
fn refused_at_start(damage: impl FnOnce(&Path), says: &str) {
    let (_folder, package) = damaged(damage);
    let error =
        DualEncoder::start(&runtime(), &package.unwrap(), &EncoderConfig::default()).unwrap_err();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    assert!(text.contains(says), "{text}");
}

#[test]
fn manifests_that_disagree_with_their_graphs_do_not_start() {
    refused_at_start(
        |folder| edit(folder, "dimension = 8", "dimension = 9"),
        "dimension = 9, the graph 8",
    );
    refused_at_start(
        |folder| edit(folder, "size = 16", "size = 32"),
        "image.size = 32, the graph 16",
    );
    refused_at_start(
        |folder| edit(folder, "attention_mask = true", "attention_mask = false"),
        "text.attention_mask = 0, the graph 1",
    );
    refused_at_start(
        |folder| replace(folder, "tokenizer.json", b"{}"),
        "the tokenizer cannot be used",
    );
    // The places of the text graph end at 10.
    refused_at_start(
        |folder| edit(folder, "max_length = 10", "max_length = 11"),
        "the graph failed",
    );
    let text_graph = fs_err::read(crate::support::tiny_folder().join("text_model.onnx")).unwrap();
    refused_at_start(
        |folder| replace(folder, "vision_model.onnx", &text_graph),
        "output with vectors",
    );
}

#[test]
fn a_file_that_changes_after_the_check_is_found_at_the_start() {
    let (folder, package) = damaged(|_| {});
    let package = package.unwrap();
    let path = folder.path().join("text_model.onnx");
    let mut bytes = fs_err::read(&path).unwrap();
    bytes[2000] ^= 1;
    fs_err::write(&path, bytes).unwrap();
    let error = DualEncoder::start(&runtime(), &package, &EncoderConfig::default()).unwrap_err();
    assert!(
        matches!(error, InferenceError::Package(PackageError::Hash { .. })),
        "{error:?}"
    );
}
