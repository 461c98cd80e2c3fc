//! Views of pictures.

use std::collections::HashMap;
use std::sync::Arc;

use lamina_store::datasets::Dataset;
use lamina_store::shown::{self, ShownPicture};
use lamina_store::sqlx::PgPool;
use lamina_types::EntityType;

use super::{ordinals, tags_of};
use crate::members::Member;
use crate::view::MediaView;
use crate::{DatasetSnapshot, ExploreError};

/// See [`super::views`].
pub(super) async fn views(
    pool: &PgPool,
    dataset: &Dataset,
    snapshot: &DatasetSnapshot,
    members: &[Member],
) -> Result<Vec<MediaView>, ExploreError> {
    let mut rows = rows(pool, dataset, snapshot, ordinals(members)).await?;
    let pictures = rows.iter().map(|(ordinal, row)| (*ordinal, row.file.id));
    let mut tags = tags_of(pool, dataset, snapshot, pictures).await?;
    let view = |member: &Member| {
        let ShownPicture { file, caption } = rows.remove(&member.ordinal)?;
        Some(MediaView {
            entity_type: EntityType::Images,
            media_id: file.id.as_uuid(),
            image_id: file.id.as_uuid(),
            caption,
            bounding_box: None,
            confidence: None,
            labels: snapshot.labels_of(file.ordinal),
            user_tags: tags.remove(&file.id).unwrap_or_default(),
            width: file.width,
            height: file.height,
            relevance_score: member.distance,
            size_bytes: file.byte_size,
            file_name: file.file_name,
            original_uri: file.original_uri,
        })
    };
    Ok(members.iter().filter_map(view).collect())
}

/// What pages show of these pictures, from what is at hand or from Postgres.
async fn rows(
    pool: &PgPool,
    dataset: &Dataset,
    snapshot: &DatasetSnapshot,
    ordinals: Vec<u32>,
) -> Result<HashMap<u32, ShownPicture>, ExploreError> {
    let shown = Arc::clone(&snapshot.shown);
    let look = move || (shown.pictures(&ordinals), ordinals);
    let (at_hand, ordinals) = tokio::task::spawn_blocking(look).await?;
    match at_hand {
        Some(rows) => Ok(rows),
        None => Ok(shown::pictures(pool, dataset.id, &ordinals).await?),
    }
}
