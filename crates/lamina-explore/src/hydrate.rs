//! From ordinals to what is shown: the one round of queries behind a page.

use std::collections::HashMap;

use lamina_index::Generation;
use lamina_store::measures::ContentMeasures;
use lamina_store::media::Media;
use lamina_store::sqlx::PgPool;
use lamina_store::{annotations, measures, media};
use lamina_types::{DatasetId, EntityType, IssueType, MediaId};

use crate::ExploreError;
use crate::members::Member;
use crate::view::MediaView;

/// Confidence from which on an issue is shown.
pub(crate) const SHOWN_CONFIDENCE: f32 = 0.5;

/// Fills the views of `members`, in their order. A member whose row is gone (a deletion under way) is left out.
///
/// # Errors
/// The database.
pub async fn views(
    pool: &PgPool,
    dataset: DatasetId,
    generation: &Generation,
    members: &[Member],
) -> Result<Vec<MediaView>, ExploreError> {
    let ordinals: Vec<u32> = members.iter().map(|member| member.ordinal).collect();
    let rows = media::by_ordinals(pool, dataset, &ordinals).await?;
    let ids: Vec<MediaId> = rows.iter().map(|row| row.id).collect();
    let contents: Vec<i64> = rows.iter().map(|row| row.content_id).collect();
    let (mut captions, mut labels, mut tags, measures) = tokio::try_join!(
        annotations::captions_of(pool, dataset, &ids),
        annotations::labels_of(pool, dataset, &ids),
        annotations::tags_of(pool, dataset, &ids),
        measures::of_contents(pool, &contents),
    )?;
    let distances: HashMap<u32, f32> = members
        .iter()
        .filter_map(|member| member.distance.map(|distance| (member.ordinal, distance)))
        .collect();
    Ok(rows
        .into_iter()
        .map(|row| MediaView {
            entity_type: EntityType::Images,
            media_id: row.id.as_uuid(),
            image_id: row.id.as_uuid(),
            caption: captions.remove(&row.id),
            bounding_box: None,
            labels: labels
                .remove(&row.id)
                .unwrap_or_default()
                .into_iter()
                .map(|label| label.name)
                .collect(),
            user_tags: tags
                .remove(&row.id)
                .unwrap_or_default()
                .into_iter()
                .map(|tag| (tag.id, tag.name))
                .collect(),
            width: row.width,
            height: row.height,
            relevance_score: distances.get(&row.ordinal).copied(),
            uniqueness: generation.uniqueness.get(row.ordinal as usize).copied(),
            issues: issues(generation, &row, measures.get(&row.content_id)),
            size_bytes: row.byte_size.unsigned_abs(),
            file_name: row.file_name,
            original_uri: row.original_uri,
        })
        .collect())
}

/// The issues of one picture: some come from its pixels, some from its neighbours.
fn issues(
    generation: &Generation,
    row: &Media,
    measures: Option<&ContentMeasures>,
) -> Vec<(IssueType, f32)> {
    let at = |column: &[f32]| column.get(row.ordinal as usize).copied().unwrap_or(0.0);
    let mut issues = vec![
        (IssueType::Outliers, at(&generation.outlier_confidence)),
        (IssueType::Duplicates, at(&generation.duplicate_confidence)),
    ];
    if let Some(measures) = measures {
        issues.push((IssueType::Blur, measures.blur_confidence));
        issues.push((IssueType::Dark, measures.dark_confidence));
        issues.push((IssueType::Bright, measures.bright_confidence));
    }
    issues.retain(|(_, confidence)| *confidence >= SHOWN_CONFIDENCE);
    issues
}
