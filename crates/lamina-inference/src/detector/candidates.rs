//! Boxes on their way from a graph to a caller.

use lamina_types::BoundingBox;

/// One box of one class before it is named.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    pub(super) class: usize,
    /// 0..=1.
    pub(super) score: f32,
    /// Left, top, right, bottom as fractions of the picture; may reach beyond it.
    pub(super) corners: [f64; 4],
}

impl Candidate {
    /// The part inside the picture; `None` where nothing of it is.
    pub(super) fn region(&self) -> Option<BoundingBox> {
        let [left, top, right, bottom] = self.corners.map(|value| value.clamp(0.0, 1.0));
        BoundingBox::from_fractions(left, top, right - left, bottom - top).ok()
    }
}

/// From centre, width and height in the model's square to corners in the picture, which covers the square up to `cover`.
pub(super) fn corners([x, y, width, height]: [f64; 4], cover: (f64, f64)) -> [f64; 4] {
    [
        (x - width / 2.0) / cover.0,
        (y - height / 2.0) / cover.1,
        (x + width / 2.0) / cover.0,
        (y + height / 2.0) / cover.1,
    ]
}

/// The `limit` with the highest scores, best first, in the order of the graph where scores are equal.
pub(super) fn best<T>(mut items: Vec<T>, limit: usize, score: impl Fn(&T) -> f32) -> Vec<T> {
    items.sort_by(|a, b| score(b).total_cmp(&score(a)));
    items.truncate(limit);
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(corners: [f64; 4]) -> Option<[f64; 4]> {
        let candidate = Candidate {
            class: 0,
            score: 0.5,
            corners,
        };
        let region = candidate.region()?;
        Some([region.x, region.y, region.width, region.height])
    }

    #[test]
    fn boxes_are_clipped_and_those_without_area_dropped() {
        assert_eq!(
            region([-3.0, 0.25, 0.5, f64::INFINITY]),
            Some([0.0, 0.25, 0.5, 0.75])
        );
        assert_eq!(region([0.5, 0.5, 0.5, 0.9]), None);
        assert_eq!(region([0.6, 0.5, 0.5, 0.9]), None);
        assert_eq!(region([1.2, 0.0, 1.4, 1.0]), None);
        assert_eq!(region([f64::NAN, 0.0, 1.0, 1.0]), None);
    }

    #[test]
    fn squares_become_pictures() {
        let corners = corners([0.5, 0.25, 0.5, 0.25], (1.0, 0.5));
        assert_eq!(corners, [0.25, 0.25, 0.75, 0.75]);
    }

    #[test]
    fn equal_scores_keep_their_order() {
        let found = best(vec![(0, 0.1), (1, 0.9), (2, 0.9), (3, 0.5)], 3, |item| {
            item.1
        });
        assert_eq!(found, [(1, 0.9), (2, 0.9), (3, 0.5)]);
    }
}
