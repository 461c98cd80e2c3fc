//! `duplicates`: items that have near-copies. As a filter of the whole request it also makes the groups of near-copies the
//! clusters of the answer (contract 12).

use super::FilterKind;
use crate::ExploreError;
use crate::context::Context;
use crate::matching::Selection;
use crate::vql::{Element, VqlError};

/// Items in a group of at least two near-copies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Duplicates {
    /// Lowest similarity (1 - cosine distance) within a group, 0 to 1.
    pub similarity: f32,
}

impl FilterKind for Duplicates {
    fn read(element: &mut Element<'_>) -> Result<Self, VqlError> {
        element.word("op", &[("duplicates", ())])?;
        Ok(Self {
            similarity: element.number("value", 0.0..=1.0)?,
        })
    }

    async fn resolve(&self, context: &Context<'_>) -> Result<Selection, ExploreError> {
        let similarity = self.similarity;
        context
            .scan(move |snapshot| {
                let copies = snapshot.generation().duplicates.copies(similarity);
                copies.into_iter().map(|(item, _)| item).collect()
            })
            .await
    }
}
