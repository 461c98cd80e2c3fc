//! From ordinals to what is shown: the one round of queries behind a page.

mod objects;
mod pictures;

use lamina_store::measures::ContentMeasures;
use lamina_store::sqlx::PgPool;
use lamina_types::{DatasetId, EntityType, IssueType, TagId};

use crate::members::Member;
use crate::view::MediaView;
use crate::{DatasetSnapshot, ExploreError};

/// Confidence from which on an issue is shown.
pub(crate) const SHOWN_CONFIDENCE: f32 = 0.5;

/// Fills the views of `members`, in their order. A member whose row is gone (a deletion under way) is left out.
///
/// # Errors
/// The database.
pub(crate) async fn views(
    pool: &PgPool,
    dataset: DatasetId,
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

/// The issues of one item: some come from its pixels, some from its neighbours. Pixels are asked for by themselves, because
/// an item may have been measured after the snapshot was made.
fn issues(
    snapshot: &DatasetSnapshot,
    ordinal: u32,
    measures: Option<&ContentMeasures>,
) -> Vec<(IssueType, f32)> {
    let derived = [
        IssueType::Mislabels,
        IssueType::Outliers,
        IssueType::Duplicates,
        IssueType::LabelOutlier,
    ];
    let mut issues: Vec<(IssueType, f32)> = derived
        .into_iter()
        .map(|issue| (issue, snapshot.issue_confidence(issue, ordinal)))
        .collect();
    if let Some(measures) = measures {
        issues.push((IssueType::Blur, measures.blur_confidence));
        issues.push((IssueType::Dark, measures.dark_confidence));
        issues.push((IssueType::Bright, measures.bright_confidence));
    }
    issues.retain(|(_, confidence)| *confidence >= SHOWN_CONFIDENCE);
    issues
}

/// The label to put instead of a wrong one.
fn suggestion(snapshot: &DatasetSnapshot, ordinal: u32) -> Option<String> {
    let is_shown = snapshot.issue_confidence(IssueType::Mislabels, ordinal) >= SHOWN_CONFIDENCE;
    let suggested = snapshot.suggested_label(ordinal).filter(|_| is_shown);
    suggested.map(str::to_owned)
}

fn shown_tags(tags: Option<Vec<lamina_store::tags::Tag>>) -> Vec<(TagId, String)> {
    let tags = tags.unwrap_or_default();
    tags.into_iter().map(|tag| (tag.id, tag.name)).collect()
}
