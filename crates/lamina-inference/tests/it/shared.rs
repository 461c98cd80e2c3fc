//! Material that is not in the repository, as this crate reads it.

use std::path::Path;

use lamina_inference::ModelPackage;
use lamina_media::{DecodeLimits, Picture, decode};
use lamina_testkit::shared::make_package;
pub use lamina_testkit::shared::shared;

pub fn photo(path: &Path) -> Picture {
    let bytes = fs_err::read(path).unwrap();
    decode(&bytes, &DecodeLimits::default()).unwrap()
}

/// A package of loose files. `rest` is what the manifest says beside name and files.
pub fn package(to: &Path, from: &Path, files: &[(&str, &str)], rest: &str) -> ModelPackage {
    let about = format!(
        "name = \"loose\"\nversion = \"1\"\ntask = \"test\"\nlicence = \"Apache-2.0\"\ndescription = \"test\"\nsource = \"test\"\n{rest}\n"
    );
    make_package(to, from, files, &about).unwrap();
    ModelPackage::open(to).unwrap()
}
