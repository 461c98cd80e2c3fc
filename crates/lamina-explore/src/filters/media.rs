//! `media`: pictures by their id, and with `entity_type=OBJECTS` the objects on them. Beyond the contract.

use lamina_store::media;
use lamina_types::MediaId;
use roaring::RoaringBitmap;

use super::FilterKind;
use crate::ExploreError;
use crate::context::Context;
use crate::matching::Selection;
use crate::vql::{Element, VqlError};

/// A test of which picture an item is, or is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// Whether these pass, or all others.
    is_in: bool,
    /// Ids of the dataset; others name nothing.
    ids: Vec<MediaId>,
}

impl FilterKind for Media {
    fn read(element: &mut Element<'_>) -> Result<Self, VqlError> {
        let is_in = element.word("op", &[("one_of", true), ("not_one_of", false)])?;
        let ids = element.uuids("value")?;
        Ok(Self {
            is_in,
            ids: ids.into_iter().map(MediaId::from_uuid).collect(),
        })
    }

    async fn resolve(&self, context: &Context<'_>) -> Result<Selection, ExploreError> {
        let found = media::ordinals_of(context.pool(), context.dataset_id(), &self.ids).await?;
        let pictures: RoaringBitmap = found.into_values().collect();
        let is_in = self.is_in;
        context
            .scan(move |snapshot| {
                let found = snapshot.items_on(&pictures);
                if is_in {
                    found
                } else {
                    snapshot.everything() - found
                }
            })
            .await
    }
}
