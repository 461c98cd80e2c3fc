//! Words to tokens and back: prompts, and the texts that were written.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use lamina_types::BoundingBox;
use tokenizers::Tokenizer;

use crate::manifest::{CaptionerLayout, CaptionerSpec};
use crate::session::SessionError;

use super::regions::{LocatedText, Locations, Part};

/// Longest prompt that is looked at, bytes.
const MAX_PROMPT_BYTES: usize = 4096;
/// Prompt that asks for a region in words.
pub(super) const REGION_TASK: &str = "<REGION_TO_DESCRIPTION>";
/// Where a prompt has its region.
const INPUT: &str = "{input}";

/// A prompt that a captioner does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    /// The model describes pictures without being asked anything.
    #[error("this model takes no prompt")]
    NotTaken,
    /// More bytes or tokens than allowed.
    #[error("the prompt is too long: {found} {unit}, at most {limit} are allowed")]
    TooLong {
        /// Its length.
        found: usize,
        /// The limit.
        limit: usize,
        /// `bytes` or `tokens`.
        unit: &'static str,
    },
    /// A task that is about one region of a picture was asked of whole pictures.
    #[error("the task {0} needs a region")]
    NeedsRegion(String),
    /// The package has no task for regions, or its tokenizer no tokens for places.
    #[error("this model cannot describe regions")]
    NoRegions,
    /// Fewer or more beams than allowed.
    #[error("{found} beams are asked for, 1 to {limit} are allowed")]
    Beams {
        /// How many.
        found: usize,
        /// The limit.
        limit: usize,
    },
}

/// Why words could not be turned into tokens.
pub(super) enum WordsError {
    /// The caller asked for something that the model does not do.
    Prompt(PromptError),
    /// The tokenizer failed.
    Tokenizer(SessionError),
}

impl From<PromptError> for WordsError {
    fn from(error: PromptError) -> Self {
        Self::Prompt(error)
    }
}

/// The tokenizer of a captioner with what it is used for.
pub(super) struct Words {
    /// Reads special tokens as the plain words that somebody typed.
    plain: Tokenizer,
    /// Knows special tokens; only for prompts of the manifest.
    marked: Tokenizer,
    locations: Locations,
    takes_prompt: bool,
    max_prompt_tokens: usize,
    prompts: BTreeMap<String, String>,
    default_prompt: Option<String>,
    forced_first: Option<u32>,
}

impl Words {
    pub(super) fn new(file: &[u8], spec: &CaptionerSpec) -> Result<Self, SessionError> {
        let build = || -> tokenizers::Result<Tokenizer> {
            let mut tokenizer = Tokenizer::from_bytes(file)?;
            // Prompts have one length in a batch and their own limit.
            tokenizer.with_padding(None);
            tokenizer.with_truncation(None)?;
            Ok(tokenizer)
        };
        // The file comes from strangers, and the library computes with its numbers.
        let marked = catch_unwind(build)
            .map_err(|_| SessionError::Panicked)?
            .map_err(SessionError::Tokenizer)?;
        let mut plain = marked.clone();
        plain.set_encode_special_tokens(true);
        Ok(Self {
            locations: Locations::of(&marked),
            plain,
            marked,
            takes_prompt: spec.layout == CaptionerLayout::Florence2,
            max_prompt_tokens: spec.max_prompt_tokens,
            prompts: spec.prompts.clone(),
            default_prompt: spec.default_prompt.clone(),
            forced_first: spec.forced_first_token,
        })
    }

    pub(super) const fn takes_prompt(&self) -> bool {
        self.takes_prompt
    }

    pub(super) fn knows_regions(&self) -> bool {
        self.takes_prompt && self.prompts.contains_key(REGION_TASK) && !self.locations.is_empty()
    }

    /// The tokens of a request's prompt: a task of the manifest, or plain words. Without one, the manifest's.
    pub(super) fn prompt(&self, prompt: Option<&str>) -> Result<Arc<[u32]>, WordsError> {
        if !self.takes_prompt {
            return match prompt {
                None => Ok(Arc::from([])),
                Some(_) => Err(PromptError::NotTaken.into()),
            };
        }
        let prompt = prompt
            .or(self.default_prompt.as_deref())
            .unwrap_or_default();
        let words = match self.prompts.get(prompt) {
            Some(words) if words.contains(INPUT) => {
                return Err(PromptError::NeedsRegion(prompt.to_owned()).into());
            }
            Some(words) => words,
            None => prompt,
        };
        self.encode(&self.plain, words)
    }

    /// The tokens of the question about one region.
    pub(super) fn region_prompt(&self, region: &BoundingBox) -> Result<Arc<[u32]>, WordsError> {
        let words = self.prompts.get(REGION_TASK);
        let words = words.filter(|_| self.knows_regions());
        let words = words.ok_or(PromptError::NoRegions)?;
        self.encode(
            &self.marked,
            &words.replace(INPUT, &Locations::text(region)),
        )
    }

    fn encode(&self, tokenizer: &Tokenizer, words: &str) -> Result<Arc<[u32]>, WordsError> {
        let too_long = |found, limit, unit| PromptError::TooLong { found, limit, unit };
        if words.len() > MAX_PROMPT_BYTES {
            return Err(too_long(words.len(), MAX_PROMPT_BYTES, "bytes").into());
        }
        let encode = AssertUnwindSafe(|| tokenizer.encode_fast(words, true));
        let encoding = catch_unwind(encode)
            .map_err(|_| WordsError::Tokenizer(SessionError::Panicked))?
            .map_err(|error| WordsError::Tokenizer(SessionError::Tokenizer(error)))?;
        let ids = encoding.get_ids();
        if ids.len() > self.max_prompt_tokens {
            return Err(too_long(ids.len(), self.max_prompt_tokens, "tokens").into());
        }
        Ok(Arc::from(ids))
    }

    /// The longest prompt there can be, for the warm-up.
    pub(super) fn longest_prompt(&self) -> Result<Arc<[u32]>, WordsError> {
        let prompt = self.prompt(None)?;
        if prompt.is_empty() {
            return Ok(prompt);
        }
        let ids = prompt.iter().copied().cycle();
        Ok(ids.take(self.max_prompt_tokens).collect())
    }

    /// What tokens say. Places are left out; where they separate several texts, these are listed once each.
    pub(super) fn text(&self, tokens: &[u32]) -> Result<String, SessionError> {
        let mut texts: Vec<String> = Vec::new();
        for part in self.parts(tokens) {
            let text = self.decode(&part.words)?;
            if !text.is_empty() && !texts.contains(&text) {
                texts.push(text);
            }
        }
        Ok(texts.join(", "))
    }

    /// What tokens say of which places. Words without a place are left out, and so are boxes without an area.
    pub(super) fn located(&self, tokens: &[u32]) -> Result<Vec<LocatedText>, SessionError> {
        let mut located = Vec::new();
        for part in self.parts(tokens) {
            let text = self.decode(&part.words)?;
            let regions = part.regions();
            located.extend(regions.map(|region| LocatedText {
                text: text.clone(),
                region,
            }));
        }
        Ok(located)
    }

    fn parts(&self, tokens: &[u32]) -> Vec<Part> {
        let tokens = match tokens.split_first() {
            Some((first, rest)) if Some(*first) == self.forced_first => rest,
            _ => tokens,
        };
        self.locations.parts(tokens)
    }

    fn decode(&self, tokens: &[u32]) -> Result<String, SessionError> {
        let decode = AssertUnwindSafe(|| self.marked.decode(tokens, true));
        let text = catch_unwind(decode)
            .map_err(|_| SessionError::Panicked)?
            .map_err(SessionError::Tokenizer)?;
        // A database does not take a NUL, and nobody else any of the others.
        let printable = |letter: char| match letter {
            letter if letter.is_whitespace() => Some(' '),
            letter if letter.is_control() => None,
            letter => Some(letter),
        };
        let text: String = text.chars().filter_map(printable).collect();
        Ok(text.trim().to_owned())
    }
}

#[cfg(test)]
mod tests;
