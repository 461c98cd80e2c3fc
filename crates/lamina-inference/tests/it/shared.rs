//! Material beside the repository that is too large or not ours to keep in it: real weights and labelled photos. Without it the tests
//! that want it say so and pass.

use std::path::{Path, PathBuf};

use lamina_inference::ModelPackage;
use lamina_media::{DecodeLimits, Picture, decode};
use lamina_types::ContentHash;
use sha2::{Digest, Sha256};

use crate::support::workspace;

/// The folder, if it has this part.
pub fn shared(part: &str) -> Option<PathBuf> {
    let dir = std::env::var_os("LAMINA_SHARED_DIR")
        .map_or_else(|| workspace().join("../shared"), PathBuf::from);
    let path = dir.join(part);
    if !path.exists() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

pub fn photo(path: &Path) -> Picture {
    let bytes = fs_err::read(path).unwrap();
    decode(&bytes, &DecodeLimits::default()).unwrap()
}

/// A package of loose files: copies of them and a manifest with their hashes. `rest` is what the manifest says beside name and files.
pub fn package(to: &Path, from: &Path, files: &[(&str, &str)], rest: &str) -> ModelPackage {
    let mut text = format!(
        "name = \"loose\"\nversion = \"1\"\ntask = \"test\"\nlicence = \"Apache-2.0\"\ndescription = \"test\"\nsource = \"test\"\n{rest}\n"
    );
    for (name, role) in files {
        let bytes = fs_err::read(from.join(name)).unwrap();
        let hash = ContentHash::from_bytes(Sha256::digest(&bytes).into());
        fs_err::write(to.join(name), &bytes).unwrap();
        text.push_str(&format!(
            "\n[[files]]\npath = \"{name}\"\nrole = \"{role}\"\nsha256 = \"{hash}\"\nbytes = {}\n",
            bytes.len()
        ));
    }
    fs_err::write(to.join("model.toml"), text).unwrap();
    ModelPackage::open(to).unwrap()
}
