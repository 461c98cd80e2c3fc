//! Beam search as the transformers library does it (its vectorised one, since version 4.50).
//!
//! Every step, the `2 x beams` best continuations of all beams are looked at. Those of the first half that end a text join the
//! finished ones, of which the best `beams` are kept, by score over length to the power of the length penalty. The best that do not
//! end go on. It is over when the longest allowed length is reached, or all places of finished texts are taken and, with early stopping,
//! at once, or without it, no running beam scores better at its present length than the worst finished text.

use super::scores::{Scores, log_sum_exp};
use super::{CaptionError, Pick, Rules};

/// Score of what must not be chosen, and yet comes before minus infinity.
const NEVER: f32 = -1e9;

pub(super) struct Beams {
    /// As many as there are beams, best first; at first only one of them counts.
    running: Vec<Sequence>,
    /// At most as many as there are beams, best first.
    finished: Vec<Sequence>,
}

#[derive(Clone)]
struct Sequence {
    /// Start token first.
    tokens: Vec<u32>,
    /// Running: sum of the logarithms of the probabilities; finished: that, divided for its length.
    score: f32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Candidate {
    beam: usize,
    token: u32,
    score: f32,
}

impl Beams {
    pub(super) fn new(rules: &Rules) -> Self {
        let start = |beam| Sequence {
            tokens: vec![rules.start],
            score: if beam == 0 { 0.0 } else { NEVER },
        };
        Self {
            running: (0..rules.beams).map(start).collect(),
            finished: Vec::new(),
        }
    }

    pub(super) fn advance(
        &mut self,
        rules: &Rules,
        scores: Scores<'_>,
    ) -> Result<Vec<Pick>, CaptionError> {
        let beams = rules.beams;
        // With the token that is chosen now, and without the start token.
        let length = self.running.first().map_or(1, |beam| beam.tokens.len());
        let is_last = length >= rules.max_tokens;
        let candidates = self.candidates(rules, scores);
        let ends = |candidate: &Candidate| is_last || candidate.token == rules.stop;

        let divisor = divisor(length, rules.length_penalty);
        for candidate in candidates.iter().take(beams).filter(|found| ends(found)) {
            let score = candidate.score / divisor;
            if score > NEVER {
                self.finished.push(self.continued(candidate, score));
            }
        }
        // Stable, so that of equal ones the older stays.
        self.finished
            .sort_by(|one, other| other.score.total_cmp(&one.score));
        self.finished.truncate(beams);

        let mut next = Best::new(beams);
        for candidate in &candidates {
            let penalty = if ends(candidate) { NEVER } else { 0.0 };
            next.offer(Candidate {
                score: candidate.score + penalty,
                ..*candidate
            });
        }
        let next = next.found;
        let best = next.first().map_or(f32::NEG_INFINITY, |best| best.score) / divisor;
        self.running = next
            .iter()
            .map(|candidate| self.continued(candidate, candidate.score))
            .collect();

        let is_full = self.finished.len() >= beams;
        let to_beat = self.finished.last().filter(|_| is_full);
        let may_improve = best > to_beat.map_or(NEVER, |worst| worst.score);
        if is_last || !may_improve || (is_full && rules.early_stopping) {
            return Ok(Vec::new());
        }
        let pick = |candidate: &Candidate| Pick {
            row: if scores.rows() == 1 {
                0
            } else {
                candidate.beam
            },
            token: candidate.token,
        };
        Ok(next.iter().map(pick).collect())
    }

    pub(super) fn finish(self) -> Vec<u32> {
        let best = self.finished.into_iter().chain(self.running).next();
        best.map(|best| best.tokens).unwrap_or_default()
    }

    /// The best continuations of all beams.
    fn candidates(&self, rules: &Rules, scores: Scores<'_>) -> Vec<Candidate> {
        let mut best = Best::new(2 * rules.beams);
        for (beam, running) in self.running.iter().enumerate() {
            let forced = rules.forced(running.tokens.len());
            let banned = rules.banned(&running.tokens);
            let row = scores.row(if scores.rows() == 1 { 0 } else { beam });
            let sum = log_sum_exp(row);
            for (token, raw) in (0_u32..).zip(row) {
                let score = match forced {
                    Some(forced) if forced == token => 0.0,
                    Some(_) => f32::NEG_INFINITY,
                    None => raw - sum,
                };
                let score = score + running.score;
                // Most tokens fail here, so that the list of banned ones is looked at for few.
                if best.has_place_for(score) {
                    let is_banned = forced.is_none() && banned.contains(&token);
                    let score = if is_banned { f32::NEG_INFINITY } else { score };
                    best.offer(Candidate { beam, token, score });
                }
            }
        }
        best.found
    }

    fn continued(&self, candidate: &Candidate, score: f32) -> Sequence {
        let mut tokens = self
            .running
            .get(candidate.beam)
            .map(|beam| beam.tokens.clone())
            .unwrap_or_default();
        tokens.push(candidate.token);
        Sequence { tokens, score }
    }
}

/// What the score of a text of this many tokens is divided by.
fn divisor(length: usize, penalty: f32) -> f32 {
    (length as f64).powf(f64::from(penalty)) as f32
}

/// The best few of many, best first; of equal ones the first.
struct Best {
    found: Vec<Candidate>,
    places: usize,
}

impl Best {
    fn new(places: usize) -> Self {
        Self {
            found: Vec::with_capacity(places + 1),
            places,
        }
    }

    fn has_place_for(&self, score: f32) -> bool {
        self.found.len() < self.places || self.found.last().is_some_and(|last| score > last.score)
    }

    fn offer(&mut self, candidate: Candidate) {
        if self.has_place_for(candidate.score) {
            let place = self
                .found
                .partition_point(|found| found.score >= candidate.score);
            self.found.insert(place, candidate);
            self.found.truncate(self.places);
        }
    }
}
