//! Quality measures: out of focus, too dark, overexposed.
//!
//! All three look at luma (BT.601, 8-bit sRGB values as they are, not linearised), area-averaged so that the longest
//! side is [`NORMAL_SIDE`] pixels: what counts is how a picture looks at one size, not how many pixels it has.

mod focus;
mod luma;

use crate::Picture;
use focus::sharpness;
use luma::Luma;

/// Version of the definitions and thresholds below; measures of another version are computed anew.
pub const MEASURES_VERSION: i32 = 1;

/// Longest side of the luma plane, in pixels. Smaller pictures are measured as they are.
const NORMAL_SIDE: u32 = 256;

/// Below this sharpness a picture is called blurred.
const BLUR_BELOW: f32 = 1.17;
/// If even the light parts are below this luma, a picture is called dark.
const DARK_BELOW: f32 = 0.34;
/// If even the dark parts are above this luma, a picture is called bright.
const BRIGHT_ABOVE: f32 = 0.78;

/// The share of the pixels that may be lighter than `luma_high`.
const HIGH_SHARE: f32 = 0.99;
/// How many times a pixel of the middle (the inner half of each side) counts for `luma_low`.
const MIDDLE_WEIGHT: u32 = 4;

/// How sharp, dark and bright a picture is. Confidences run from 0 to 1; from 0.5 on the issue is there. Each rises and
/// falls with its measure alone, so that a caller may choose another threshold by choosing another confidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measures {
    /// How abruptly edges are crossed in the least sharp direction, 0 (blurred) to about 5; 0 as well for a picture
    /// without any edge, which is never called blurred.
    ///
    /// A relative of the variance of the Laplacian (Pech-Pacheco et al. 2000) on luma stretched to its 1st and 99th
    /// percentiles: second differences squared, but held against first differences squared at the same edges. That makes it
    /// independent of contrast and of how many edges there are, where the plain variance takes every smooth or dim picture
    /// for blurred.
    pub sharpness: f32,
    /// Luma that half of the picture does not exceed, 0..1; the middle of the picture counts four times, so that a thing on
    /// a white ground is judged by the thing.
    pub luma_low: f32,
    /// Luma that all but a hundredth of the pixels do not exceed, 0..1.
    pub luma_high: f32,
    /// Out of focus or motion-blurred.
    pub blur_confidence: f32,
    /// Too little light: even the light parts are dark. To judge by a high percentile, the 99th, is the way of cleanvision
    /// (Cleanlab) and its `dark` issue.
    pub dark_confidence: f32,
    /// Overexposed: most of the picture is near white. cleanvision's `light` issue takes the 5th percentile, which misses
    /// most overexposed photos: a few black things stay black.
    pub bright_confidence: f32,
}

/// Measures a picture; a reduced copy gives nearly the same values as the whole.
pub fn measure(picture: &Picture) -> Measures {
    let luma = Luma::of(picture, NORMAL_SIDE);
    let levels = Levels::of(&luma, 1);
    let (dark, light) = (levels.at(1.0 - HIGH_SHARE), levels.at(HIGH_SHARE));
    let sharpness = sharpness(&luma, dark, light);
    let (luma_low, luma_high) = (
        Levels::of(&luma, MIDDLE_WEIGHT).at(0.5) / 255.0,
        light / 255.0,
    );
    Measures {
        sharpness: sharpness.unwrap_or(0.0),
        luma_low,
        luma_high,
        blur_confidence: sharpness.map_or(0.0, |sharpness| confidence(sharpness, BLUR_BELOW)),
        dark_confidence: confidence(luma_high, DARK_BELOW),
        bright_confidence: confidence(1.0 - luma_low, 1.0 - BRIGHT_ABOVE),
    }
}

/// 1 at a measure of 0, one half at the threshold, falling on towards 0: the logistic function of the logarithm.
fn confidence(measure: f32, threshold: f32) -> f32 {
    1.0 / (1.0 + (measure.max(0.0) / threshold).powi(4))
}

/// Percentiles of a luma plane.
struct Levels {
    /// How many pixels have each luma, in quarters of an 8-bit level.
    counts: Vec<u32>,
    total: u32,
}

impl Levels {
    const PER_LEVEL: f32 = 4.0;

    fn of(luma: &Luma, middle_weight: u32) -> Self {
        let mut counts = vec![0; 256 * Self::PER_LEVEL as usize];
        let last = counts.len() - 1;
        let middle = |length: usize| length / 4..length - length / 4;
        let (rows, columns) = (middle(luma.height), middle(luma.width));
        for (row, values) in luma.values.chunks_exact(luma.width).enumerate() {
            let in_rows = rows.contains(&row);
            for (column, value) in values.iter().enumerate() {
                let weight = if in_rows && columns.contains(&column) {
                    middle_weight
                } else {
                    1
                };
                counts[((value * Self::PER_LEVEL).round() as usize).min(last)] += weight;
            }
        }
        let total = counts.iter().sum();
        Self { counts, total }
    }

    /// The luma, 0..255, that this share of the pixels do not exceed.
    fn at(&self, share: f32) -> f32 {
        let wanted = ((self.total as f32 * share).ceil() as u32).max(1);
        let mut seen = 0;
        let level = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        level.unwrap_or(0) as f32 / Self::PER_LEVEL
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PictureFormat;

    #[test]
    fn confidence_is_one_half_at_the_threshold_and_monotone() {
        assert!((confidence(0.3, 0.3) - 0.5).abs() < 1e-6);
        assert!(confidence(0.0, 0.3) == 1.0 && confidence(100.0, 0.3) < 1e-6);
        assert!(confidence(0.2, 0.3) > confidence(0.25, 0.3) && confidence(0.31, 0.3) < 0.5);
    }

    #[test]
    fn black_is_dark_and_white_is_bright_and_neither_is_blurred() {
        let of = |value| {
            measure(&Picture::from_rgb(PictureFormat::Png, 40, 30, vec![value; 3600]).unwrap())
        };
        let (black, white, grey) = (of(0), of(255), of(128));
        assert_eq!((black.dark_confidence, black.bright_confidence), (1.0, 0.0));
        assert!(white.bright_confidence > 0.99 && white.dark_confidence < 0.01);
        assert!(grey.bright_confidence < 0.5 && grey.dark_confidence < 0.5);
        assert!(
            [black, white, grey]
                .iter()
                .all(|measures| measures.blur_confidence == 0.0)
        );
    }

    #[test]
    fn the_smallest_pictures_are_measured() {
        for (width, height) in [(1, 1), (1, 700), (3000, 2)] {
            let picture = Picture::from_rgb(
                PictureFormat::Png,
                width,
                height,
                vec![9; (width * height * 3) as usize],
            );
            assert!(measure(&picture.unwrap()).dark_confidence > 0.5);
        }
    }
}
