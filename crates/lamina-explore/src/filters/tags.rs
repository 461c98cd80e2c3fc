//! `tags`: tags by their id. Objects have the tags of their picture.

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
        let (filter, tags) = (self.clone(), context.tags().await?);
        context
            .scan(move |snapshot| match filter {
                Self::Have(test, ids) => {
                    let owners: Vec<_> = ids
                        .iter()
                        .map(|id| tags.owners(*id).map(|owners| snapshot.items_on(owners)))
                        .collect();
                    let owners: Vec<_> = owners.iter().map(Option::as_ref).collect();
                    test.select(&owners, snapshot.everything())
                }
                Self::Untagged => snapshot.everything() - snapshot.items_on(tags.tagged()),
            })
            .await
    }
}
