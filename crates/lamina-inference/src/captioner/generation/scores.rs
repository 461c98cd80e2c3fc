//! One step's scores of one picture: checked, normalised on demand.

use std::ops::Range;

use super::{CaptionError, Logits};

/// Rows of raw scores; every value is a number or minus infinity, and each row has a number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scores<'a> {
    values: &'a [f32],
    width: usize,
}

impl<'a> Scores<'a> {
    pub(super) fn new(logits: &'a Logits, rows: Range<usize>) -> Result<Self, CaptionError> {
        let width = logits.width;
        let values = logits
            .values
            .get(rows.start * width..rows.end * width)
            .ok_or(CaptionError::Scores)?;
        let is_sane = |row: &[f32]| {
            let mut has_number = false;
            let is_allowed = |value: &f32| {
                has_number |= value.is_finite();
                *value < f32::INFINITY
            };
            row.iter().all(is_allowed) && has_number
        };
        if values.chunks_exact(width.max(1)).all(is_sane) {
            Ok(Self { values, width })
        } else {
            Err(CaptionError::Scores)
        }
    }

    pub(super) const fn rows(&self) -> usize {
        self.values.len() / self.width
    }

    pub(super) fn row(&self, row: usize) -> &'a [f32] {
        self.values
            .get(row * self.width..(row + 1) * self.width)
            .unwrap_or_default()
    }
}

/// Logarithm of the sum of the exponentials: subtracted from a row, it makes its scores logarithms of probabilities.
pub(super) fn log_sum_exp(row: &[f32]) -> f32 {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = row
        .iter()
        .map(|value| f64::from((value - largest).exp()))
        .sum();
    largest + sum.ln() as f32
}
