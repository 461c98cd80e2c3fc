//! Views of objects.

use std::collections::HashMap;

use lamina_store::datasets::Dataset;
use lamina_store::sqlx::PgPool;
use lamina_store::{annotations, boxes};
use lamina_types::EntityType;

use super::{ordinals, tags_of};
use crate::members::Member;
use crate::view::MediaView;
use crate::{DatasetSnapshot, ExploreError};

/// See [`super::views`]. Captions, labels and sizes are those of the object; the name and the tags those of its picture.
pub(super) async fn views(
    pool: &PgPool,
    dataset: &Dataset,
    snapshot: &DatasetSnapshot,
    members: &[Member],
) -> Result<Vec<MediaView>, ExploreError> {
    let rows = boxes::by_ordinals(pool, dataset.id, &ordinals(members)).await?;
    let named: Vec<_> = rows.iter().map(|row| row.id.as_uuid()).collect();
    let pictures = rows.iter().map(|row| (row.media.ordinal, row.media.id));
    let captions = async {
        let found = annotations::captions_of(pool, dataset.id, EntityType::Objects, &named);
        Ok::<_, ExploreError>(found.await?)
    };
    let (mut captions, tags) =
        tokio::try_join!(captions, tags_of(pool, dataset, snapshot, pictures))?;
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
            user_tags: tags.get(&row.media.id).cloned().unwrap_or_default(),
            width,
            height,
            relevance_score: distances.get(&row.ordinal).copied().flatten(),
            // A crop is part of a file, and none itself.
            size_bytes: 0,
            file_name: row.media.file_name,
            original_uri: row.media.original_uri,
        }
    });
    Ok(views.collect())
}
