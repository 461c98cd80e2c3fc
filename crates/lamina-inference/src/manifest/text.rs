//! The `[text]` section: how texts become tokens.

use serde::Deserialize;

/// Largest number of tokens a text may have.
const MAX_TEXT_TOKENS: usize = 8_192;

/// How the vectors of a text's tokens become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// The mean over the real tokens.
    Mean,
    /// The first token's.
    Cls,
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
    /// Put before what is searched with, after `prefix` (text encoders).
    #[serde(default)]
    pub query_prefix: String,
    /// Put before what is searched in, after `prefix` (text encoders).
    #[serde(default)]
    pub document_prefix: String,
    /// How token vectors become the text's; only for text encoders, whose graph gives one vector a token.
    #[serde(default)]
    pub pooling: Option<Pooling>,
}

impl TextSpec {
    pub(super) fn out_of_range(&self) -> Option<&'static str> {
        (!(1..=MAX_TEXT_TOKENS).contains(&self.max_length)).then_some("text.max_length")
    }
}
