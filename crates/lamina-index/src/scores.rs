//! Scores of single items from the distances of their nearest neighbours.

use rayon::prelude::*;

use crate::duplicates::duplicate_confidence;
use crate::{Hit, IndexSettings, Neighbours};

/// Nearest neighbours that decide about an outlier.
const OUTLIER_NEIGHBOURS: usize = 5;

/// Fewer items than this have no distribution that one of them could fall out of.
const LEAST_ITEMS: usize = 10;

/// Robust standard deviations above the median at which an item falls out of its dataset.
const OUTLIER_DEVIATIONS: f32 = 3.0;

/// Standard deviation of a normal distribution over its median absolute deviation.
const NORMAL_DEVIATION: f32 = 1.4826;

/// Least deviation that is told apart, so that a dataset of equal distances does not make outliers of rounding.
const LEAST_DEVIATION: f32 = 0.01;

/// Weights of the first, second and third neighbour in uniqueness: an item with a single copy is not unique.
const UNIQUENESS_WEIGHTS: [f32; 3] = [4.0, 2.0, 1.0];

/// Scores of every item.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scores {
    pub(crate) uniqueness: Vec<f32>,
    pub(crate) outlier_confidence: Vec<f32>,
    pub(crate) duplicate_confidence: Vec<f32>,
}

/// `count` is needed because a single item has no neighbours to count.
pub(crate) fn score(neighbours: &Neighbours, count: usize, settings: &IndexSettings) -> Scores {
    let items = 0..count as u32;
    let uniqueness = items
        .clone()
        .into_par_iter()
        .map(|item| uniqueness(neighbours.of(item), settings))
        .collect();
    let duplicates = items
        .clone()
        .map(|item| {
            let nearest = neighbours
                .of(item)
                .next()
                .map_or(f32::NAN, |hit| hit.distance);
            duplicate_confidence(nearest, settings.duplicate_similarity)
        })
        .collect();
    let distances: Vec<f32> = items.map(|item| mean(neighbours.of(item))).collect();
    Scores {
        uniqueness,
        outlier_confidence: outliers(&distances, settings),
        duplicate_confidence: duplicates,
    }
}

/// `1 - 2^(-d / h)`: 0 for an item with copies, 1 for one that stands alone, 0.5 where the weighted mean distance `d` to the
/// three nearest neighbours (weights 4 : 2 : 1) is half the outlier distance (`h`). An item without neighbours has 1.
fn uniqueness(neighbours: impl Iterator<Item = Hit>, settings: &IndexSettings) -> f32 {
    let weighted = neighbours.zip(UNIQUENESS_WEIGHTS);
    let (sum, weight) = weighted.fold((0.0, 0.0), |(sum, total), (hit, weight)| {
        (sum + hit.distance * weight, total + weight)
    });
    if weight == 0.0 {
        return 1.0;
    }
    1.0 - (-(sum / weight) / (settings.outlier_distance / 2.0)).exp2()
}

/// `1 - 2^(-x)`, where `x` is the smaller of two ratios, so that both must reach 1 for a confidence of 0.5: the mean distance
/// to the five nearest neighbours over the outlier distance of the vector space, and its distance above the dataset's median
/// over three robust standard deviations. All 0 in datasets of fewer than ten items.
fn outliers(distances: &[f32], settings: &IndexSettings) -> Vec<f32> {
    if distances.len() < LEAST_ITEMS {
        return vec![0.0; distances.len()];
    }
    let (centre, deviation) = robust_spread(distances);
    distances
        .iter()
        .map(|distance| {
            let far = distance / settings.outlier_distance;
            let apart = (distance - centre) / (OUTLIER_DEVIATIONS * deviation);
            1.0 - (-far.min(apart).max(0.0)).exp2()
        })
        .collect()
}

/// Median and standard deviation as the median absolute deviation tells it, at least [`LEAST_DEVIATION`].
pub(crate) fn robust_spread(values: &[f32]) -> (f32, f32) {
    let centre = median(values.to_vec());
    let deviation = median(values.iter().map(|value| (value - centre).abs()).collect());
    (centre, (deviation * NORMAL_DEVIATION).max(LEAST_DEVIATION))
}

fn median(mut values: Vec<f32>) -> f32 {
    let middle = values.len() / 2;
    if values.is_empty() {
        return 0.0;
    }
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

fn mean(neighbours: impl ExactSizeIterator<Item = Hit>) -> f32 {
    let near = neighbours.take(OUTLIER_NEIGHBOURS);
    let count = near.len();
    if count == 0 {
        return 0.0;
    }
    near.map(|hit| hit.distance).sum::<f32>() / count as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: IndexSettings = IndexSettings::new([0.1, 0.2, 0.3, 0.4, 0.5], 0.96, 0.4);

    fn list(distances: &[f32]) -> Vec<Hit> {
        distances
            .iter()
            .map(|distance| Hit {
                ordinal: 0,
                distance: *distance,
            })
            .collect()
    }

    #[test]
    fn uniqueness_grows_with_distance_and_a_single_copy_lowers_it() {
        let of = |distances: &[f32]| uniqueness(list(distances).into_iter(), &SETTINGS);
        assert_eq!(of(&[0.0, 0.0, 0.0]), 0.0);
        assert_eq!(of(&[]), 1.0);
        assert!((of(&[0.2, 0.2, 0.2]) - 0.5).abs() < 1e-6);
        assert!(of(&[0.0, 0.4, 0.4]) < 0.5 && of(&[0.4, 0.4, 0.4]) > 0.7);
        assert!(of(&[2.0, 2.0, 2.0]) <= 1.0);
    }

    #[test]
    fn an_item_is_an_outlier_only_if_far_and_apart() {
        let mut distances = vec![0.1; 30];
        distances.extend([0.12; 30]);
        distances.extend([0.6, 0.3]);
        let scores = outliers(&distances, &SETTINGS);
        assert!(scores[60] >= 0.5 && scores[61] < 0.5, "{:?}", &scores[60..]);
        assert!(scores[..60].iter().all(|score| *score < 0.1));
        // Everything is far from everything: nobody falls out.
        let spread: Vec<f32> = (0..50).map(|item| 0.5 + 0.004 * item as f32).collect();
        assert!(
            outliers(&spread, &SETTINGS)
                .iter()
                .all(|score| *score < 0.5)
        );
        assert_eq!(outliers(&[0.0, 0.0, 1.9], &SETTINGS), [0.0; 3]);
    }
}
