//! `model.toml`: what a model package says about itself.
//!
//! One section for each thing that can be said, one file for each section; [`Family`] decides which sections and files there must be.

mod bands;
mod captioner;
mod detector;
mod files;
mod tagger;
mod text;

use lamina_media::{InputSpec, ResizeMode};
use lamina_types::SpaceKey;
use serde::Deserialize;

use crate::calibration::Calibration;

pub use bands::DistanceBands;
pub(crate) use captioner::MAX_BEAMS;
pub use captioner::{CaptionerLayout, CaptionerSpec};
pub use detector::{DetectorLayout, DetectorSpec};
pub use files::{FileRole, PackageFile};
pub use tagger::{TaggerLayout, TaggerSpec};
pub use text::{Pooling, TextSpec};

/// Largest side of a model's input.
const MAX_INPUT_SIZE: u32 = 2_048;
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
    /// A section or field that the family needs, or one that it does not have.
    #[error("{field} {}", if *is_needed { "is missing" } else { "does not belong to this family" })]
    Section {
        /// Which.
        field: &'static str,
        /// Whether it is needed and not there, or there and not needed.
        is_needed: bool,
    },
    /// A file name with a separator, a leading dot, or other characters than `A-Z a-z 0-9 . _ -`.
    #[error(
        "file name {0:?} is not allowed: letters, digits, '.', '_' and '-', and no leading dot"
    )]
    FileName(String),
    /// The same file twice.
    #[error("file {0:?} is listed twice")]
    FileTwice(String),
    /// A role that this family needs exactly so often.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Two towers into one space: `pixel_values` -> `image_embeds` or `pooler_output`, and, when there is a `[text]` section,
    /// `input_ids` (and `attention_mask`) -> `text_embeds` or `pooler_output`.
    DualEncoder,
    /// Pictures into a space without texts: `pixel_values` -> a pooled output or the first token of `last_hidden_state`.
    ImageEncoder,
    /// Texts into a space without pictures: a BERT graph with `last_hidden_state`, pooled as `text.pooling` says.
    TextEncoder,
    /// Boxes, labels and scores.
    Detector,
    /// One text for a picture.
    Captioner,
    /// Labels for a whole picture.
    Tagger,
}

impl Family {
    /// Its text in manifests and lists.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DualEncoder => "dual-encoder",
            Self::ImageEncoder => "image-encoder",
            Self::TextEncoder => "text-encoder",
            Self::Detector => "detector",
            Self::Captioner => "captioner",
            Self::Tagger => "tagger",
        }
    }
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
    /// Length of its vectors; only encoders have it.
    #[serde(default)]
    pub dimension: Option<usize>,
    /// Its files, apart from the manifest.
    pub files: Vec<PackageFile>,
    /// How pictures become tensors; every family but text encoders.
    #[serde(default)]
    pub image: Option<InputSpec>,
    /// How texts become tokens; without it a dual encoder has no text tower.
    #[serde(default)]
    pub text: Option<TextSpec>,
    /// Distances that mean something for its vectors; only encoders have them.
    #[serde(default)]
    pub index: Option<DistanceBands>,
    /// From raw text-to-image distances to shown ones; without it they are shown as they are.
    #[serde(default)]
    pub calibration: Option<Calibration>,
    /// How outputs become objects.
    #[serde(default)]
    pub detector: Option<DetectorSpec>,
    /// How text is generated.
    #[serde(default)]
    pub captioner: Option<CaptionerSpec>,
    /// How outputs become tags.
    #[serde(default)]
    pub tagger: Option<TaggerSpec>,
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

    /// Name of the space of its vectors, or of its other outputs with the parameters of the manifest.
    pub fn key(&self) -> SpaceKey {
        SpaceKey {
            package: format!("{}@{}", self.name, self.version),
            parameters: String::new(),
        }
    }

    /// The only file of this role.
    pub fn file(&self, role: FileRole) -> Option<&PackageFile> {
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
        files::check(&self.files)?;
        self.check_sections()?;
        self.check_roles()?;
        match self.out_of_range() {
            Some(field) => Err(ManifestError::OutOfRange(field)),
            None => Ok(()),
        }
    }

    /// Every section that the family needs is there, and no other.
    fn check_sections(&self) -> Result<(), ManifestError> {
        use Family::{Captioner, Detector, DualEncoder, ImageEncoder, Tagger, TextEncoder};
        let family = self.family;
        let is_encoder = matches!(family, DualEncoder | ImageEncoder | TextEncoder);
        let zero_shot = self
            .tagger
            .as_ref()
            .is_some_and(|tagger| tagger.layout == TaggerLayout::ZeroShot);
        // `None`: the family may have it or not.
        let sections = [
            ("dimension", self.dimension.is_some(), {
                Some(is_encoder || zero_shot)
            }),
            ("[image]", self.image.is_some(), Some(family != TextEncoder)),
            ("[text]", self.text.is_some(), {
                (family != DualEncoder).then_some(family == TextEncoder || zero_shot)
            }),
            ("text.pooling", self.pooling().is_some(), {
                Some(family == TextEncoder)
            }),
            ("[index]", self.index.is_some(), {
                (family != TextEncoder).then_some(matches!(family, DualEncoder | ImageEncoder))
            }),
            ("[calibration]", self.calibration.is_some(), {
                (!matches!(family, DualEncoder | TextEncoder)).then_some(false)
            }),
            ("[detector]", self.detector.is_some(), {
                Some(family == Detector)
            }),
            ("[captioner]", self.captioner.is_some(), {
                Some(family == Captioner)
            }),
            ("[tagger]", self.tagger.is_some(), Some(family == Tagger)),
        ];
        for (field, is_there, is_needed) in sections {
            if let Some(is_needed) = is_needed.filter(|needed| *needed != is_there) {
                return Err(ManifestError::Section { field, is_needed });
            }
        }
        // Each tag its own, or one for all; without any every tag would be on every picture.
        let has_one = self
            .tagger
            .as_ref()
            .is_none_or(|tagger| tagger.score_threshold.is_some());
        if has_one || self.file(FileRole::Thresholds).is_some() {
            Ok(())
        } else {
            Err(ManifestError::Section {
                field: "tagger.score_threshold",
                is_needed: true,
            })
        }
    }

    fn pooling(&self) -> Option<Pooling> {
        self.text.as_ref().and_then(|text| text.pooling)
    }

    /// Every role that the family needs is there exactly once, and no other graph but one that a family may have.
    fn check_roles(&self) -> Result<(), ManifestError> {
        let texts = usize::from(self.text.is_some());
        let florence = self
            .captioner
            .as_ref()
            .is_some_and(|captioner| captioner.layout == CaptionerLayout::Florence2);
        let florence = usize::from(florence);
        let of = |families: &[Family]| usize::from(families.contains(&self.family));
        let zero_shot = usize::from(self.family == Family::Tagger && self.text.is_some());
        let captioner = of(&[Family::Captioner]);
        let vision = of(&[Family::DualEncoder, Family::ImageEncoder]) + zero_shot + florence;
        let needed = [
            (FileRole::Vision, vision),
            (FileRole::Text, texts),
            (FileRole::Tokenizer, texts + captioner),
            (
                FileRole::Model,
                of(&[Family::Detector, Family::Tagger]) - zero_shot,
            ),
            (FileRole::Labels, of(&[Family::Detector, Family::Tagger])),
            (FileRole::Encoder, captioner),
            (FileRole::Decoder, captioner),
            (FileRole::EmbedTokens, florence),
        ];
        let count = |role| self.files.iter().filter(|file| file.role == role).count();
        let int8 = (
            FileRole::TextInt8,
            count(FileRole::TextInt8).min(of(&[Family::TextEncoder])),
        );
        for (role, needed) in needed.into_iter().chain([int8]) {
            let found = count(role);
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

    fn out_of_range(&self) -> Option<&'static str> {
        let dimension = 1..=MAX_DIMENSION;
        if self
            .dimension
            .is_some_and(|found| !dimension.contains(&found))
        {
            return Some("dimension");
        }
        if !(1..=MAX_BATCH).contains(&self.batch.max_batch) {
            return Some("batch.max_batch");
        }
        self.image
            .as_ref()
            .and_then(|image| self.image_out_of_range(image))
            .or_else(|| self.text.as_ref().and_then(TextSpec::out_of_range))
            .or_else(|| self.index.as_ref().and_then(DistanceBands::out_of_range))
            .or_else(|| self.detector.as_ref().and_then(DetectorSpec::out_of_range))
            .or_else(|| {
                self.captioner
                    .as_ref()
                    .and_then(CaptionerSpec::out_of_range)
            })
            .or_else(|| self.tagger.as_ref().and_then(TaggerSpec::out_of_range))
    }

    fn image_out_of_range(&self, image: &InputSpec) -> Option<&'static str> {
        let sizes = 1..=MAX_INPUT_SIZE;
        if !sizes.contains(&image.size) {
            return Some("image.size");
        }
        if !image.mean.iter().all(|value| value.is_finite()) {
            return Some("image.mean");
        }
        let is_divisor = |value: &f32| value.is_finite() && *value > 0.0;
        if !image.std.iter().all(is_divisor) {
            return Some("image.std");
        }
        let edge = image.size..=MAX_INPUT_SIZE;
        let is_cut = image.resize == ResizeMode::ShortestEdgeCrop;
        if image
            .shortest_edge
            .is_some_and(|side| !is_cut || !edge.contains(&side))
        {
            return Some("image.shortest_edge");
        }
        // Boxes must find back to the whole picture; a graph that computes in pixels of the original knows no letterbox.
        let is_allowed = match self.detector.as_ref().map(|detector| detector.layout) {
            None => true,
            Some(DetectorLayout::DetrPixels) => image.resize == ResizeMode::Stretch,
            Some(DetectorLayout::Detr | DetectorLayout::RfDetr | DetectorLayout::Yolox) => !is_cut,
        };
        (!is_allowed).then_some("image.resize")
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
mod tests;
