//! Finding the calibration of a dual encoder from measured distances.
//!
//! Clients have fixed ideas of distances: about 0.3 is close, 0.6 is the limit of a text search. So the raw distances of texts to pictures
//! are mapped piecewise linearly, through four knots:
//!
//! | raw distance | shown as |
//! |---|---|
//! | that keeps the closest tenth of matching pairs | 0.2 |
//! | that keeps half of them | 0.35 |
//! | that keeps nine of ten of them, or lets 2 of 100 other pairs in if that is less (but never fewer than three of four) | 0.6 |
//! | that lets half of the other pairs in | 0.9 |
//!
//! Where a model hardly tells matching pairs from others, the knots are moved apart, so that the map rises and no ranking changes.

use crate::calibration::{Calibration, CalibrationError};

/// Fewest pairs of each kind; with fewer the tenths mean nothing.
const FEWEST: usize = 30;
/// Least distance between two knots, in thousandths of raw distance.
const STEP: i32 = 20;
/// What the knots are shown as.
const SHOWN: [f32; 4] = [0.2, 0.35, 0.6, 0.9];

/// Measurements that give no calibration.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum FitError {
    /// Too few pairs.
    #[error("{matching} matching and {others} other pairs, at least {FEWEST} of each are needed")]
    TooFew {
        /// Pairs of a text and a picture that it is true of.
        matching: usize,
        /// Pairs of a text and another picture.
        others: usize,
    },
    /// A distance outside 0..=2 or not a number.
    #[error("{0} is no cosine distance")]
    NoDistance(f32),
    /// The knots made no map.
    #[error("the distances give no calibration")]
    Map(#[from] CalibrationError),
}

impl Calibration {
    /// Fits the map to the raw cosine distances of texts to pictures that they are true of, and to other pictures.
    ///
    /// # Errors
    /// Fewer than 30 of either, values outside 0..=2.
    pub fn fit(matching: &[f32], others: &[f32]) -> Result<Self, FitError> {
        if matching.len() < FEWEST || others.len() < FEWEST {
            return Err(FitError::TooFew {
                matching: matching.len(),
                others: others.len(),
            });
        }
        let (matching, others) = (sorted(matching)?, sorted(others)?);
        let kept = |share| quantile(&matching, share);
        let limit = kept(0.9).min(quantile(&others, 0.02).max(kept(0.75)));
        let wanted = [kept(0.1), kept(0.5), limit, quantile(&others, 0.5)];
        Ok(Self::new(&apart(wanted), &SHOWN)?)
    }
}

fn sorted(distances: &[f32]) -> Result<Vec<f32>, FitError> {
    let is_distance = |distance: &f32| (0.0..=2.0).contains(distance);
    if let Some(wrong) = distances.iter().find(|distance| !is_distance(distance)) {
        return Err(FitError::NoDistance(*wrong));
    }
    let mut sorted = distances.to_vec();
    sorted.sort_by(f32::total_cmp);
    Ok(sorted)
}

/// The value below which this share of sorted values lies, between two of them where it falls there.
fn quantile(sorted: &[f32], share: f32) -> f32 {
    let place = share * sorted.len().saturating_sub(1) as f32;
    let at = |place: f32| sorted.get(place as usize).copied().unwrap_or_default();
    let (low, high) = (at(place.floor()), at(place.ceil()));
    low + (high - low) * place.fract()
}

/// The same values to three places, as manifests have them, moved as far as needed to lie a step apart and inside 0..2, with room for
/// those that follow.
fn apart(wanted: [f32; 4]) -> [f32; 4] {
    // In thousandths, because whole numbers compare exactly.
    let mut least = STEP;
    let mut most = 2_000 - STEP * wanted.len() as i32;
    wanted.map(|value| {
        let value = ((value * 1000.0).round() as i32).max(least).min(most);
        (least, most) = (value + STEP, most + STEP);
        value as f32 / 1000.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many values evenly over a range.
    fn spread(from: f32, to: f32, count: usize) -> Vec<f32> {
        let step = (to - from) / (count - 1) as f32;
        (0..count).map(|place| from + step * place as f32).collect()
    }

    #[track_caller]
    fn assert_shown(map: &Calibration, pairs: &[(f32, f32)]) {
        for (raw, shown) in pairs {
            let found = map.apply(*raw);
            assert!(
                (found - shown).abs() < 2e-3,
                "{raw} -> {found}, not {shown}"
            );
        }
    }

    #[test]
    fn quantiles_go_through_the_bands() {
        // CLIP's own region: matching around 0.7, others around 0.85.
        let map = Calibration::fit(&spread(0.65, 0.75, 101), &spread(0.75, 0.95, 101)).unwrap();
        assert_shown(&map, &[(0.66, 0.2), (0.70, 0.35), (0.74, 0.6), (0.85, 0.9)]);
    }

    #[test]
    fn others_that_come_close_lower_the_limit_but_three_of_four_matches_stay() {
        let matching = spread(0.5, 0.9, 401);
        let near = Calibration::fit(&matching, &spread(0.8, 1.0, 401)).unwrap();
        // 90 % lie within 0.86, 75 % within 0.8, 2 % of the others within 0.804.
        assert_shown(&near, &[(0.804, 0.6)]);
        let nearer = Calibration::fit(&matching, &spread(0.6, 1.0, 401)).unwrap();
        assert_shown(&nearer, &[(0.8, 0.6)]);
    }

    #[test]
    fn every_fit_rises_and_keeps_every_ranking() {
        let same = spread(0.7, 0.701, 50);
        let cases = [
            (same.clone(), same.clone()),
            (spread(0.0, 0.001, 50), spread(0.0, 0.002, 50)),
            (spread(1.99, 2.0, 50), spread(1.99, 2.0, 50)),
            (vec![2.0; 40], vec![0.0; 40]),
            (spread(0.9, 1.1, 50), spread(0.1, 0.3, 50)),
        ];
        for (matching, others) in cases {
            let map = Calibration::fit(&matching, &others).unwrap();
            let shown: Vec<f32> = spread(0.0, 2.0, 4001)
                .into_iter()
                .map(|raw| map.apply(raw))
                .collect();
            assert!(
                shown.windows(2).all(|pair| pair[0] < pair[1]),
                "{matching:?} {others:?}"
            );
        }
    }

    #[test]
    fn too_few_and_impossible_distances_are_refused() {
        let enough = spread(0.1, 0.9, 30);
        assert_eq!(
            Calibration::fit(&enough[1..], &enough),
            Err(FitError::TooFew {
                matching: 29,
                others: 30
            })
        );
        let mut broken = enough.clone();
        broken[3] = f32::NAN;
        assert!(matches!(
            Calibration::fit(&enough, &broken),
            Err(FitError::NoDistance(_))
        ));
        broken[3] = 2.5;
        assert_eq!(
            Calibration::fit(&broken, &enough),
            Err(FitError::NoDistance(2.5))
        );
    }
}
