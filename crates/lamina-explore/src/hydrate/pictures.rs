//! Views of pictures.

use std::collections::HashMap;

use lamina_store::sqlx::PgPool;
use lamina_store::{annotations, measures, media, tags};
use lamina_types::{DatasetId, EntityType, MediaId};

use super::{issues, ordinals, shown_tags, suggestion};
use crate::members::Member;
use crate::view::MediaView;
use crate::{DatasetSnapshot, ExploreError};

/// See [`super::views`].
pub(super) async fn views(
    pool: &PgPool,
    dataset: DatasetId,
    snapshot: &DatasetSnapshot,
    members: &[Member],
) -> Result<Vec<MediaView>, ExploreError> {
    let rows = media::by_ordinals(pool, dataset, &ordinals(members)).await?;
    let ids: Vec<MediaId> = rows.iter().map(|row| row.id).collect();
    let named: Vec<_> = ids.iter().map(|id| id.as_uuid()).collect();
    let contents: Vec<i64> = rows.iter().map(|row| row.content_id).collect();
    let (mut captions, mut labels, mut tags, measures) = tokio::try_join!(
        annotations::captions_of(pool, dataset, EntityType::Images, &named),
        annotations::labels_of(pool, dataset, &ids),
        tags::of_media(pool, dataset, &ids),
        measures::of_contents(pool, &contents),
    )?;
    let distances: HashMap<u32, Option<f32>> = members
        .iter()
        .map(|member| (member.ordinal, member.distance))
        .collect();
    let views = rows.into_iter().map(|row| {
        let labels = labels.remove(&row.id).unwrap_or_default();
        MediaView {
            entity_type: EntityType::Images,
            media_id: row.id.as_uuid(),
            image_id: row.id.as_uuid(),
            caption: captions.remove(&row.id.as_uuid()),
            bounding_box: None,
            confidence: None,
            labels: labels.into_iter().map(|label| label.name).collect(),
            user_tags: shown_tags(tags.remove(&row.id)),
            width: row.width,
            height: row.height,
            relevance_score: distances.get(&row.ordinal).copied().flatten(),
            uniqueness: uniqueness(snapshot, row.ordinal),
            issues: issues(snapshot, row.ordinal, measures.get(&row.content_id)),
            suggested_label: suggestion(snapshot, row.ordinal),
            size_bytes: row.byte_size.unsigned_abs(),
            file_name: row.file_name,
            original_uri: row.original_uri,
        }
    });
    Ok(views.collect())
}

pub(super) fn uniqueness(snapshot: &DatasetSnapshot, ordinal: u32) -> Option<f32> {
    let scores = &snapshot.generation().uniqueness;
    scores.get(ordinal as usize).copied()
}
