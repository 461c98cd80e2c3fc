//! From a model's raw text-to-image distances to the distances that people and clients expect.

use serde::Deserialize;

/// Knots that make no calibration.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum CalibrationError {
    /// `raw` and `shown` differ in length.
    #[error("calibration has {raw} raw and {shown} shown distances, they belong in pairs")]
    Uneven {
        /// Number of raw distances.
        raw: usize,
        /// Number of shown distances.
        shown: usize,
    },
    /// No knots.
    #[error("calibration has no pairs")]
    Empty,
    /// A knot outside 0..=2 or not a number.
    #[error("calibration pair {0} is outside 0 to 2")]
    OutOfRange(usize),
    /// Both sides must rise from pair to pair, or the map would change the ranking. The ends (0, 0) and (2, 2) count as pairs.
    #[error("calibration does not rise at pair {0}")]
    NotRising(usize),
}

/// A strictly rising, piecewise linear map of cosine distances 0..=2 onto 0..=2, through given knots and through (0, 0) and (2, 2).
///
/// Strictly rising, so it never changes a ranking; it only makes 0.3 and 0.6 mean what clients think they mean.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Knots")]
pub struct Calibration {
    /// (raw, shown), both rising, from (0, 0) to (2, 2).
    knots: Vec<(f32, f32)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Knots {
    raw: Vec<f32>,
    shown: Vec<f32>,
}

impl TryFrom<Knots> for Calibration {
    type Error = CalibrationError;
    fn try_from(knots: Knots) -> Result<Self, Self::Error> {
        Self::new(&knots.raw, &knots.shown)
    }
}

impl Calibration {
    /// Checks and completes the knots.
    ///
    /// # Errors
    /// No pairs, unequal lengths, values outside 0..=2, or a map that does not rise everywhere.
    pub fn new(raw: &[f32], shown: &[f32]) -> Result<Self, CalibrationError> {
        if raw.len() != shown.len() {
            return Err(CalibrationError::Uneven {
                raw: raw.len(),
                shown: shown.len(),
            });
        }
        if raw.is_empty() {
            return Err(CalibrationError::Empty);
        }
        let range = 0.0..=2.0;
        let mut knots = vec![(0.0, 0.0)];
        for (place, (raw, shown)) in raw.iter().copied().zip(shown.iter().copied()).enumerate() {
            if !range.contains(&raw) || !range.contains(&shown) {
                return Err(CalibrationError::OutOfRange(place));
            }
            let (last_raw, last_shown) = knots[knots.len() - 1];
            if raw > last_raw && shown > last_shown {
                knots.push((raw, shown));
            } else if place > 0 || (raw, shown) != (0.0, 0.0) {
                return Err(CalibrationError::NotRising(place));
            }
        }
        match knots[knots.len() - 1] {
            (2.0, 2.0) => {}
            (raw, shown) if raw < 2.0 && shown < 2.0 => knots.push((2.0, 2.0)),
            _ => return Err(CalibrationError::NotRising(raw.len() - 1)),
        }
        Ok(Self { knots })
    }

    /// The given knots, raw and shown, as the `[calibration]` section of a manifest has them: without the ends.
    pub fn knots(&self) -> (Vec<f32>, Vec<f32>) {
        let is_end = |knot: &&(f32, f32)| matches!(**knot, (0.0, 0.0) | (2.0, 2.0));
        let inner = self.knots.iter().filter(|knot| !is_end(knot));
        inner.copied().unzip()
    }

    /// The distance to show for a raw cosine distance. Input outside 0..=2 counts as the nearer end; not-a-number as 2.
    pub fn apply(&self, raw: f32) -> f32 {
        follow(self.knots.iter().copied(), raw)
    }

    /// The raw distance that is shown as `shown`: turns a client's maximum into the maximum of a range search.
    pub fn undo(&self, shown: f32) -> f32 {
        follow(self.knots.iter().map(|(raw, shown)| (*shown, *raw)), shown)
    }
}

/// Linear interpolation through rising knots that span 0..=2.
fn follow(knots: impl Iterator<Item = (f32, f32)>, from: f32) -> f32 {
    let from = if from.is_nan() {
        2.0
    } else {
        from.clamp(0.0, 2.0)
    };
    let mut low = (0.0, 0.0);
    for high in knots {
        if from <= high.0 {
            let span = high.0 - low.0;
            let share = if span > 0.0 {
                (from - low.0) / span
            } else {
                0.0
            };
            // The clamp keeps rounding from stepping over the next knot, which would break the order.
            return (low.1 + share * (high.1 - low.1)).clamp(low.1, high.1);
        }
        low = high;
    }
    low.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_goes_through_its_knots_and_both_ends() {
        let map = Calibration::new(&[0.5, 0.8, 1.2], &[0.2, 0.5, 1.0]).unwrap();
        for (raw, shown) in [
            (0.0, 0.0),
            (0.25, 0.1),
            (0.5, 0.2),
            (0.65, 0.35),
            (0.8, 0.5),
            (1.2, 1.0),
            (1.6, 1.5),
            (2.0, 2.0),
        ] {
            assert!(
                (map.apply(raw) - shown).abs() < 1e-6,
                "{raw} -> {} not {shown}",
                map.apply(raw)
            );
            assert!(
                (map.undo(shown) - raw).abs() < 1e-6,
                "{shown} <- {} not {raw}",
                map.undo(shown)
            );
        }
        assert!(map.apply(-1.0) == 0.0 && map.apply(7.0) == 2.0 && map.apply(f32::NAN) == 2.0);
    }

    #[test]
    fn the_knots_make_the_same_map_again() {
        let map = Calibration::new(&[0.5, 0.8, 1.2], &[0.2, 0.5, 1.0]).unwrap();
        let (raw, shown) = map.knots();
        assert_eq!(
            (raw.as_slice(), shown.as_slice()),
            (&[0.5, 0.8, 1.2][..], &[0.2, 0.5, 1.0][..])
        );
        assert_eq!(Calibration::new(&raw, &shown), Ok(map));
    }

    #[test]
    fn the_map_never_falls() {
        let map = Calibration::new(&[0.7, 0.700_001, 0.9], &[0.1, 0.6, 0.600_001]).unwrap();
        let shown: Vec<f32> = (0..=20_000)
            .map(|step| map.apply(step as f32 / 10_000.0))
            .collect();
        assert!(shown.is_sorted());
    }

    #[test]
    fn knots_that_would_change_the_ranking_are_refused() {
        use CalibrationError::{Empty, NotRising, OutOfRange, Uneven};
        let cases: [(&[f32], &[f32], CalibrationError); 8] = [
            (&[], &[], Empty),
            (&[0.5], &[0.2, 0.3], Uneven { raw: 1, shown: 2 }),
            (&[0.5, 0.4], &[0.2, 0.3], NotRising(1)),
            (&[0.5, 0.6], &[0.2, 0.2], NotRising(1)),
            (&[0.5], &[0.0], NotRising(0)),
            (&[1.9], &[2.0], NotRising(0)),
            (&[0.5, 2.1], &[0.2, 0.3], OutOfRange(1)),
            (&[f32::NAN], &[0.2], OutOfRange(0)),
        ];
        for (raw, shown, expected) in cases {
            assert_eq!(
                Calibration::new(raw, shown),
                Err(expected),
                "{raw:?} {shown:?}"
            );
        }
        assert!(Calibration::new(&[0.0, 1.0, 2.0], &[0.0, 0.5, 2.0]).is_ok());
    }
}
