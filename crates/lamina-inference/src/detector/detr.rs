//! Decoders that give each query a score for every class, and a box: D-FINE, RT-DETR, DEIM, RF-DETR.
//!
//! Source: `post_process_object_detection` of `RTDetrImageProcessor` in transformers, and `PostProcess` of RF-DETR: a sigmoid over all
//! queries times classes, the highest of them, their boxes. No suppression: one object has one query.

use ort::session::SessionOutputs;

use super::candidates::{Candidate, best, corners};
use super::outputs::{Block, DetectionFault, announced, block};
use super::{Decoded, Decoder, Request};
use crate::graph::Graph;
use crate::labels::Labels;
use crate::session::SessionError;

/// Outputs of the hub's exports.
pub(super) const HUB: Names = Names {
    scores: "logits",
    boxes: "pred_boxes",
};
/// Outputs of RF-DETR's own export, whose classes are the sparse ids of COCO.
pub(super) const RF_DETR: Names = Names {
    scores: "labels",
    boxes: "dets",
};

/// What a graph calls its outputs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names {
    scores: &'static str,
    boxes: &'static str,
}

/// Reads scores and boxes of queries.
pub(super) struct Queries {
    names: Names,
    labels: Labels,
    max_detections: usize,
}

impl Queries {
    pub(super) fn new(
        graph: &Graph,
        names: Names,
        labels: Labels,
        max_detections: usize,
    ) -> Result<Self, SessionError> {
        let classes = announced::<f32>(graph, names.scores, 3)?;
        if let Some(&classes) = classes.last().filter(|classes| **classes >= 0) {
            check_classes(&labels, classes)?;
        }
        announced::<f32>(graph, names.boxes, 3)?;
        Ok(Self {
            names,
            labels,
            max_detections,
        })
    }

    fn picture(&self, logits: Block<'_, f32>, boxes: Block<'_, f32>, request: &Request) -> Decoded {
        let classes = self.labels.len();
        let mut found = Vec::new();
        for (place, logit) in logits.values.iter().copied().enumerate() {
            if logit.is_nan() {
                return Err(DetectionFault::Score);
            }
            let score = sigmoid(logit);
            if score >= request.score_threshold {
                found.push((place, score));
            }
        }
        // Places without a class are dropped after the cut, as by the reference: no model that was trained gives them a score.
        let mut candidates = Vec::new();
        for (place, score) in best(found, self.max_detections, |(_, score)| *score) {
            let shape = boxes.four(place / classes).ok_or(DetectionFault::Box)?;
            candidates.push(Candidate {
                class: place % classes,
                score,
                corners: corners(shape, request.cover),
            });
        }
        Ok(candidates)
    }
}

impl Decoder for Queries {
    fn decode(
        &self,
        outputs: &SessionOutputs<'_>,
        batch: &[Request],
        rows: usize,
    ) -> Result<Vec<Decoded>, SessionError> {
        let logits = block::<f32>(outputs, self.names.scores, rows, 3)?;
        let boxes = block::<f32>(outputs, self.names.boxes, rows, 3)?;
        check_classes(&self.labels, logits.last)?;
        boxes.expect(logits.middle, 4)?;
        let pictures = logits.rows().zip(boxes.rows()).zip(batch);
        Ok(pictures
            .map(|((logits, boxes), request)| self.picture(logits, boxes, request))
            .collect())
    }
}

/// The labels file has one line for each class of the graph.
pub(super) fn check_classes(labels: &Labels, classes: i64) -> Result<(), SessionError> {
    let lines = labels.len() as i64;
    if lines == classes && classes > 0 {
        Ok(())
    } else {
        Err(SessionError::Classes { lines, classes })
    }
}

fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}
