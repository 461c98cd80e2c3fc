//! `issues`: quality issues by confidence.

use lamina_types::IssueType;
use roaring::RoaringBitmap;

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
    /// Whether labels have to be looked at.
    fn is_about_labels(&self) -> bool {
        matches!(
            self.issue,
            None | Some(IssueType::Mislabels | IssueType::LabelOutlier)
        )
    }

    fn passes(&self, confidence: f32) -> bool {
        let has = confidence >= self.confidence_min.unwrap_or(SHOWN_CONFIDENCE)
            && self.confidence_max.is_none_or(|max| confidence <= max);
        has == self.is_in
    }

    fn select(&self, snapshot: &DatasetSnapshot) -> RoaringBitmap {
        match self.issue {
            Some(issue) => {
                let column = snapshot.issue_column(issue);
                snapshot.those(|ordinal| {
                    let confidence = column.get(ordinal as usize).copied();
                    self.passes(confidence.unwrap_or(0.0))
                })
            }
            None => {
                let all = IssueType::ALL.iter();
                let columns: Vec<&[f32]> = all.map(|issue| snapshot.issue_column(*issue)).collect();
                let is_shown = |column: &&[f32], ordinal: u32| {
                    let confidence = column.get(ordinal as usize);
                    confidence.is_some_and(|confidence| *confidence >= SHOWN_CONFIDENCE)
                };
                snapshot.those(|ordinal| {
                    let is_normal = !columns.iter().any(|column| is_shown(column, ordinal));
                    self.passes(if is_normal { 1.0 } else { 0.0 })
                })
            }
        }
    }
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
        if self.is_about_labels() {
            context.label_issues().await?;
        }
        let filter = self.clone();
        context.scan(move |snapshot| filter.select(snapshot)).await
    }
}
