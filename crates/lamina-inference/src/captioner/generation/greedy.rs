//! The best token of every step.

use super::scores::Scores;
use super::{CaptionError, Pick, Rules};

pub(super) struct Greedy {
    /// Start token first.
    tokens: Vec<u32>,
}

impl Greedy {
    pub(super) fn new(rules: &Rules) -> Self {
        Self {
            tokens: vec![rules.start],
        }
    }

    pub(super) fn advance(
        &mut self,
        rules: &Rules,
        scores: Scores<'_>,
    ) -> Result<Vec<Pick>, CaptionError> {
        let written = self.tokens.len();
        let token = match rules.forced(written) {
            Some(token) => token,
            // Where everything is banned there is nothing left to say.
            None => best(scores.row(0), &rules.banned(&self.tokens)).unwrap_or(rules.stop),
        };
        self.tokens.push(token);
        if token == rules.stop || written >= rules.max_tokens {
            return Ok(Vec::new());
        }
        Ok(vec![Pick { row: 0, token }])
    }

    pub(super) fn finish(self) -> Vec<u32> {
        self.tokens
    }
}

/// The token with the highest score, the first of several.
fn best(row: &[f32], banned: &[u32]) -> Option<u32> {
    let mut best = None;
    let mut highest = f32::NEG_INFINITY;
    for (token, score) in (0_u32..).zip(row) {
        if *score > highest && !banned.contains(&token) {
            (best, highest) = (Some(token), *score);
        }
    }
    best
}
