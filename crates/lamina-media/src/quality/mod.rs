//! Quality measures.

mod luma;

use crate::Picture;
use luma::Luma;

/// Version of the definitions below; rows of another version are computed anew.
pub const MEASURES_VERSION: i32 = 1;

/// How sharp, dark and bright a picture is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measures {
    /// Sharpness, 0 or more.
    pub sharpness: f32,
    /// Luma of the dark parts, 0..1.
    pub luma_low: f32,
    /// Luma of the light parts, 0..1.
    pub luma_high: f32,
    /// 0..1, flagged from 0.5.
    pub blur_confidence: f32,
    /// 0..1, flagged from 0.5.
    pub dark_confidence: f32,
    /// 0..1, flagged from 0.5.
    pub bright_confidence: f32,
}

/// Measures a picture.
pub fn measure(picture: &Picture) -> Measures {
    let luma = Luma::of(picture, 256);
    let mut sorted = luma.values.clone();
    sorted.sort_unstable_by(f32::total_cmp);
    let at = |fraction: f32| sorted[((sorted.len() - 1) as f32 * fraction) as usize] / 255.0;
    let (low, high) = (at(0.05), at(0.99));
    Measures {
        sharpness: 0.0,
        luma_low: low,
        luma_high: high,
        blur_confidence: 0.0,
        dark_confidence: 0.0,
        bright_confidence: 0.0,
    }
}
