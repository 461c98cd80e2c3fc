//! Packages made of loose files, and started.

use std::path::Path;

use lamina_inference::{
    Captioner, EncoderConfig, FileRole, InferenceError, ModelManifest, ModelPackage,
};
use sha2::{Digest, Sha256};

use crate::support::runtime;

/// Links files into an empty folder and writes a manifest that pins them. `files`: source and role.
pub fn write_package(to: &Path, head: &str, files: &[(&Path, &str)], tail: &str) {
    let mut text = format!("{head}\n");
    for (from, role) in files {
        let name = from.file_name().unwrap().to_str().unwrap();
        let bytes = fs_err::read(from).unwrap();
        fs_err::write(to.join(name), &bytes).unwrap();
        let hash: String = Sha256::digest(&bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        text.push_str(&format!(
            "[[files]]\npath = {name:?}\nrole = {role:?}\nsha256 = \"{hash}\"\nbytes = {}\n",
            bytes.len()
        ));
    }
    text.push_str(tail);
    fs_err::write(to.join("model.toml"), text).unwrap();
}

pub fn start(folder: &Path, max_batch: usize) -> Result<Captioner, InferenceError> {
    let package = ModelPackage::open(folder).unwrap();
    let config = EncoderConfig {
        max_batch: Some(max_batch),
        ..EncoderConfig::default()
    };
    Captioner::start(&runtime(), &package, &config)
}

/// Starts a copy of a package with another decoder file and more lines in its `[captioner]` section (they replace those that are there).
pub fn start_with(
    folder: &Path,
    decoder: &str,
    lines: &str,
    max_batch: usize,
) -> Result<Captioner, InferenceError> {
    let text = fs_err::read_to_string(folder.join("model.toml")).unwrap();
    let first = text.find("[[files]]").unwrap();
    let (section, after) = (
        text.find("[captioner]").unwrap(),
        text.find("[batch]").unwrap(),
    );
    let image = text.find("[image]").unwrap();
    let is_replaced = |line: &&str| {
        let key = line.split('=').next().unwrap_or_default();
        !lines
            .lines()
            .any(|new| !key.is_empty() && new.starts_with(key))
    };
    let kept: Vec<&str> = text[section..after].lines().filter(is_replaced).collect();
    let (start_of_prompts, own) = match kept.iter().position(|line| line.starts_with("[captioner."))
    {
        Some(place) => (kept[place..].join("\n"), kept[..place].join("\n")),
        None => (String::new(), kept.join("\n")),
    };
    let tail = format!(
        "{}{own}\n{lines}\n{start_of_prompts}\n\n{}",
        &text[image..section],
        &text[after..]
    );
    let manifest = ModelManifest::parse(&text).unwrap();
    let files: Vec<_> = manifest
        .files
        .iter()
        .map(|file| {
            let is_decoder = file.role == FileRole::Decoder;
            let path = if is_decoder { decoder } else { &file.path };
            (folder.join(path), role(file.role))
        })
        .collect();
    let files: Vec<_> = files
        .iter()
        .map(|(path, role)| (path.as_path(), role.as_str()))
        .collect();
    let copy = tempfile::tempdir().unwrap();
    write_package(copy.path(), &text[..first], &files, &tail);
    start(copy.path(), max_batch)
}

/// `EmbedTokens` -> `embed-tokens`.
fn role(role: FileRole) -> String {
    let mut text = String::new();
    for letter in format!("{role:?}").chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

/// The pictures of the makers of the tiny models.
pub fn picture(number: usize, size: u32) -> Vec<f32> {
    let number = number as f64;
    (0..3 * size * size)
        .map(|place| (f64::from(place) * 0.37 * (number + 1.0) + number).sin() as f32)
        .collect()
}
