//! Entries that share bytes: the trick of archives that unpack to many times what their ratio allows.

use std::ops::Range;

/// The places of all ranges that share a byte with another one, in any order. Ranges that touch share nothing.
pub(super) fn find(ranges: &mut [(Range<u64>, usize)]) -> Vec<usize> {
    ranges.sort_unstable_by_key(|(range, place)| (range.start, range.end, *place));
    let mut overlapping = Vec::new();
    // The range that reaches farthest so far, and whether it is already counted.
    let mut farthest: Option<(u64, usize, bool)> = None;
    for (range, place) in ranges.iter() {
        match &mut farthest {
            Some((end, owner, counted)) if range.start < *end => {
                if !*counted {
                    overlapping.push(*owner);
                    *counted = true;
                }
                overlapping.push(*place);
                if range.end > *end {
                    farthest = Some((range.end, *place, true));
                }
            }
            _ => farthest = Some((range.end, *place, false)),
        }
    }
    overlapping
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(ranges: &[Range<u64>]) -> Vec<usize> {
        let mut ranges: Vec<_> = ranges.iter().cloned().zip(0..).collect();
        let mut found = find(&mut ranges);
        found.sort_unstable();
        found
    }

    #[test]
    fn neighbours_share_nothing() {
        assert_eq!(found(&[10..20, 0..10, 20..30]), [] as [usize; 0]);
        assert_eq!(found(&[]), [] as [usize; 0]);
    }

    #[test]
    fn every_party_to_an_overlap_is_found() {
        assert_eq!(found(&[0..10, 5..15]), [0, 1]);
        assert_eq!(found(&[0..10, 0..10, 50..60]), [0, 1]);
        // A long one around two that do not touch each other, and a bystander.
        assert_eq!(found(&[0..100, 10..20, 30..40, 100..110]), [0, 1, 2]);
        // A chain.
        assert_eq!(found(&[0..10, 9..20, 19..30, 30..31]), [0, 1, 2]);
    }
}
