//! Boxes inside pictures.

use serde::{Deserialize, Serialize};

/// A box that lies outside the picture or has no area.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum BoundingBoxError {
    /// A NaN or an infinity.
    #[error("bounding box has a value that is not a finite number")]
    NotFinite,
    /// Width or height not above zero.
    #[error("bounding box is empty: width and height must be above 0")]
    Empty,
    /// Beyond the picture by more than rounding.
    #[error("bounding box lies outside the picture")]
    Outside,
}

/// How far a box may reach over the edge, as a fraction, before it is wrong rather than rounded.
const OVERSHOOT: f64 = 0.01;

/// A box as fractions of width and height of the oriented picture, origin at the top left.
///
/// Always inside the picture and of positive size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BoundingBox {
    /// Left edge, 0..1.
    pub x: f64,
    /// Top edge, 0..1.
    pub y: f64,
    /// Width, above 0, at most 1.
    pub width: f64,
    /// Height, above 0, at most 1.
    pub height: f64,
}

impl BoundingBox {
    /// Checks and clamps a box of fractions.
    ///
    /// # Errors
    /// Not finite, empty, or outside the picture by more than 1 % of its side.
    pub fn from_fractions(
        x: f64,
        y: f64,
        width: f64,
        height: f64,
    ) -> Result<Self, BoundingBoxError> {
        if ![x, y, width, height].into_iter().all(f64::is_finite) {
            return Err(BoundingBoxError::NotFinite);
        }
        if width <= 0.0 || height <= 0.0 {
            return Err(BoundingBoxError::Empty);
        }
        let outside = x < -OVERSHOOT
            || y < -OVERSHOOT
            || x + width > 1.0 + OVERSHOOT
            || y + height > 1.0 + OVERSHOOT;
        if outside {
            return Err(BoundingBoxError::Outside);
        }
        let (left, top) = (x.clamp(0.0, 1.0), y.clamp(0.0, 1.0));
        let (right, bottom) = ((x + width).min(1.0), (y + height).min(1.0));
        if right <= left || bottom <= top {
            return Err(BoundingBoxError::Outside);
        }
        Ok(Self {
            x: left,
            y: top,
            width: right - left,
            height: bottom - top,
        })
    }

    /// A box given in pixels of an oriented picture of `picture_width` x `picture_height`.
    ///
    /// # Errors
    /// As [`Self::from_fractions`].
    pub fn from_pixels(
        [x, y, width, height]: [f64; 4],
        picture_width: u32,
        picture_height: u32,
    ) -> Result<Self, BoundingBoxError> {
        let (w, h) = (
            f64::from(picture_width.max(1)),
            f64::from(picture_height.max(1)),
        );
        Self::from_fractions(x / w, y / h, width / w, height / h)
    }

    /// The box in whole pixels, `[x, y, width, height]`, at least one pixel a side and inside the picture.
    pub fn to_pixels(&self, picture_width: u32, picture_height: u32) -> [u32; 4] {
        let axis = |start: f64, length: f64, side: u32| {
            let limit = f64::from(side.max(1));
            let first = (start * limit).round().min(limit - 1.0);
            let last = ((start + length) * limit).round().clamp(first + 1.0, limit);
            (first as u32, (last - first) as u32)
        };
        let (x, width) = axis(self.x, self.width, picture_width);
        let (y, height) = axis(self.y, self.height, picture_height);
        [x, y, width, height]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_overshoot_is_clamped_and_more_is_refused() {
        let clamped = BoundingBox::from_fractions(0.5, -0.005, 0.505, 1.0).unwrap();
        assert_eq!((clamped.x, clamped.y), (0.5, 0.0));
        assert!(clamped.x + clamped.width <= 1.0 && clamped.y + clamped.height <= 1.0);
        assert_eq!(
            BoundingBox::from_fractions(0.9, 0.0, 0.5, 0.5),
            Err(BoundingBoxError::Outside)
        );
        assert_eq!(
            BoundingBox::from_fractions(0.1, 0.1, 0.0, 0.5),
            Err(BoundingBoxError::Empty)
        );
        assert_eq!(
            BoundingBox::from_fractions(f64::NAN, 0.1, 0.1, 0.5),
            Err(BoundingBoxError::NotFinite)
        );
    }

    #[test]
    fn pixels_and_fractions_agree() {
        let whole = BoundingBox::from_pixels([0.0, 0.0, 640.0, 480.0], 640, 480).unwrap();
        assert_eq!(whole.to_pixels(640, 480), [0, 0, 640, 480]);
        let thin = BoundingBox::from_fractions(0.9999, 0.0, 0.0001, 1.0).unwrap();
        assert_eq!(thin.to_pixels(10, 10), [9, 0, 1, 10]);
    }
}
