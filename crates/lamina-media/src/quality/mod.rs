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
const BLUR_BELOW: f32 = 0.95;
/// If even the light parts are below this luma, a picture is called dark.
const DARK_BELOW: f32 = 0.3;
/// If half of the picture is whiter than this, it is called bright.
const BRIGHT_ABOVE: f32 = 0.72;

/// The share of the pixels that may be lighter than `luma_high`.
const HIGH_SHARE: f32 = 0.99;
/// How many times a pixel of the middle (the inner half of each side) counts for `luma_low`.
const MIDDLE_WEIGHT: u32 = 4;
/// Pixels looked at across and down for `luma_low`, at most: a median needs no more.
const GRID_POINTS: u32 = 160;

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
    /// What the darkest channel does not exceed in half of the picture, 0..1; the middle of the picture counts four times, so
    /// that a thing on a white ground is judged by the thing rather than by the ground.
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
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        return measure_wide(picture);
    }
    measure_plain(picture)
}

/// [`measure_plain`], compiled for registers of twice the width; the same numbers to the last bit.
#[cfg(target_arch = "x86_64")]
#[expect(
    unsafe_code,
    reason = "a function compiled for instructions that not every processor has may only be called where they are"
)]
fn measure_wide(picture: &Picture) -> Measures {
    #[target_feature(enable = "avx2")]
    fn wide(picture: &Picture) -> Measures {
        measure_plain(picture)
    }
    // SAFETY: the only caller has just found the instructions.
    unsafe { wide(picture) }
}

/// Always a part of its caller, as is everything that it calls, so that loops use the registers which that was compiled for.
#[inline(always)]
fn measure_plain(picture: &Picture) -> Measures {
    let luma = Luma::of(picture, NORMAL_SIDE);
    let levels = Levels::of_plane(&luma.values);
    let (dark, light) = (levels.at(1.0 - HIGH_SHARE), levels.at(HIGH_SHARE));
    let sharpness = sharpness(&luma, dark, light);
    let (luma_low, luma_high) = (whiteness(picture), light / 255.0);
    Measures {
        sharpness: sharpness.unwrap_or(0.0),
        luma_low,
        luma_high,
        blur_confidence: sharpness.map_or(0.0, |sharpness| confidence(sharpness, BLUR_BELOW)),
        dark_confidence: confidence(luma_high, DARK_BELOW),
        bright_confidence: confidence(1.0 - luma_low, 1.0 - BRIGHT_ABOVE),
    }
}

/// The median of the darkest channel over an even grid of pixels, those of the middle counting more. 0..1.
///
/// The darkest channel, because white is what overexposure ends in: a plain yellow has a luma of 0.8 and is no flaw.
#[inline(always)]
fn whiteness(picture: &Picture) -> f32 {
    let (width, height) = picture.pixel_size();
    let grid = |side: u32| {
        let points = side.min(GRID_POINTS);
        (0..points).map(move |point| {
            let is_middle = point >= points / 4 && point < points - points / 4;
            (
                (u64::from(2 * point + 1) * u64::from(side) / u64::from(2 * points)) as usize,
                is_middle,
            )
        })
    };
    let pixels = picture.pixels().as_chunks::<3>().0;
    let seen = grid(height).flat_map(|(y, in_rows)| {
        grid(width).map(move |(x, in_columns)| {
            let [red, green, blue] = pixels[y * width as usize + x];
            let weight = if in_rows && in_columns {
                MIDDLE_WEIGHT
            } else {
                1
            };
            (red.min(green).min(blue), weight)
        })
    });
    Levels::of_samples(seen).at(0.5) / 255.0
}

/// 1 at a measure of 0, one half at the threshold, falling on towards 0: the logistic function of the logarithm.
fn confidence(measure: f32, threshold: f32) -> f32 {
    1.0 / (1.0 + (measure.max(0.0) / threshold).powi(4))
}

/// A histogram to read percentiles from.
struct Levels {
    /// How often each value occurs, in quarters of an 8-bit level.
    counts: Vec<u32>,
    total: u32,
}

impl Levels {
    const PER_LEVEL: u16 = 4;
    const COUNT: usize = 256 * Self::PER_LEVEL as usize;

    /// From a plane of values, 0..255.
    #[inline(always)]
    fn of_plane(values: &[f32]) -> Self {
        let place = |value: &f32| (value * f32::from(Self::PER_LEVEL) + 0.5) as u16;
        // Rounded in a pass of its own, which is done many at a time; counting is not.
        let places: Vec<u16> = values.iter().map(place).collect();
        let mut counts = vec![0; Self::COUNT];
        for place in places {
            counts[usize::from(place).min(Self::COUNT - 1)] += 1;
        }
        Self::new(counts)
    }

    /// From samples, and how many times each counts.
    #[inline(always)]
    fn of_samples(samples: impl Iterator<Item = (u8, u32)>) -> Self {
        let mut counts = vec![0; Self::COUNT];
        for (sample, weight) in samples {
            counts[usize::from(sample) * usize::from(Self::PER_LEVEL)] += weight;
        }
        Self::new(counts)
    }

    fn new(counts: Vec<u32>) -> Self {
        let total = counts.iter().sum();
        Self { counts, total }
    }

    /// The value, 0..255, that this share does not exceed.
    fn at(&self, share: f32) -> f32 {
        let wanted = ((self.total as f32 * share).ceil() as u32).max(1);
        let mut seen = 0;
        let level = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        level.unwrap_or(0) as f32 / f32::from(Self::PER_LEVEL)
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
        assert!(black.dark_confidence == 1.0 && black.bright_confidence < 0.01);
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
