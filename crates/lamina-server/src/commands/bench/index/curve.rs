//! Recall against CPU time.

use serde::{Deserialize, Serialize};

/// One breadth of one library.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Point {
    /// Share of the ten nearest that were found.
    pub recall: f64,
    /// Of a query.
    pub cpu_ms: f64,
}

/// What a library does at each breadth.
#[derive(Debug, Clone, Serialize)]
pub struct Curve {
    pub library: &'static str,
    /// CPU seconds of the build.
    pub build_cpu_s: f64,
    /// Candidates kept, and what that gave; ascending.
    pub points: Vec<(usize, Point)>,
}

impl Curve {
    /// CPU time at which a recall is reached, between the measured points; `None` when it is not.
    pub fn cpu_ms_at(&self, recall: f64) -> Option<f64> {
        let (_, first) = self.points.first()?;
        if first.recall >= recall {
            return Some(first.cpu_ms);
        }
        self.points.windows(2).find_map(|pair| {
            let [(_, below), (_, above)] = pair else {
                return None;
            };
            let is_between = below.recall < recall && above.recall >= recall;
            let share = (recall - below.recall) / (above.recall - below.recall);
            is_between.then_some(below.cpu_ms + share * (above.cpu_ms - below.cpu_ms))
        })
    }
}

/// The middle of several measurements of one point; recall does not change.
pub fn median(mut points: Vec<Point>) -> Option<Point> {
    points.sort_by(|a, b| a.cpu_ms.total_cmp(&b.cpu_ms));
    points.get(points.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_read_between_points_and_not_beyond_them() {
        let point = |recall, cpu_ms| Point { recall, cpu_ms };
        let curve = Curve {
            library: "one",
            build_cpu_s: 1.0,
            points: vec![
                (16, point(0.9, 1.0)),
                (32, point(0.98, 2.0)),
                (64, point(1.0, 4.0)),
            ],
        };
        assert_eq!(curve.cpu_ms_at(0.5), Some(1.0));
        assert!((curve.cpu_ms_at(0.99).unwrap_or(0.0) - 3.0).abs() < 1e-9);
        assert_eq!(curve.cpu_ms_at(1.1), None);
        let middle = median(vec![point(0.9, 3.0), point(0.9, 1.0), point(0.9, 2.0)]);
        assert_eq!(middle.map(|point| point.cpu_ms), Some(2.0));
    }
}
