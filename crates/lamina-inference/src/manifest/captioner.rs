//! The `[captioner]` section: how text is generated.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Most tokens of a caption.
const MAX_TOKENS: usize = 1_024;
/// Most tokens of a prompt.
const MAX_PROMPT_TOKENS: usize = 1_024;
/// Most beams.
pub(crate) const MAX_BEAMS: usize = 16;

/// The graphs of a captioner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaptionerLayout {
    /// `encoder`: `pixel_values` -> `last_hidden_state`; `decoder`: the merged decoder of Optimum's image-to-text exports.
    EncoderDecoder,
    /// Florence-2: `vision`, `embed-tokens`, `encoder`, `decoder`.
    Florence2,
}

/// How a captioner writes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptionerSpec {
    /// Which graphs, and how they hang together.
    pub layout: CaptionerLayout,
    /// Token that the decoder starts with.
    pub start_token: u32,
    /// Token that ends a text.
    pub stop_token: u32,
    /// Token that must come first, if any (Florence-2: 0).
    #[serde(default)]
    pub forced_first_token: Option<u32>,
    /// Token that comes last where the text would be cut off at `max_tokens`, if any (BART and Florence-2: 2).
    #[serde(default)]
    pub forced_last_token: Option<u32>,
    /// Most new tokens.
    pub max_tokens: usize,
    /// Beams unless the slot's binding says otherwise; 1 is greedy.
    #[serde(default = "one")]
    pub beams: usize,
    /// Sequences of this many tokens never come twice; 0 allows everything.
    #[serde(default)]
    pub no_repeat_ngram: usize,
    /// Exponent of the length that a beam's score is divided by.
    #[serde(default = "one_point")]
    pub length_penalty: f32,
    /// Whether the search ends as soon as as many texts are finished as there are beams.
    #[serde(default)]
    pub early_stopping: bool,
    /// Task tokens and the words they stand for; `{input}` is replaced by a region.
    #[serde(default)]
    pub prompts: BTreeMap<String, String>,
    /// Most tokens of a prompt, special ones included; longer ones are refused.
    #[serde(default = "sixty_four")]
    pub max_prompt_tokens: usize,
    /// Prompt of a request that names none: a task token or plain words.
    #[serde(default)]
    pub default_prompt: Option<String>,
}

const fn one() -> usize {
    1
}

const fn one_point() -> f32 {
    1.0
}

const fn sixty_four() -> usize {
    64
}

impl CaptionerSpec {
    pub(super) fn out_of_range(&self) -> Option<&'static str> {
        if !(1..=MAX_TOKENS).contains(&self.max_tokens) {
            return Some("captioner.max_tokens");
        }
        if !(1..=MAX_BEAMS).contains(&self.beams) {
            return Some("captioner.beams");
        }
        if !(1..=MAX_PROMPT_TOKENS).contains(&self.max_prompt_tokens) {
            return Some("captioner.max_prompt_tokens");
        }
        if !self.length_penalty.is_finite() {
            return Some("captioner.length_penalty");
        }
        let wants_prompt = self.layout == CaptionerLayout::Florence2;
        (wants_prompt != self.default_prompt.is_some()).then_some("captioner.default_prompt")
    }
}
