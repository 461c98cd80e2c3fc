//! How a walk sees points: as they are, or at two bits a value.

use super::Walker;
use crate::coarse::Question;
use crate::kernels::prefetch;

/// Bytes of a row that are asked for as soon as its link is seen; the rest follows when its turn is next.
const FIRST_BYTES: usize = 512;

/// Distances of points from one query.
pub(super) trait Sight {
    /// Asks for a point that will be looked at.
    fn fetch(&self, point: u32);

    /// Asks for the rest of a point whose turn is next.
    fn fetch_rest(&self, point: u32);

    /// How far a point is.
    fn distance(&self, point: u32) -> f32;
}

/// Points as they are.
pub(super) struct Exact<'a> {
    pub(super) walker: &'a Walker<'a>,
    pub(super) query: &'a [f32],
}

impl Sight for Exact<'_> {
    #[inline]
    fn fetch(&self, point: u32) {
        prefetch(self.walker.row(point), FIRST_BYTES);
        let scale = point as usize..=point as usize;
        prefetch(&self.walker.scales[scale], usize::MAX);
    }

    #[inline]
    fn fetch_rest(&self, point: u32) {
        prefetch(self.walker.row(point), usize::MAX);
    }

    #[inline]
    fn distance(&self, point: u32) -> f32 {
        self.walker.distance(self.query, point)
    }
}

/// Points at two bits a value.
pub(super) struct Coarse<'a> {
    pub(super) question: Question<'a>,
    /// How much farther than they are points look.
    pub(super) bias: f32,
}

impl Sight for Coarse<'_> {
    #[inline]
    fn fetch(&self, point: u32) {
        self.question.fetch(point);
    }

    #[inline]
    fn fetch_rest(&self, _: u32) {}

    #[inline]
    fn distance(&self, point: u32) -> f32 {
        // Never negative: distances are sorted by their bits.
        (self.question.look(point) - self.bias).max(0.0)
    }
}
