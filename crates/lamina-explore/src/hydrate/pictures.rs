//! Views of pictures.

use lamina_store::datasets::Dataset;
use lamina_store::shown;
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
    let mut rows = shown::pictures(pool, dataset.id, &ordinals(members)).await?;
    let pictures = rows.values().map(|row| (row.ordinal, row.id));
    let mut tags = tags_of(pool, dataset, snapshot, pictures).await?;
    let view = |member: &Member| {
        let row = rows.remove(&member.ordinal)?;
        Some(MediaView {
            entity_type: EntityType::Images,
            media_id: row.id.as_uuid(),
            image_id: row.id.as_uuid(),
            caption: row.caption,
            bounding_box: None,
            confidence: None,
            labels: snapshot.labels_of(row.ordinal),
            user_tags: tags.remove(&row.id).unwrap_or_default(),
            width: row.width,
            height: row.height,
            relevance_score: member.distance,
            size_bytes: row.byte_size.unsigned_abs(),
            file_name: row.file_name,
            original_uri: row.original_uri,
        })
    };
    Ok(members.iter().filter_map(view).collect())
}
