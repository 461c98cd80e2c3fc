//! Lists of names that models answer with and their repositories do not hold as a file of one name a line.

use lamina_inference::{FileRole, PackageFile};
use lamina_types::ContentHash;
use sha2::{Digest as _, Sha256};

/// Name of the file in packages.
pub(crate) const FILE: &str = "labels.txt";

/// The 80 classes of COCO in the order that detectors give them.
const COCO_80: &str = include_str!("labels/coco-80.txt");
/// The same at their places 1..=90 of the data set's own numbering; the places that it leaves out are empty lines.
const COCO_91: &str = include_str!("labels/coco-91.txt");

/// The list of this name.
pub(crate) fn named(name: &str) -> Option<&'static str> {
    match name {
        "coco-80" => Some(COCO_80),
        "coco-91" => Some(COCO_91),
        _ => None,
    }
}

/// Its row of a manifest.
pub(crate) fn file(text: &str) -> PackageFile {
    PackageFile {
        path: FILE.to_owned(),
        role: FileRole::Labels,
        sha256: ContentHash::from_bytes(Sha256::digest(text.as_bytes()).into()),
        bytes: text.len() as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_lists_of_coco_hold_the_same_names_in_the_same_order() {
        let dense: Vec<&str> = COCO_80.lines().collect();
        assert_eq!(dense.len(), 80);
        assert_eq!((dense[0], dense[79]), ("person", "toothbrush"));
        let sparse: Vec<&str> = COCO_91.lines().collect();
        assert_eq!(sparse.len(), 91);
        assert_eq!(
            (sparse[0], sparse[1], sparse[90]),
            ("", "person", "toothbrush")
        );
        let named: Vec<&str> = sparse.into_iter().filter(|name| !name.is_empty()).collect();
        assert_eq!(named, dense);
    }
}
