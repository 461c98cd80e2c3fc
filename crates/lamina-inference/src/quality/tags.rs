//! How well tags fit what pictures are known to show.

use std::collections::{BTreeMap, BTreeSet};

/// One picture: what it is known to show, and what was said of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaggedPicture {
    /// Tags that are true.
    pub truth: BTreeSet<String>,
    /// Tags that the model gave, surest first.
    pub said: Vec<String>,
}

/// Figures of a tagger, each share 0..=1. Only tags that are true of at least one picture count: of others nobody knows whether they
/// are.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct TagQuality {
    /// Pictures that something is true of.
    pub pictures: usize,
    /// Share of what was said that is true, over all pictures together.
    pub precision: f64,
    /// Share of what is true that was said.
    pub recall: f64,
    /// Harmonic mean of the two.
    pub f1: f64,
    /// Share of the pictures whose surest tag is true.
    pub top1: f64,
    /// F1 of always saying the most frequent tag.
    pub trivial_f1: f64,
    /// Share of the pictures that the most frequent tag is true of.
    pub trivial_top1: f64,
}

/// Compares; `None` when nothing is true of any picture.
pub fn tag_quality(pictures: &[TaggedPicture]) -> Option<TagQuality> {
    let pictures: Vec<&TaggedPicture> = pictures
        .iter()
        .filter(|picture| !picture.truth.is_empty())
        .collect();
    let mut frequency: BTreeMap<&str, usize> = BTreeMap::new();
    for tag in pictures.iter().flat_map(|picture| &picture.truth) {
        *frequency.entry(tag).or_default() += 1;
    }
    let most = frequency.values().copied().max()?;
    let total: usize = frequency.values().sum();
    let (mut said, mut right, mut first) = (0_usize, 0_usize, 0_usize);
    for picture in &pictures {
        let known = picture
            .said
            .iter()
            .filter(|tag| frequency.contains_key(tag.as_str()));
        first += usize::from(
            known
                .clone()
                .next()
                .is_some_and(|tag| picture.truth.contains(tag)),
        );
        said += known.clone().count();
        right += known.filter(|tag| picture.truth.contains(*tag)).count();
    }
    let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
    Some(TagQuality {
        pictures: pictures.len(),
        precision: share(right, said),
        recall: share(right, total),
        f1: f1(right, said, total),
        top1: share(first, pictures.len()),
        trivial_f1: f1(most, pictures.len(), total),
        trivial_top1: share(most, pictures.len()),
    })
}

/// Harmonic mean of `right / said` and `right / total`.
fn f1(right: usize, said: usize, total: usize) -> f64 {
    2.0 * right as f64 / (said + total).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(truth: &[&str], said: &[&str]) -> TaggedPicture {
        TaggedPicture {
            truth: truth.iter().map(|tag| (*tag).to_owned()).collect(),
            said: said.iter().map(|tag| (*tag).to_owned()).collect(),
        }
    }

    #[test]
    fn what_nobody_knows_does_not_count_and_the_trivial_answer_is_beside() {
        let quality = tag_quality(&[
            // "outdoors" is true of no picture, so nobody looked for it.
            picture(&["dog"], &["outdoors", "dog", "cat"]),
            picture(&["dog", "cat"], &["cat"]),
            picture(&["boat"], &["cat"]),
            picture(&[], &["dog"]),
        ])
        .unwrap();
        assert_eq!(quality.pictures, 3);
        // Said: dog, cat, cat, cat; right: the first dog and the second cat; true: four.
        assert_eq!((quality.precision, quality.recall), (0.5, 0.5));
        assert_eq!(quality.f1, 0.5);
        assert_eq!(quality.top1, 2.0 / 3.0);
        // Always "dog": three said, two right.
        assert_eq!(quality.trivial_f1, 4.0 / 7.0);
        assert_eq!(quality.trivial_top1, 2.0 / 3.0);
    }

    #[test]
    fn saying_nothing_and_knowing_nothing_are_no_trouble() {
        let quality = tag_quality(&[picture(&["dog"], &[])]).unwrap();
        assert_eq!(
            (quality.precision, quality.recall, quality.f1),
            (0.0, 0.0, 0.0)
        );
        assert_eq!(tag_quality(&[picture(&[], &["dog"])]), None);
    }
}
