//! The exports of the D-FINE, RT-DETR and DEIM authors, which hold their own post-processor: it takes the size of the original and gives
//! classes, corners in its pixels, and scores, best first.
//!
//! Source: `tools/deployment/export_onnx.py` of these projects.

use ort::session::SessionOutputs;

use super::candidates::{Candidate, best};
use super::outputs::{Block, DetectionFault, announced, block};
use super::{Decoded, Decoder, Request};
use crate::graph::Graph;
use crate::labels::Labels;
use crate::session::SessionError;

/// The input with width and height of each original.
pub(super) const SIZES: &str = "orig_target_sizes";

/// Reads finished detections.
pub(super) struct Finished {
    labels: Labels,
    max_detections: usize,
}

impl Finished {
    pub(super) fn new(
        graph: &Graph,
        labels: Labels,
        max_detections: usize,
    ) -> Result<Self, SessionError> {
        let (kind, shape) = graph
            .input(SIZES)
            .ok_or(SessionError::Signature("input orig_target_sizes"))?;
        if kind != ort::value::TensorElementType::Int64 || shape.len() != 2 {
            return Err(SessionError::Signature(
                "input orig_target_sizes of 64-bit integers, batch x 2",
            ));
        }
        announced::<i64>(graph, "labels", 2)?;
        announced::<f32>(graph, "scores", 2)?;
        announced::<f32>(graph, "boxes", 3)?;
        Ok(Self {
            labels,
            max_detections,
        })
    }

    fn picture(
        &self,
        classes: Block<'_, i64>,
        scores: Block<'_, f32>,
        boxes: Block<'_, f32>,
        request: &Request,
    ) -> Decoded {
        let mut candidates = Vec::new();
        for (place, (score, class)) in scores.values.iter().zip(classes.values).enumerate() {
            if score.is_nan() {
                return Err(DetectionFault::Score);
            }
            if *score < request.score_threshold {
                continue;
            }
            let class = usize::try_from(*class)
                .ok()
                .filter(|class| self.labels.has(*class))
                .ok_or(DetectionFault::Class(*class))?;
            let pixels = boxes.four(place).ok_or(DetectionFault::Box)?;
            let [width, height] = [request.width, request.height].map(f64::from);
            let [left, top, right, bottom] = pixels;
            if self.labels.name(class).is_some() {
                candidates.push(Candidate {
                    class,
                    score: *score,
                    corners: [left / width, top / height, right / width, bottom / height],
                });
            }
        }
        // Sorted already in every known export; nothing announces it.
        Ok(best(candidates, self.max_detections, |found| found.score))
    }
}

impl Decoder for Finished {
    fn decode(
        &self,
        outputs: &SessionOutputs<'_>,
        batch: &[Request],
        rows: usize,
    ) -> Result<Vec<Decoded>, SessionError> {
        let classes = block::<i64>(outputs, "labels", rows, 2)?;
        let scores = block::<f32>(outputs, "scores", rows, 2)?;
        let boxes = block::<f32>(outputs, "boxes", rows, 3)?;
        scores.expect(1, classes.last)?;
        boxes.expect(classes.last, 4)?;
        let pictures = classes.rows().zip(scores.rows()).zip(boxes.rows());
        Ok(pictures
            .zip(batch)
            .map(|(((classes, scores), boxes), request)| {
                self.picture(classes, scores, boxes, request)
            })
            .collect())
    }
}
