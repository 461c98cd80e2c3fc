//! One item by itself.

use lamina_store::datasets::Dataset;
use lamina_store::measures::{self, ContentMeasures};
use lamina_store::sqlx::PgPool;
use lamina_types::IssueType;

use super::views;
use crate::members::Member;
use crate::view::ItemView;
use crate::{DatasetSnapshot, ExploreError};

/// Confidence from which on an issue is shown.
pub(crate) const SHOWN_CONFIDENCE: f32 = 0.5;

/// An item with its issues; `None` when its row is gone (a deletion under way).
///
/// # Errors
/// The database.
pub(crate) async fn item(
    pool: &PgPool,
    dataset: &Dataset,
    snapshot: &DatasetSnapshot,
    ordinal: u32,
) -> Result<Option<ItemView>, ExploreError> {
    let member = [Member {
        ordinal,
        distance: None,
    }];
    let Some(media) = views(pool, dataset, snapshot, &member).await?.pop() else {
        return Ok(None);
    };
    let measures = measures::of_item(pool, dataset.id, snapshot.entity_type(), ordinal).await?;
    let scores = &snapshot.generation().uniqueness;
    Ok(Some(ItemView {
        media,
        uniqueness: scores.get(ordinal as usize).copied(),
        issues: issues(snapshot, ordinal, measures.as_ref()),
        suggested_label: suggestion(snapshot, ordinal),
    }))
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
