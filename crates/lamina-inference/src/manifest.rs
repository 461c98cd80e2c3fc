//! `model.toml`: what a model package says about itself.

use std::collections::BTreeSet;

use lamina_media::InputSpec;
use lamina_types::{ContentHash, LEVELS, SpaceKey};
use serde::Deserialize;

use crate::calibration::Calibration;

/// Largest size of one file of a package.
const MAX_FILE_BYTES: u64 = 4 << 30;
/// Largest side of a model's input.
const MAX_INPUT_SIZE: u32 = 2_048;
/// Largest number of tokens a text may have.
const MAX_TEXT_TOKENS: usize = 8_192;
/// Largest embedding.
const MAX_DIMENSION: usize = 65_536;
/// Largest batch.
const MAX_BATCH: usize = 1_024;

/// A manifest that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ManifestError {
    /// Not TOML, a field missing, unknown, or of a wrong kind.
    #[error("not a model manifest")]
    Toml(#[from] toml::de::Error),
    /// Name or version is empty or has characters outside `A-Z a-z 0-9 . _ -`.
    #[error("{field} {value:?} must be made of letters, digits, '.', '_' and '-'")]
    Word {
        /// `name` or `version`.
        field: &'static str,
        /// What it says.
        value: String,
    },
    /// A number outside its range.
    #[error("{0} is out of range")]
    OutOfRange(&'static str),
    /// A file name with a separator, a leading dot, or other characters than `A-Z a-z 0-9 . _ -`.
    #[error(
        "file name {0:?} is not allowed: letters, digits, '.', '_' and '-', and no leading dot"
    )]
    FileName(String),
    /// The same file twice.
    #[error("file {0:?} is listed twice")]
    FileTwice(String),
    /// A role that this family needs exactly once.
    #[error("{found} files have the role {role:?}, exactly {needed} needed")]
    Role {
        /// The role.
        role: FileRole,
        /// How many the manifest lists.
        found: usize,
        /// How many there must be.
        needed: usize,
    },
}

/// How the graphs of a package are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Two towers into one space: `pixel_values` -> `image_embeds` or `pooler_output`, and, when there is a `[text]` section,
    /// `input_ids` (and `attention_mask`) -> `text_embeds` or `pooler_output`.
    DualEncoder,
}

/// What a file of a package is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileRole {
    /// The graph from pixels to vectors.
    Vision,
    /// The graph from tokens to vectors.
    Text,
    /// `tokenizer.json` of the `tokenizers` library.
    Tokenizer,
    /// Weights that a graph keeps outside itself.
    ExternalData,
    /// Licence texts, model cards.
    Document,
}

/// One file of a package.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageFile {
    /// Its name; packages have no folders.
    pub path: String,
    /// What it is for.
    pub role: FileRole,
    /// Of its bytes.
    pub sha256: ContentHash,
    /// Its size.
    pub bytes: u64,
}

/// How texts become tokens.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextSpec {
    /// Most tokens of one text, special ones included; longer texts are cut.
    pub max_length: usize,
    /// Token that fills up.
    pub pad_id: u32,
    /// Fill every text up to `max_length` (`SigLIP`) instead of to the longest of its batch (CLIP).
    pub pad_to_max: bool,
    /// Whether the graph takes `attention_mask`.
    pub attention_mask: bool,
    /// Put before every text; may be empty.
    #[serde(default)]
    pub prefix: String,
}

/// Distances that mean something for this model's vectors, all cosine distances unless said otherwise.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DistanceBands {
    /// Joining distance of each clustering level, finest first, rising, within 0..=2.
    pub cluster_distances: [f32; LEVELS],
    /// Maximum distance of a picture search that names none, 0..=2.
    pub anchor_distance: f32,
    /// Distance to the nearest neighbours from which on a picture is an outlier, 0..=2.
    pub outlier_distance: f32,
    /// Cosine similarity from which on two pictures are duplicates, 0..=1.
    pub duplicate_similarity: f32,
}

/// Budget of one run of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchLimits {
    /// Most items. All pictures have one size and all texts a longest length, so the number bounds pixels and tokens too.
    pub max_batch: usize,
}

/// A checked `model.toml`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelManifest {
    /// Name of the package: letters, digits, `.`, `_`, `-`.
    pub name: String,
    /// Version of the package, same characters.
    pub version: String,
    /// What it is good for, for people and lists: `image-text-embedding`.
    pub task: String,
    /// How its graphs are used.
    pub family: Family,
    /// Licence of the weights (SPDX).
    pub licence: String,
    /// One sentence for people.
    pub description: String,
    /// Where the weights come from.
    pub source: String,
    /// Length of its vectors.
    pub dimension: usize,
    /// Its files, apart from the manifest.
    pub files: Vec<PackageFile>,
    /// How pictures become tensors.
    pub image: InputSpec,
    /// How texts become tokens; without it the package has no text tower.
    #[serde(default)]
    pub text: Option<TextSpec>,
    /// Distances that mean something for its vectors.
    pub index: DistanceBands,
    /// From raw text-to-image distances to shown ones; without it they are shown as they are.
    #[serde(default)]
    pub calibration: Option<Calibration>,
    /// Budget of a run.
    pub batch: BatchLimits,
}

impl ModelManifest {
    /// Reads and checks the text of a manifest.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let manifest: Self = toml::from_str(text)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Name of the space of its vectors.
    pub fn key(&self) -> SpaceKey {
        SpaceKey {
            package: format!("{}@{}", self.name, self.version),
            parameters: String::new(),
        }
    }

    /// The only file of this role.
    pub(crate) fn file(&self, role: FileRole) -> Option<&PackageFile> {
        self.files.iter().find(|file| file.role == role)
    }

    fn check(&self) -> Result<(), ManifestError> {
        for (field, value) in [("name", &self.name), ("version", &self.version)] {
            if !is_plain_name(value) {
                return Err(ManifestError::Word {
                    field,
                    value: value.clone(),
                });
            }
        }
        self.check_files()?;
        let bands = &self.index;
        let distance = 0.0..=2.0;
        let levels = &bands.cluster_distances;
        let image = &self.image;
        let text = self.text.as_ref();
        let checks = [
            ("dimension", (1..=MAX_DIMENSION).contains(&self.dimension)),
            ("image.size", (1..=MAX_INPUT_SIZE).contains(&image.size)),
            (
                "image.mean",
                image.mean.iter().all(|value| value.is_finite()),
            ),
            (
                "image.std",
                image
                    .std
                    .iter()
                    .all(|value| value.is_finite() && *value > 0.0),
            ),
            (
                "text.max_length",
                text.is_none_or(|text| (1..=MAX_TEXT_TOKENS).contains(&text.max_length)),
            ),
            (
                "batch.max_batch",
                (1..=MAX_BATCH).contains(&self.batch.max_batch),
            ),
            (
                "index.cluster_distances",
                levels.iter().all(|value| distance.contains(value)) && levels.is_sorted(),
            ),
            (
                "index.anchor_distance",
                distance.contains(&bands.anchor_distance),
            ),
            (
                "index.outlier_distance",
                distance.contains(&bands.outlier_distance),
            ),
            (
                "index.duplicate_similarity",
                (0.0..=1.0).contains(&bands.duplicate_similarity),
            ),
        ];
        match checks.iter().find(|(_, holds)| !holds) {
            Some((field, _)) => Err(ManifestError::OutOfRange(field)),
            None => Ok(()),
        }
    }

    fn check_files(&self) -> Result<(), ManifestError> {
        let mut seen = BTreeSet::new();
        for file in &self.files {
            if !is_plain_name(&file.path) {
                return Err(ManifestError::FileName(file.path.clone()));
            }
            // Compared without case: on some file systems the two would be one file.
            if !seen.insert(file.path.to_ascii_lowercase()) {
                return Err(ManifestError::FileTwice(file.path.clone()));
            }
            if file.bytes > MAX_FILE_BYTES {
                return Err(ManifestError::OutOfRange("files.bytes"));
            }
        }
        let towers = usize::from(self.text.is_some());
        for (role, needed) in [
            (FileRole::Vision, 1),
            (FileRole::Text, towers),
            (FileRole::Tokenizer, towers),
        ] {
            let found = self.files.iter().filter(|file| file.role == role).count();
            if found != needed {
                return Err(ManifestError::Role {
                    role,
                    found,
                    needed,
                });
            }
        }
        Ok(())
    }
}

/// `^[A-Za-z0-9_-][A-Za-z0-9._-]*$`, at most 128 long: never a path, never hidden, never `.` or `..`.
pub(crate) fn is_plain_name(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !text.starts_with('.')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = include_str!("../../../tests/golden/tiny-dual-encoder/model.toml");

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
            ("dimension = 8", ""),
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
        assert_eq!(
            with("role = \"vision\"", "role = \"document\""),
            Err(ManifestError::Role {
                role: FileRole::Vision,
                found: 0,
                needed: 1
            })
        );
    }
}
