//! From the scores of all tags to those that are reported.

use std::cmp::Ordering;
use std::sync::Arc;

use lamina_types::EmbeddingError;

use super::TagScore;
use crate::error::InferenceError;
use crate::labels::Labels;
use crate::manifest::{FileRole, TaggerSpec};
use crate::package::{ModelPackage, PackageError};

/// Why the tags of one picture are of no use; those of others may be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TagFault {
    /// A score that is no number.
    #[error("the score of tag {0} is not a number")]
    Score(usize),
    /// The picture has no usable vector to compare with those of the tags.
    #[error("the picture has no usable vector")]
    Vector(#[from] EmbeddingError),
}

/// Names, thresholds and the number of tags that are reported at most.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    labels: Labels,
    thresholds: Arc<[f32]>,
    max_tags: usize,
}

impl Choice {
    /// Reads the labels of a package, and its thresholds file where it has one.
    pub(super) fn read(package: &ModelPackage, spec: &TaggerSpec) -> Result<Self, InferenceError> {
        let labels = Labels::read(package)?;
        let thresholds = match package.manifest().file(FileRole::Thresholds) {
            Some(file) => {
                let path = package.dir().join(&file.path);
                let text = String::from_utf8(package.read(file)?)
                    .map_err(|error| PackageError::NotText(path.clone(), error.utf8_error()))?;
                parse(&text, labels.len())
                    .map_err(|source| PackageError::Thresholds { path, source })?
            }
            None => vec![spec.score_threshold.unwrap_or_default(); labels.len()],
        };
        Ok(Self {
            labels,
            thresholds: thresholds.into(),
            max_tags: spec.max_tags,
        })
    }

    pub(super) const fn labels(&self) -> &Labels {
        &self.labels
    }

    /// The tags that reach their thresholds, best first, as many as allowed; of equal ones the earlier in the labels file first.
    pub(super) fn choose(
        &self,
        scores: impl Iterator<Item = (usize, f32)>,
    ) -> Result<Vec<TagScore>, TagFault> {
        let mut found = Vec::new();
        for (tag, score) in scores {
            if score.is_nan() {
                return Err(TagFault::Score(tag));
            }
            let is_enough = self
                .thresholds
                .get(tag)
                .is_some_and(|least| score >= *least);
            if let Some(name) = self.labels.name(tag).filter(|_| is_enough) {
                found.push(TagScore {
                    name: Arc::clone(name),
                    confidence: score.clamp(0.0, 1.0),
                });
            }
        }
        found.sort_by(|a, b| {
            b.confidence
                .partial_cmp(&a.confidence)
                .unwrap_or(Ordering::Equal)
        });
        found.truncate(self.max_tags);
        Ok(found)
    }
}

/// What is wrong with a thresholds file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ThresholdsError {
    /// Another number of lines than of labels.
    #[error("{lines} thresholds for {labels} labels")]
    Count {
        /// Lines of the thresholds file.
        lines: usize,
        /// Lines of the labels file.
        labels: usize,
    },
    /// A line that is no number from 0 to 1, from 1.
    #[error("line {0} is no number from 0 to 1")]
    Line(usize),
}

fn parse(text: &str, labels: usize) -> Result<Vec<f32>, ThresholdsError> {
    let number = |(index, line): (usize, &str)| {
        let number = line.trim().parse::<f32>().ok();
        number
            .filter(|number| (0.0..=1.0).contains(number))
            .ok_or(ThresholdsError::Line(index + 1))
    };
    let thresholds = text
        .lines()
        .enumerate()
        .map(number)
        .collect::<Result<Vec<_>, _>>()?;
    if thresholds.len() == labels {
        Ok(thresholds)
    } else {
        Err(ThresholdsError::Count {
            lines: thresholds.len(),
            labels,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(max_tags: usize) -> Choice {
        Choice {
            labels: Labels::parse("dog\n\ncat\nboat\n"),
            thresholds: [0.5, 0.0, 0.2, 0.2].into(),
            max_tags,
        }
    }

    fn chosen(max_tags: usize, scores: &[f32]) -> Result<Vec<(String, f32)>, TagFault> {
        let tags = choice(max_tags).choose(scores.iter().copied().enumerate())?;
        let plain = |tag: TagScore| (tag.name.to_string(), tag.confidence);
        Ok(tags.into_iter().map(plain).collect())
    }

    #[test]
    fn tags_that_reach_their_own_threshold_are_reported_best_first() {
        let found = chosen(9, &[0.49, 1.0, 0.3, 0.4]).unwrap();
        assert_eq!(found, [("boat".to_owned(), 0.4), ("cat".to_owned(), 0.3)]);
        let equal = chosen(2, &[0.5, 0.0, 0.5, 0.5]).unwrap();
        assert_eq!(equal, [("dog".to_owned(), 0.5), ("cat".to_owned(), 0.5)]);
        assert_eq!(
            chosen(9, &[0.9, 0.0, f32::NAN, 0.0]),
            Err(TagFault::Score(2))
        );
    }

    #[test]
    fn thresholds_belong_to_labels() {
        assert_eq!(parse("0.5\n 1 \n0\n", 3), Ok(vec![0.5, 1.0, 0.0]));
        assert_eq!(
            parse("0.5\n", 2),
            Err(ThresholdsError::Count {
                lines: 1,
                labels: 2
            })
        );
        for text in ["0.5\n1.5\n", "0.5\nhalf\n", "0.5\nNaN\n"] {
            assert_eq!(parse(text, 2), Err(ThresholdsError::Line(2)), "{text}");
        }
    }
}
