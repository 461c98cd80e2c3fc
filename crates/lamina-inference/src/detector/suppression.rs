//! Non-maximum suppression: of boxes of one class that overlap, the best stays.

use super::candidates::{Candidate, best};

/// Most boxes of a picture that are compared: the work grows with the square. At useful thresholds there are some hundreds.
const MAX_COMPARED: usize = 10_000;

/// Keeps each box that overlaps no better one of its class by more than `iou_threshold`; best first, at most `limit`.
pub(super) fn suppress(
    candidates: Vec<Candidate>,
    iou_threshold: f64,
    limit: usize,
) -> Vec<Candidate> {
    let mut kept: Vec<Candidate> = Vec::new();
    for candidate in best(candidates, MAX_COMPARED, |candidate| candidate.score) {
        let is_covered = kept
            .iter()
            .filter(|better| better.class == candidate.class)
            .any(|better| overlap(&better.corners, &candidate.corners) > iou_threshold);
        if !is_covered {
            kept.push(candidate);
            if kept.len() == limit {
                break;
            }
        }
    }
    kept
}

/// Area of the intersection over that of the union, 0..=1; 0 where there is none.
fn overlap(a: &[f64; 4], b: &[f64; 4]) -> f64 {
    let sides = |corners: &[f64; 4]| {
        (corners[2] - corners[0]).max(0.0) * (corners[3] - corners[1]).max(0.0)
    };
    let common = sides(&[
        a[0].max(b[0]),
        a[1].max(b[1]),
        a[2].min(b[2]),
        a[3].min(b[3]),
    ]);
    let union = sides(a) + sides(b) - common;
    if union > 0.0 { common / union } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(class: usize, score: f32, left: f64) -> Candidate {
        Candidate {
            class,
            score,
            corners: [left, 0.0, left + 1.0, 1.0],
        }
    }

    #[test]
    fn overlaps_are_shares_of_the_union() {
        let unit = [0.0, 0.0, 1.0, 1.0];
        assert!((overlap(&unit, &unit) - 1.0).abs() < 1e-12);
        assert!((overlap(&unit, &[0.5, 0.0, 1.5, 1.0]) - 1.0 / 3.0).abs() < 1e-12);
        assert!(overlap(&unit, &[1.0, 0.0, 2.0, 1.0]).abs() < 1e-12);
        assert!(overlap(&unit, &[0.5, 0.5, 0.5, 0.5]).abs() < 1e-12);
        assert!(overlap(&[1.0, 1.0, 0.0, 0.0], &[1.0, 1.0, 0.0, 0.0]).abs() < 1e-12);
    }

    #[test]
    fn the_best_of_a_class_stays_and_other_classes_are_left_alone() {
        let found = suppress(
            vec![
                candidate(0, 0.5, 0.0),
                candidate(0, 0.9, 0.1),
                candidate(1, 0.4, 0.1),
                candidate(0, 0.3, 0.9),
            ],
            0.45,
            10,
        );
        let scores: Vec<f32> = found.iter().map(|found| found.score).collect();
        assert_eq!(scores, [0.9, 0.4, 0.3]);
    }

    #[test]
    fn a_box_that_was_dropped_drops_no_other() {
        // The second is covered by the first; the third overlaps only the second.
        let found = suppress(
            vec![
                candidate(0, 0.9, 0.0),
                candidate(0, 0.8, 0.35),
                candidate(0, 0.7, 0.7),
            ],
            0.45,
            10,
        );
        assert_eq!(found.len(), 2);
        assert_eq!(suppress(found, 0.45, 1).len(), 1);
    }
}
