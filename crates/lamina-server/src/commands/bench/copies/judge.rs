//! Pairs that share a group against pairs that share an original.

use std::collections::HashMap;
use std::hash::Hash;

use serde::Serialize;

use super::making::{COPIES, Origin};
use crate::output;

/// How good the groups are.
#[derive(Debug, Serialize)]
pub struct Judgement {
    files: usize,
    /// At and above which two pictures are near-copies.
    similarity: f32,
    /// Share of pairs in one group that have one original.
    precision: f64,
    /// Share of pairs with one original that are in one group.
    recall: f64,
    f1: f64,
    /// For each kind of copy the share that is in the group of its original.
    found_by_copy: Vec<(&'static str, f64)>,
}

/// Judges `groups`, the lowest ordinal of the group of each file.
pub fn judge(origins: &[Origin], groups: &[u32], similarity: f32) -> Judgement {
    let numbers = || origins.iter().map(|origin| origin.number);
    let right = pairs(numbers().zip(groups.iter().copied())) as f64;
    let grouped = pairs(groups.iter().copied()) as f64;
    let there = pairs(numbers()) as f64;
    let (precision, recall) = (right / grouped.max(1.0), right / there.max(1.0));
    let group_of_original: HashMap<usize, u32> = origins
        .iter()
        .zip(groups)
        .filter(|(origin, _)| origin.copy == 0)
        .map(|(origin, group)| (origin.number, *group))
        .collect();
    let found = |copy: usize| {
        let of_kind = origins.iter().zip(groups).filter(|(o, _)| o.copy == copy);
        let (mut with, mut of) = (0, 0);
        for (origin, group) in of_kind {
            with += usize::from(group_of_original.get(&origin.number) == Some(group));
            of += 1;
        }
        f64::from(u32::try_from(with).unwrap_or(u32::MAX)) / f64::from(of.max(1))
    };
    let kinds = COPIES.iter().enumerate().skip(1);
    Judgement {
        files: origins.len(),
        similarity,
        precision,
        recall,
        f1: 2.0 * precision * recall / (precision + recall).max(f64::MIN_POSITIVE),
        found_by_copy: kinds.map(|(copy, kind)| (kind.0, found(copy))).collect(),
    }
}

/// Pairs of equal things.
fn pairs<T: Eq + Hash>(things: impl Iterator<Item = T>) -> usize {
    let mut sizes: HashMap<T, usize> = HashMap::new();
    for thing in things {
        *sizes.entry(thing).or_default() += 1;
    }
    sizes.values().map(|size| size * (size - 1) / 2).sum()
}

impl Judgement {
    /// A table for people.
    pub fn show(&self) {
        output::line(format_args!(
            "{} files, near-copies from a similarity of {}: F1 {:.4} (precision {:.4}, recall {:.4})",
            self.files, self.similarity, self.f1, self.precision, self.recall
        ));
        for (kind, share) in &self.found_by_copy {
            output::line(format_args!("{kind:<24} {share:.4} with the original"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(number: usize, copy: usize) -> Origin {
        Origin { number, copy }
    }

    #[test]
    fn pairs_of_a_group_are_compared_with_pairs_of_an_original() {
        // Two originals with two copies each; one copy of the second strayed into the group of the first.
        let origins = [
            origin(0, 0),
            origin(0, 1),
            origin(0, 2),
            origin(1, 0),
            origin(1, 1),
            origin(1, 2),
        ];
        let judged = judge(&origins, &[0, 0, 0, 3, 3, 0], 0.9);
        // Right: 3 + 1; grouped: 6 + 1; there: 3 + 3.
        assert!((judged.precision - 4.0 / 7.0).abs() < 1e-9);
        assert!((judged.recall - 4.0 / 6.0).abs() < 1e-9);
        assert!((judged.f1 - 8.0 / 13.0).abs() < 1e-9);
        let shares: Vec<f64> = judged
            .found_by_copy
            .iter()
            .map(|(_, share)| *share)
            .collect();
        assert_eq!(shares[..2], [1.0, 0.5]);
    }

    #[test]
    fn nothing_found_is_not_a_division_by_nothing() {
        let judged = judge(&[origin(0, 0), origin(0, 1)], &[0, 1], 0.9);
        assert_eq!(
            (judged.precision, judged.recall, judged.f1),
            (0.0, 0.0, 0.0)
        );
    }
}
