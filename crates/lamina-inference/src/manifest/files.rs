//! The files of a package: names, roles, hashes.

use std::collections::BTreeSet;

use lamina_types::ContentHash;
use serde::Deserialize;

use super::{ManifestError, is_plain_name};

/// Largest size of one file of a package.
const MAX_FILE_BYTES: u64 = 4 << 30;

/// What a file of a package is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileRole {
    /// The only graph of a detector or tagger.
    Model,
    /// The graph from pixels to vectors or features.
    Vision,
    /// The graph from tokens to vectors.
    Text,
    /// The same with weights of eight bits, which processors run quicker; graphics cards run [`Self::Text`]. Of text encoders, if they have it.
    TextInt8,
    /// The graph from token ids to their embeddings (Florence-2).
    EmbedTokens,
    /// The graph that a decoder attends to.
    Encoder,
    /// The graph that writes text, one token a run.
    Decoder,
    /// `tokenizer.json` of the `tokenizers` library.
    Tokenizer,
    /// Class or tag names, one a line in the order of the graph's output; an empty line is a place that is never reported.
    Labels,
    /// Score thresholds of the tags, one a line in the order of [`Self::Labels`], 0..=1.
    Thresholds,
    /// Weights that a graph keeps outside itself.
    ExternalData,
    /// Licence texts, model cards.
    Document,
}

impl FileRole {
    /// Its text in manifests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Vision => "vision",
            Self::Text => "text",
            Self::TextInt8 => "text-int8",
            Self::EmbedTokens => "embed-tokens",
            Self::Encoder => "encoder",
            Self::Decoder => "decoder",
            Self::Tokenizer => "tokenizer",
            Self::Labels => "labels",
            Self::Thresholds => "thresholds",
            Self::ExternalData => "external-data",
            Self::Document => "document",
        }
    }

    /// Whether such a file is an ONNX graph.
    pub const fn is_graph(self) -> bool {
        matches!(
            self,
            Self::Model
                | Self::Vision
                | Self::Text
                | Self::TextInt8
                | Self::EmbedTokens
                | Self::Encoder
                | Self::Decoder
        )
    }
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

/// Refuses names that leave the folder, names listed twice, and sizes beyond the limit.
pub(super) fn check(files: &[PackageFile]) -> Result<(), ManifestError> {
    let mut seen = BTreeSet::new();
    for file in files {
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
    Ok(())
}
