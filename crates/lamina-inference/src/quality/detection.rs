//! Average precision of detections, as COCO computes it.
//!
//! Source: the description of the COCO detection challenge and the behaviour of `pycocotools.cocoeval` for `iouType="bbox"`, area "all",
//! 100 detections a picture; checked against its numbers in the tests of this crate.

use std::collections::BTreeMap;

use lamina_types::BoundingBox;

/// Most detections of a picture that count, for each class.
const MAX_DETECTIONS: usize = 100;
/// Points of recall at which precision is read: 0, 0.01, ... 1.
const RECALL_POINTS: usize = 101;
/// Overlaps at which a detection counts as right: 0.5, 0.55, ... 0.95.
const OVERLAPS: usize = 10;

/// An object that is really there.
#[derive(Debug, Clone, PartialEq)]
pub struct TrueObject {
    /// Its class.
    pub label: String,
    /// Where.
    pub region: BoundingBox,
    /// A crowd: any number of detections inside it count neither as right nor as wrong.
    pub is_crowd: bool,
}

/// An object that a detector reports.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundObject {
    /// Its class.
    pub label: String,
    /// Where.
    pub region: BoundingBox,
    /// Higher is surer.
    pub confidence: f32,
}

/// One picture: what is there and what was found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LabelledPicture {
    /// What is there.
    pub truth: Vec<TrueObject>,
    /// What was found; the order matters only between equal confidences.
    pub found: Vec<FoundObject>,
}

/// Figures of a detector, each 0..=1.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct DetectionQuality {
    /// Mean over overlaps 0.5 to 0.95 and over the classes.
    pub ap: f64,
    /// At overlap 0.5.
    pub ap50: f64,
    /// At overlap 0.75.
    pub ap75: f64,
    /// Mean over overlaps and classes of the share of objects that were found at all.
    pub recall: f64,
    /// AP (mean over overlaps) of each class that is really there, by name.
    pub classes: BTreeMap<String, f64>,
}

/// The figures for these pictures; `None` when no object is really there. Classes that are nowhere really there do not count, however
/// often they are found.
pub fn detection_quality(pictures: &[LabelledPicture]) -> Option<DetectionQuality> {
    let real = |object: &&TrueObject| !object.is_crowd;
    let truths = pictures.iter().flat_map(|picture| &picture.truth);
    let mut classes = BTreeMap::new();
    let mut sums = [[0.0; 2]; OVERLAPS];
    for object in truths.filter(real) {
        if classes.contains_key(&object.label) {
            continue;
        }
        let curves = class_curves(pictures, &object.label);
        for (sum, (precision, recall)) in sums.iter_mut().zip(&curves) {
            sum[0] += precision;
            sum[1] += recall;
        }
        let mean = curves.iter().map(|curve| curve.0).sum::<f64>() / OVERLAPS as f64;
        classes.insert(object.label.clone(), mean);
    }
    if classes.is_empty() {
        return None;
    }
    let count = classes.len() as f64;
    let mean =
        |part: usize| sums.iter().map(|sum| sum[part]).sum::<f64>() / (count * OVERLAPS as f64);
    Some(DetectionQuality {
        ap: mean(0),
        ap50: sums[0][0] / count,
        ap75: sums[OVERLAPS / 2][0] / count,
        recall: mean(1),
        classes,
    })
}

/// Average precision and greatest recall of one class at each overlap.
fn class_curves(pictures: &[LabelledPicture], label: &str) -> [(f64, f64); OVERLAPS] {
    let mut total = 0_usize;
    let mut judged: [Vec<(f32, bool)>; OVERLAPS] = std::array::from_fn(|_| Vec::new());
    for picture in pictures {
        let matching = PictureMatch::new(picture, label);
        total += matching
            .truth
            .iter()
            .filter(|truth| !truth.is_crowd)
            .count();
        for (step, judged) in judged.iter_mut().enumerate() {
            judged.extend(matching.judge(0.5 + 0.05 * step as f64));
        }
    }
    judged.map(|judged| average_precision(judged, total))
}

/// The objects of one class in one picture.
struct PictureMatch<'a> {
    /// Crowds last.
    truth: Vec<&'a TrueObject>,
    /// Surest first.
    found: Vec<&'a FoundObject>,
    /// Of each found object with each true one.
    overlaps: Vec<Vec<f64>>,
}

impl<'a> PictureMatch<'a> {
    fn new(picture: &'a LabelledPicture, label: &str) -> Self {
        let mut truth: Vec<_> = picture
            .truth
            .iter()
            .filter(|object| object.label == label)
            .collect();
        truth.sort_by_key(|object| object.is_crowd);
        let mut found: Vec<_> = picture
            .found
            .iter()
            .filter(|object| object.label == label)
            .collect();
        found.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        found.truncate(MAX_DETECTIONS);
        let row = |found: &&FoundObject| {
            truth
                .iter()
                .map(|truth| overlap(&found.region, truth))
                .collect()
        };
        let overlaps = found.iter().map(row).collect();
        Self {
            truth,
            found,
            overlaps,
        }
    }

    /// Confidence and rightness of every detection that counts. Each true object is found once, by the surest detection that prefers it;
    /// real objects are preferred to crowds.
    fn judge(&self, least: f64) -> Vec<(f32, bool)> {
        let mut is_taken = vec![false; self.truth.len()];
        let mut judged = Vec::new();
        for (found, overlaps) in self.found.iter().zip(&self.overlaps) {
            let mut best: Option<usize> = None;
            let mut reached = least.min(1.0 - 1e-10);
            for (index, (truth, overlap)) in self.truth.iter().zip(overlaps).enumerate() {
                if is_taken[index] && !truth.is_crowd {
                    continue;
                }
                if truth.is_crowd && best.is_some_and(|best| !self.truth[best].is_crowd) {
                    break;
                }
                if *overlap >= reached {
                    reached = *overlap;
                    best = Some(index);
                }
            }
            match best {
                Some(index) if self.truth[index].is_crowd => {}
                Some(index) => {
                    is_taken[index] = true;
                    judged.push((found.confidence, true));
                }
                None => judged.push((found.confidence, false)),
            }
        }
        judged
    }
}

/// Area of the intersection over that of the union; with a crowd, over that of the detection.
fn overlap(found: &BoundingBox, truth: &TrueObject) -> f64 {
    let side = |a: f64, a_length: f64, b: f64, b_length: f64| {
        ((a + a_length).min(b + b_length) - a.max(b)).max(0.0)
    };
    let real = &truth.region;
    let common = side(found.x, found.width, real.x, real.width)
        * side(found.y, found.height, real.y, real.height);
    let area = found.width * found.height;
    let union = if truth.is_crowd {
        area
    } else {
        area + real.width * real.height - common
    };
    common / union
}

/// Mean of the precision at all points of recall, and the greatest recall.
fn average_precision(mut judged: Vec<(f32, bool)>, total: usize) -> (f64, f64) {
    judged.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut right = 0.0;
    let mut curve: Vec<(f64, f64)> = Vec::with_capacity(judged.len());
    for (rank, (_, is_right)) in judged.iter().enumerate() {
        right += f64::from(u8::from(*is_right));
        curve.push((right / total as f64, right / (rank + 1) as f64));
    }
    // Precision never falls when less is asked for.
    let mut best = 0.0_f64;
    for (_, precision) in curve.iter_mut().rev() {
        best = best.max(*precision);
        *precision = best;
    }
    let points = (0..RECALL_POINTS).map(|point| point as f64 * 0.01);
    let at = |recall: f64| {
        let first = curve.partition_point(|(reached, _)| *reached < recall);
        curve.get(first).map_or(0.0, |(_, precision)| *precision)
    };
    let mean = points.map(at).sum::<f64>() / RECALL_POINTS as f64;
    (mean, right / total as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(x: f64, y: f64, width: f64, height: f64) -> BoundingBox {
        BoundingBox::from_fractions(x, y, width, height).unwrap()
    }

    fn truth(label: &str, region: BoundingBox) -> TrueObject {
        TrueObject {
            label: label.to_owned(),
            region,
            is_crowd: false,
        }
    }

    fn found(label: &str, region: BoundingBox, confidence: f32) -> FoundObject {
        FoundObject {
            label: label.to_owned(),
            region,
            confidence,
        }
    }

    #[test]
    fn perfect_answers_have_all_precision_and_missing_ones_none() {
        let here = region(0.1, 0.1, 0.3, 0.3);
        let there = region(0.6, 0.6, 0.3, 0.3);
        let picture = LabelledPicture {
            truth: vec![truth("dog", here), truth("cat", there)],
            found: vec![found("dog", here, 0.9), found("bird", there, 0.8)],
        };
        let quality = detection_quality(std::slice::from_ref(&picture)).unwrap();
        assert_eq!(quality.classes["dog"], 1.0);
        assert_eq!(quality.classes["cat"], 0.0);
        assert_eq!((quality.ap, quality.ap50, quality.recall), (0.5, 0.5, 0.5));
        assert_eq!(detection_quality(&[LabelledPicture::default()]), None);
    }

    #[test]
    fn a_second_detection_of_one_object_is_wrong() {
        let here = region(0.1, 0.1, 0.3, 0.3);
        let there = region(0.6, 0.6, 0.3, 0.3);
        let picture = LabelledPicture {
            truth: vec![truth("dog", here), truth("dog", there)],
            found: vec![
                found("dog", here, 0.9),
                found("dog", here, 0.8),
                found("dog", there, 0.7),
            ],
        };
        let quality = detection_quality(&[picture]).unwrap();
        // Precision 1 up to half the objects (51 of 101 points), 2/3 after.
        let expected = (51.0 + 50.0 * 2.0 / 3.0) / 101.0;
        assert!((quality.ap - expected).abs() < 1e-12, "{}", quality.ap);
        assert_eq!(quality.recall, 1.0);
    }

    #[test]
    fn detections_inside_a_crowd_do_not_count() {
        let here = region(0.1, 0.1, 0.3, 0.3);
        let crowd = TrueObject {
            is_crowd: true,
            ..truth("dog", region(0.5, 0.5, 0.5, 0.5))
        };
        let picture = LabelledPicture {
            truth: vec![crowd, truth("dog", here)],
            found: vec![
                found("dog", region(0.6, 0.6, 0.1, 0.1), 0.9),
                found("dog", region(0.7, 0.7, 0.1, 0.1), 0.8),
                found("dog", here, 0.7),
            ],
        };
        let quality = detection_quality(&[picture]).unwrap();
        assert_eq!(quality.ap, 1.0);
    }
}
