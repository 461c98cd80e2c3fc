//! `issues`: quality issues by confidence.

use lamina_types::IssueType;

use super::FilterKind;
use crate::ExploreError;
use crate::context::Context;
use crate::hydrate::SHOWN_CONFIDENCE;
use crate::matching::Selection;
use crate::snapshot::DatasetSnapshot;
use crate::vql::{Element, VqlError};

/// A test of an item's issues.
#[derive(Debug, Clone, PartialEq)]
pub struct Issues {
    /// Which issue; `None` is `normal`: no issue at all.
    issue: Option<IssueType>,
    /// Whether items with the issue pass, or those without.
    is_in: bool,
    /// Lowest confidence; without one an issue counts from where it is shown.
    confidence_min: Option<f32>,
    /// Highest confidence.
    confidence_max: Option<f32>,
}

impl Issues {
    fn confidence(&self, snapshot: &DatasetSnapshot, ordinal: u32) -> f32 {
        match self.issue {
            Some(issue) => snapshot.issue_confidence(issue, ordinal),
            None if is_normal(snapshot, ordinal) => 1.0,
            None => 0.0,
        }
    }

    fn passes(&self, snapshot: &DatasetSnapshot, ordinal: u32) -> bool {
        let confidence = self.confidence(snapshot, ordinal);
        let has = confidence >= self.confidence_min.unwrap_or(SHOWN_CONFIDENCE)
            && self.confidence_max.is_none_or(|max| confidence <= max);
        has == self.is_in
    }
}

fn is_normal(snapshot: &DatasetSnapshot, ordinal: u32) -> bool {
    IssueType::ALL
        .iter()
        .all(|issue| snapshot.issue_confidence(*issue, ordinal) < SHOWN_CONFIDENCE)
}

impl FilterKind for Issues {
    fn read(element: &mut Element<'_>) -> Result<Self, VqlError> {
        element.word("op", &[("issue", ())])?;
        let mut names: Vec<(&str, Option<IssueType>)> = IssueType::ALL
            .iter()
            .map(|issue| (issue.as_str(), Some(*issue)))
            .collect();
        names.push(("normal", None));
        Ok(Self {
            issue: element.word("value", &names)?,
            is_in: element
                .optional_word("mode", &[("in", true), ("out", false)])?
                .unwrap_or(true),
            confidence_min: element.optional_number("confidence_min", 0.0..=1.0)?,
            confidence_max: element.optional_number("confidence_max", 0.0..=1.0)?,
        })
    }

    async fn resolve(&self, context: &Context<'_>) -> Result<Selection, ExploreError> {
        let filter = self.clone();
        context
            .scan(move |snapshot| snapshot.those(|ordinal| filter.passes(snapshot, ordinal)))
            .await
    }
}
