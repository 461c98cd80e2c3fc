//! `text`: words of captions (`fts`), or the meaning of a text compared with captions and with what is seen (`semantic`).

use lamina_store::caption_texts::WordQuery;

use super::{FilterKind, ScoreKind};
use crate::ExploreError;
use crate::context::Context;
use crate::matching::{Near, Selection};
use crate::meaning::{self, Among};
use crate::vql::{Element, VqlError};
use crate::words::{self, WordsError};

/// Why a text cannot be searched for.
pub type TextError = WordsError;

/// A search for a text.
#[derive(Debug, Clone, PartialEq)]
pub enum Text {
    /// Pictures whose captions have these words.
    Words(WordQuery),
    /// Pictures that show what a text says.
    Meaning {
        /// The text.
        text: String,
        /// The caller's bound, in the configured sense.
        threshold: Option<f32>,
        /// What it is compared with.
        among: Among,
    },
}

impl Text {
    /// The `caption` parameter: the meaning of a text.
    ///
    /// # Errors
    /// Too long.
    pub fn caption(text: String, threshold: Option<f32>) -> Result<Self, TextError> {
        words::check(&text)?;
        Ok(Self::Meaning {
            text,
            threshold,
            among: Among::Captions,
        })
    }

    /// A search for words, in the syntax of the contract.
    ///
    /// # Errors
    /// Too long or too deeply nested.
    pub fn words(text: &str) -> Result<Self, TextError> {
        words::parse(text).map(Self::Words)
    }
}

impl FilterKind for Text {
    fn read(element: &mut Element<'_>) -> Result<Self, VqlError> {
        let is_meaning = element.word("op", &[("fts", false), ("semantic", true)])?;
        let text = element.text("value")?;
        if is_meaning {
            return Ok(Self::Meaning {
                text,
                threshold: element.optional_number("threshold", 0.0..=2.0)?,
                among: Among::Anything,
            });
        }
        Self::words(&text).map_err(|error| element.wrong("value", "value_error", error.to_string()))
    }

    async fn resolve(&self, context: &Context<'_>) -> Result<Selection, ExploreError> {
        match self {
            Self::Words(query) => {
                let words = context.words().await?;
                let found = words.search(context.pool(), query).await?;
                Ok(Selection::Ranked(found))
            }
            Self::Meaning {
                text,
                threshold,
                among,
            } => {
                let probes = meaning::probes(context, text, *among).await?;
                let max_distance = threshold.map_or(among.default_distance(), |asked| {
                    context.sense().max_distance(asked)
                });
                Ok(Selection::Near(Near::any_of(probes, max_distance)))
            }
        }
    }

    fn score(&self) -> Option<ScoreKind> {
        Some(match self {
            Self::Words(_) => ScoreKind::TextRank,
            Self::Meaning { .. } => ScoreKind::CosineDistance,
        })
    }
}
