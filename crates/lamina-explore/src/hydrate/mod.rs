//! From ordinals to what is shown. A page asks Postgres for what only Postgres has: labels, who has a tag at all, and soon
//! after the first page the pictures themselves are at hand.

mod item;
mod objects;
mod pictures;

use std::collections::HashMap;

use lamina_store::datasets::Dataset;
use lamina_store::sqlx::PgPool;
use lamina_store::tags;
use lamina_types::{EntityType, MediaId, TagId};

pub(crate) use item::{SHOWN_CONFIDENCE, item};

use crate::members::Member;
use crate::view::MediaView;
use crate::{DatasetSnapshot, ExploreError};

/// Fills the views of `members`, in their order. A member whose row is gone (a deletion under way) is left out.
///
/// # Errors
/// The database.
pub(crate) async fn views(
    pool: &PgPool,
    dataset: &Dataset,
    snapshot: &DatasetSnapshot,
    members: &[Member],
) -> Result<Vec<MediaView>, ExploreError> {
    match snapshot.entity_type() {
        EntityType::Images => pictures::views(pool, dataset, snapshot, members).await,
        EntityType::Objects => objects::views(pool, dataset, snapshot, members).await,
    }
}

fn ordinals(members: &[Member]) -> Vec<u32> {
    members.iter().map(|member| member.ordinal).collect()
}

/// The tags of those of these pictures that have any, by name.
async fn tags_of(
    pool: &PgPool,
    dataset: &Dataset,
    snapshot: &DatasetSnapshot,
    pictures: impl Iterator<Item = (u32, MediaId)>,
) -> Result<HashMap<MediaId, Vec<(TagId, String)>>, ExploreError> {
    let column = snapshot.tags.at(pool, dataset.id, dataset.tags_revision);
    let column = column.await?;
    let tagged: Vec<MediaId> = pictures
        .filter(|(ordinal, _)| column.tagged().contains(*ordinal))
        .map(|(_, id)| id)
        .collect();
    if tagged.is_empty() {
        return Ok(HashMap::new());
    }
    let found = tags::of_media(pool, dataset.id, &tagged).await?;
    let named = |tags: Vec<tags::Tag>| tags.into_iter().map(|tag| (tag.id, tag.name)).collect();
    Ok(found
        .into_iter()
        .map(|(media, tags)| (media, named(tags)))
        .collect())
}
