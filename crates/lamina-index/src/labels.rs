//! Where given labels disagree with what the vectors show.

use std::collections::HashMap;

use crate::scores::robust_spread;
use crate::{Generation, IndexError};

/// The given label counts as much as this many agreeing neighbours: somebody looked at the picture.
const GIVEN_LABEL_VOTES: f32 = 2.0;

/// Classes with fewer members have no typical look.
const LEAST_CLASS: usize = 8;

/// Robust standard deviations from its class at which an item is unlike it.
const CLASS_DEVIATIONS: f32 = 3.0;

/// What the labels of a dataset look like from its vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelIssues {
    /// For every labelled item that has neighbours of another label: how sure it is that its own label is wrong (0 to 1, 0.5
    /// where the other label has as many votes), and the label its neighbours suggest. `None` for the others.
    pub mislabels: Vec<Option<(f32, u32)>>,
    /// How unlike its own class an item looks, 0 to 1, from 0.5 worth a look; 0 for items without a label.
    pub label_outlier: Vec<f32>,
}

/// Compares each item's label with those of its neighbours and with the typical look of its class. `labels` has one entry per
/// ordinal.
///
/// Neighbours vote with weight `1 - distance` (at least 0); confidence is `(1 + other - own) / 2` of the shares of the
/// strongest other label and the given one. An item is unlike its class by its distance from the mean of the other members,
/// measured in robust standard deviations of the class (three are 0.5).
///
/// # Errors
/// As many labels as items are needed.
pub fn label_issues(
    generation: &Generation,
    labels: &[Option<u32>],
) -> Result<LabelIssues, IndexError> {
    let count = generation.vectors.len();
    if labels.len() != count {
        return Err(IndexError::LabelCount {
            expected: count,
            found: labels.len(),
        });
    }
    let mislabels = (0..count as u32)
        .map(|item| disagreement(generation, labels, item))
        .collect();
    Ok(LabelIssues {
        mislabels,
        label_outlier: class_outliers(generation, labels),
    })
}

fn disagreement(generation: &Generation, labels: &[Option<u32>], item: u32) -> Option<(f32, u32)> {
    let own_label = labels[item as usize]?;
    let mut own = GIVEN_LABEL_VOTES;
    let mut others: HashMap<u32, f32> = HashMap::new();
    for hit in generation.neighbours.of(item) {
        let vote = (1.0 - hit.distance).max(0.0);
        match labels[hit.ordinal as usize] {
            Some(label) if label == own_label => own += vote,
            Some(label) => *others.entry(label).or_default() += vote,
            None => {}
        }
    }
    let total: f32 = own + others.values().sum::<f32>();
    // Equal votes go to the lower label, so that the answer does not depend on the order of a hash table.
    let (suggested, votes) = others
        .into_iter()
        .max_by(|x, y| x.1.total_cmp(&y.1).then(y.0.cmp(&x.0)))?;
    Some((
        ((1.0 + (votes - own) / total) / 2.0).clamp(0.0, 1.0),
        suggested,
    ))
}

fn class_outliers(generation: &Generation, labels: &[Option<u32>]) -> Vec<f32> {
    let mut confidence = vec![0.0; labels.len()];
    let mut classes: HashMap<u32, Vec<usize>> = HashMap::new();
    for (item, label) in labels.iter().enumerate() {
        if let Some(label) = label {
            classes.entry(*label).or_default().push(item);
        }
    }
    for members in classes
        .into_values()
        .filter(|members| members.len() >= LEAST_CLASS)
    {
        let distances = distances_from_others(generation, &members);
        let (centre, deviation) = robust_spread(&distances);
        for (member, distance) in members.into_iter().zip(distances) {
            let apart = (distance - centre) / (CLASS_DEVIATIONS * deviation);
            confidence[member] = 1.0 - (-apart.max(0.0)).exp2();
        }
    }
    confidence
}

/// Mean distance of each member to all other members of its class.
fn distances_from_others(generation: &Generation, members: &[usize]) -> Vec<f32> {
    let mut sum = vec![0.0f64; generation.vectors.dimension()];
    for member in members {
        for (sum, value) in sum.iter_mut().zip(generation.vectors.unit_row(*member)) {
            *sum += f64::from(value);
        }
    }
    let others = members.len() as f64 - 1.0;
    members
        .iter()
        .map(|member| {
            let row = generation.vectors.unit_row(*member);
            let with_self: f64 = sum
                .iter()
                .zip(row)
                .map(|(sum, value)| sum * f64::from(value))
                .sum();
            (1.0 - (with_self - 1.0) / others) as f32
        })
        .collect()
}
