//! `size`: items by their width, height or area in pixels; of an object, those of its box. Beyond the contract.

use super::FilterKind;
use crate::ExploreError;
use crate::context::Context;
use crate::matching::Selection;
use crate::vql::{Element, VqlError};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    Width,
    Height,
    Area,
}

/// A test of an item's size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Size {
    measure: Measure,
    /// Smallest and largest value that pass, in pixels or square pixels.
    min: f64,
    max: f64,
}

/// Beyond any picture, and exact in floating point.
const LARGEST: f64 = 9_007_199_254_740_991.0;

impl Size {
    fn passes(&self, (width, height): (u32, u32)) -> bool {
        let (width, height) = (f64::from(width), f64::from(height));
        let value = match self.measure {
            Measure::Width => width,
            Measure::Height => height,
            Measure::Area => width * height,
        };
        (self.min..=self.max).contains(&value)
    }
}

impl FilterKind for Size {
    fn read(element: &mut Element<'_>) -> Result<Self, VqlError> {
        let words = [
            ("width", Measure::Width),
            ("height", Measure::Height),
            ("area", Measure::Area),
        ];
        let measure = element.word("op", &words)?;
        let min = element.optional_double("min", 0.0..=LARGEST)?;
        let max = element.optional_double("max", 0.0..=LARGEST)?;
        if min.is_none() && max.is_none() {
            return Err(element.wrong("min", "missing", "or max is required"));
        }
        Ok(Self {
            measure,
            min: min.unwrap_or(0.0),
            max: max.unwrap_or(LARGEST),
        })
    }

    async fn resolve(&self, context: &Context<'_>) -> Result<Selection, ExploreError> {
        let (filter, facts) = (*self, context.facts().await?);
        context
            .scan(move |snapshot| {
                snapshot
                    .those(|ordinal| facts.size(ordinal).is_some_and(|size| filter.passes(size)))
            })
            .await
    }
}
