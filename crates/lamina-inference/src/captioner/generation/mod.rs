//! From next-token scores to finished texts, for a batch of pictures at once.
//!
//! Follows `generate` of the transformers library for encoder-decoder models: the same order of rules (repeated n-grams are banned, then
//! a forced token overrides everything), the same beam search, the same end. Pictures do not influence each other: one that is
//! finished leaves the batch, and so does one whose scores are of no use.

mod beam;
mod greedy;
mod scores;

use std::ops::Range;

use crate::manifest::CaptionerSpec;
use crate::session::SessionError;

use beam::Beams;
use greedy::Greedy;
use scores::Scores;

/// How a text is written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rules {
    pub(crate) start: u32,
    pub(crate) stop: u32,
    pub(crate) forced_first: Option<u32>,
    pub(crate) forced_last: Option<u32>,
    /// Most tokens after the start token.
    pub(crate) max_tokens: usize,
    /// 1 is greedy.
    pub(crate) beams: usize,
    /// 0 allows every repetition.
    pub(crate) no_repeat_ngram: usize,
    pub(crate) length_penalty: f32,
    pub(crate) early_stopping: bool,
}

impl Rules {
    pub(crate) fn new(spec: &CaptionerSpec, beams: usize) -> Self {
        Self {
            start: spec.start_token,
            stop: spec.stop_token,
            forced_first: spec.forced_first_token,
            forced_last: spec.forced_last_token,
            max_tokens: spec.max_tokens,
            beams,
            no_repeat_ngram: spec.no_repeat_ngram,
            length_penalty: spec.length_penalty,
            early_stopping: spec.early_stopping,
        }
    }

    /// The only token that may follow `written` tokens (the start token among them), if one is forced.
    fn forced(&self, written: usize) -> Option<u32> {
        let is_last = written >= self.max_tokens;
        let last = self.forced_last.filter(|_| is_last);
        last.or_else(|| self.forced_first.filter(|_| written == 1))
    }

    /// Tokens that would complete a sequence of `no_repeat_ngram` tokens that is there already.
    fn banned(&self, tokens: &[u32]) -> Vec<u32> {
        let size = self.no_repeat_ngram;
        if size == 0 || tokens.len() < size {
            return Vec::new();
        }
        let end = tokens.get(tokens.len() + 1 - size..).unwrap_or_default();
        tokens
            .windows(size)
            .filter_map(|window| window.split_last())
            .filter(|(_, start)| *start == end)
            .map(|(last, _)| *last)
            .collect()
    }
}

/// Why no text came out for a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CaptionError {
    /// A score that is not a number or infinite, or none above minus infinity: an overflow in the model.
    #[error("the model's scores are no numbers")]
    Scores,
}

/// The tokens of one text, without start and stop token.
pub(crate) type Written = Result<Vec<u32>, CaptionError>;

/// Scores of the next token, one row for each sequence.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Logits {
    pub(crate) values: Vec<f32>,
    /// Size of the vocabulary.
    pub(crate) width: usize,
}

/// A decoder in the middle of a batch.
pub(crate) trait NextToken {
    /// Writes one token more. New row `i` continues what was row `rows[i]` in the last call (in the first: is about picture `rows[i]`)
    /// with `tokens[i]`. Gives one row of scores for each.
    fn step(&mut self, rows: &[usize], tokens: &[u32]) -> Result<Logits, SessionError>;
}

/// How one row continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pick {
    /// Row of this picture in the last step.
    row: usize,
    token: u32,
}

enum Search {
    Greedy(Greedy),
    Beams(Beams),
}

impl Search {
    fn new(rules: &Rules) -> Self {
        if rules.beams > 1 {
            Self::Beams(Beams::new(rules))
        } else {
            Self::Greedy(Greedy::new(rules))
        }
    }

    /// The rows to go on with; none when the text is finished.
    fn advance(&mut self, rules: &Rules, scores: Scores<'_>) -> Result<Vec<Pick>, CaptionError> {
        match self {
            Self::Greedy(search) => search.advance(rules, scores),
            Self::Beams(search) => search.advance(rules, scores),
        }
    }

    fn finish(self, rules: &Rules) -> Vec<u32> {
        let tokens = match self {
            Self::Greedy(search) => search.finish(),
            Self::Beams(search) => search.finish(),
        };
        let written = tokens.into_iter().skip(1);
        written.take_while(|token| *token != rules.stop).collect()
    }
}

/// A picture whose text is not finished, and its rows of the last step.
struct Open {
    picture: usize,
    search: Search,
    rows: Range<usize>,
}

/// Writes one text for each of the pictures that `model` was prepared with. Takes at most `max_tokens` steps.
pub(crate) fn generate(
    model: &mut impl NextToken,
    pictures: usize,
    rules: &Rules,
) -> Result<Vec<Written>, SessionError> {
    let mut written: Vec<Written> = vec![Ok(Vec::new()); pictures];
    let open = |picture| Open {
        picture,
        search: Search::new(rules),
        // The beams of a picture are all the same at first, so one row does for them.
        rows: picture..picture + 1,
    };
    let mut all_open: Vec<Open> = (0..pictures).map(open).collect();
    let mut rows: Vec<usize> = (0..pictures).collect();
    let mut tokens = vec![rules.start; pictures];
    while !all_open.is_empty() {
        let logits = model.step(&rows, &tokens)?;
        let expected = rows.len() * logits.width;
        if logits.values.len() != expected || logits.width == 0 {
            return Err(SessionError::WrongOutput {
                found: logits.values.len(),
                expected,
            });
        }
        rows.clear();
        tokens.clear();
        let mut still_open = Vec::with_capacity(all_open.len());
        for mut open in all_open {
            let answer = Scores::new(&logits, open.rows.clone())
                .and_then(|scores| open.search.advance(rules, scores));
            let text = match answer {
                Ok(picks) if picks.is_empty() => Ok(open.search.finish(rules)),
                Ok(picks) => {
                    let first = open.rows.start;
                    open.rows = rows.len()..rows.len() + picks.len();
                    rows.extend(picks.iter().map(|pick| first + pick.row));
                    tokens.extend(picks.iter().map(|pick| pick.token));
                    still_open.push(open);
                    continue;
                }
                Err(error) => Err(error),
            };
            if let Some(place) = written.get_mut(open.picture) {
                *place = text;
            }
        }
        all_open = still_open;
    }
    Ok(written)
}

#[cfg(test)]
mod tests;
