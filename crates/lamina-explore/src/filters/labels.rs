//! `labels`: labels by their exact name.

use super::{FilterKind, SetTest};
use crate::ExploreError;
use crate::context::Context;
use crate::matching::Selection;
use crate::vql::{Element, VqlError};

/// A test of an item's labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// How they are compared.
    pub test: SetTest,
    /// Names, compared exactly.
    pub names: Vec<String>,
}

impl FilterKind for Labels {
    fn read(element: &mut Element<'_>) -> Result<Self, VqlError> {
        Ok(Self {
            test: SetTest::read(element)?,
            names: element.strings("value")?,
        })
    }

    async fn resolve(&self, context: &Context<'_>) -> Result<Selection, ExploreError> {
        let filter = self.clone();
        context
            .scan(move |snapshot| {
                let owners: Vec<_> = filter
                    .names
                    .iter()
                    .map(|name| snapshot.columns().label(name))
                    .collect();
                filter.test.select(&owners, snapshot.everything())
            })
            .await
    }
}
