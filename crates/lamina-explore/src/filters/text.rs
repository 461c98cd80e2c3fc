//! `text`: words of captions (`fts`), or the meaning of a text compared with the pictures (`semantic`).

use lamina_index::Hit;
use lamina_store::captions::{self, WordQuery};
use roaring::RoaringBitmap;

use super::{FilterKind, ScoreKind};
use crate::ExploreError;
use crate::context::Context;
use crate::matching::{Near, Selection};
use crate::vql::{Element, VqlError};
use crate::words::{self, WordsError};

/// Greatest shown distance of a semantic filter that names none: the default of the best-known client.
const SEMANTIC_DISTANCE: f32 = 0.8;

/// The same for the `caption` parameter, which knows no bound: beyond this nothing has to do with the text.
const CAPTION_DISTANCE: f32 = 0.9;

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
        /// Greatest shown distance when the caller names none.
        default_distance: f32,
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
            default_distance: CAPTION_DISTANCE,
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
                default_distance: SEMANTIC_DISTANCE,
            });
        }
        Self::words(&text).map_err(|error| element.wrong("value", "value_error", error.to_string()))
    }

    async fn resolve(&self, context: &Context<'_>) -> Result<Selection, ExploreError> {
        match self {
            Self::Words(query) => {
                let found = captions::search(context.pool, context.dataset, query).await?;
                let count = context.snapshot.len();
                let mut hits: Vec<Hit> = found
                    .into_iter()
                    // What came after this snapshot was made is not in it yet.
                    .filter(|(ordinal, _)| (*ordinal as usize) < count)
                    .map(|(ordinal, rank)| Hit {
                        ordinal,
                        distance: 1.0 / (1.0 + rank.max(0.0)),
                    })
                    .collect();
                hits.sort_unstable();
                Ok(Selection::Ranked(hits))
            }
            Self::Meaning {
                text,
                threshold,
                default_distance,
            } => {
                let key = &context.space.key;
                let missing = || ExploreError::MissingPackage(key.package.clone());
                let manifest = context.encoders.manifest(key).ok_or_else(missing)?;
                if manifest.text.is_none() {
                    return Ok(Selection::Set(RoaringBitmap::new()));
                }
                let encoder = context.encoder().await?;
                let query = context.texts.vector(&encoder, text).await?;
                let max_distance =
                    threshold.map_or(*default_distance, |asked| context.sense.max_distance(asked));
                Ok(Selection::Near(Near {
                    query: query.to_vec(),
                    max_distance,
                    calibration: encoder.calibration().cloned(),
                }))
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
