//! Views of objects.

use std::collections::HashMap;

use lamina_store::sqlx::PgPool;
use lamina_store::{annotations, boxes, measures, tags};
use lamina_types::{DatasetId, EntityType, MediaId};

use super::pictures::uniqueness;
use super::{issues, ordinals, shown_tags, suggestion};
use crate::members::Member;
use crate::view::MediaView;
use crate::{DatasetSnapshot, ExploreError};

/// See [`super::views`]. Captions, labels, measures and sizes are those of the object; the name and the tags those of its
/// picture.
pub(super) async fn views(
    pool: &PgPool,
    dataset: DatasetId,
    snapshot: &DatasetSnapshot,
    members: &[Member],
) -> Result<Vec<MediaView>, ExploreError> {
    let rows = boxes::by_ordinals(pool, dataset, &ordinals(members)).await?;
    let named: Vec<_> = rows.iter().map(|row| row.id.as_uuid()).collect();
    let pictures: Vec<MediaId> = rows.iter().map(|row| row.media.id).collect();
    let regions: Vec<i64> = rows.iter().map(|row| row.region_id).collect();
    let (mut captions, tags, measures) = tokio::try_join!(
        annotations::captions_of(pool, dataset, EntityType::Objects, &named),
        tags::of_media(pool, dataset, &pictures),
        measures::of_regions(pool, &regions),
    )?;
    let distances: HashMap<u32, Option<f32>> = members
        .iter()
        .map(|member| (member.ordinal, member.distance))
        .collect();
    let views = rows.into_iter().map(|row| {
        let [_, _, width, height] = row.region.to_pixels(row.media.width, row.media.height);
        MediaView {
            entity_type: EntityType::Objects,
            media_id: row.id.as_uuid(),
            image_id: row.media.id.as_uuid(),
            caption: captions.remove(&row.id.as_uuid()),
            bounding_box: Some(row.region),
            confidence: row.confidence,
            labels: vec![row.label],
            user_tags: shown_tags(tags.get(&row.media.id).cloned()),
            width,
            height,
            relevance_score: distances.get(&row.ordinal).copied().flatten(),
            uniqueness: uniqueness(snapshot, row.ordinal),
            issues: issues(snapshot, row.ordinal, measures.get(&row.region_id)),
            suggested_label: suggestion(snapshot, row.ordinal),
            // A crop is part of a file, and none itself.
            size_bytes: 0,
            file_name: row.media.file_name,
            original_uri: row.media.original_uri,
        }
    });
    Ok(views.collect())
}
