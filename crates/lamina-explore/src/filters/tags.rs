//! `tags`: tags by their id.

use lamina_types::TagId;

use super::{FilterKind, SetTest};
use crate::ExploreError;
use crate::context::Context;
use crate::matching::Selection;
use crate::vql::{Element, VqlError};

/// A test of an item's tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tags {
    /// Compared with these.
    Have(SetTest, Vec<TagId>),
    /// Has no tag at all; known to parameters only.
    Untagged,
}

impl FilterKind for Tags {
    fn read(element: &mut Element<'_>) -> Result<Self, VqlError> {
        let test = SetTest::read(element)?;
        let ids = element.uuids("value")?;
        Ok(Self::Have(
            test,
            ids.into_iter().map(TagId::from_uuid).collect(),
        ))
    }

    async fn resolve(&self, context: &Context<'_>) -> Result<Selection, ExploreError> {
        let filter = self.clone();
        context
            .scan(move |snapshot| match filter {
                Self::Have(test, ids) => {
                    let owners: Vec<_> = ids.iter().map(|id| snapshot.columns().tag(*id)).collect();
                    test.select(&owners, snapshot.everything())
                }
                Self::Untagged => snapshot.everything() - snapshot.columns().tagged(),
            })
            .await
    }
}
