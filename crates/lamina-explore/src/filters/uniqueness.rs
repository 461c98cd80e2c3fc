//! `uniqueness`: items that stand alone.

use super::FilterKind;
use crate::ExploreError;
use crate::context::Context;
use crate::matching::Selection;
use crate::vql::{Element, VqlError};

/// Items whose uniqueness lies above a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Uniqueness {
    /// 0 to 1; the value itself does not pass.
    above: f32,
}

impl FilterKind for Uniqueness {
    fn read(element: &mut Element<'_>) -> Result<Self, VqlError> {
        element.word("op", &[("uniqueness", ())])?;
        Ok(Self {
            above: element.number("value", 0.0..=1.0)?,
        })
    }

    async fn resolve(&self, context: &Context<'_>) -> Result<Selection, ExploreError> {
        let above = self.above;
        context
            .scan(move |snapshot| {
                let scores = &snapshot.generation().uniqueness;
                snapshot.those(|ordinal| {
                    scores
                        .get(ordinal as usize)
                        .is_some_and(|score| *score > above)
                })
            })
            .await
    }
}
