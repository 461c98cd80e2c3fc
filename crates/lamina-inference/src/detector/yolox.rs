//! YOLOX: one prediction for each cell of several grids, many for one object.
//!
//! Source: `demo_postprocess` and `postprocess` of YOLOX. A row is the centre relative to its cell, the logarithms of width and height
//! in strides, the score that there is an object, and one score for each class; sigmoids are applied in the graph.

use ort::session::SessionOutputs;

use super::candidates::{Candidate, corners};
use super::detr::check_classes;
use super::outputs::{Block, DetectionFault, announced, block};
use super::suppression::suppress;
use super::{Decoded, Decoder, Request};
use crate::graph::Graph;
use crate::labels::Labels;
use crate::manifest::DetectorSpec;
use crate::session::SessionError;

/// Values of a row before those of the classes.
const BEFORE_CLASSES: usize = 5;

/// Reads grids.
pub(super) struct Grids {
    output: String,
    labels: Labels,
    /// Column, row and stride of each prediction.
    cells: Vec<[f64; 3]>,
    size: f64,
    iou_threshold: f64,
    max_detections: usize,
}

impl Grids {
    pub(super) fn new(
        graph: &Graph,
        size: u32,
        labels: Labels,
        spec: &DetectorSpec,
    ) -> Result<Self, SessionError> {
        // Exporters name the only output as they like.
        let output = graph
            .only_output()
            .ok_or(SessionError::Signature("single output"))?
            .to_owned();
        let grids = Self {
            cells: cells(size, &spec.strides),
            labels,
            size: f64::from(size),
            iou_threshold: f64::from(spec.iou_threshold.unwrap_or(1.0)),
            max_detections: spec.max_detections,
            output,
        };
        let shape = announced::<f32>(graph, &grids.output, 3)?;
        if let &[_, rows, values] = shape.as_slice() {
            grids.check(rows, values)?;
        }
        Ok(grids)
    }

    /// -1 where it varies.
    fn check(&self, rows: i64, values: i64) -> Result<(), SessionError> {
        let cells = self.cells.len() as i64;
        if rows >= 0 && rows != cells {
            return Err(SessionError::Disagreement {
                field: "predictions (by image.size and detector.strides)",
                manifest: cells,
                graph: rows,
            });
        }
        if values < 0 {
            return Ok(());
        }
        check_classes(&self.labels, values - BEFORE_CLASSES as i64)
    }

    fn picture(&self, block: Block<'_, f32>, request: &Request) -> Decoded {
        let mut candidates = Vec::new();
        let rows = block
            .values
            .chunks_exact(BEFORE_CLASSES + self.labels.len());
        for (row, [column, line, stride]) in rows.zip(&self.cells) {
            let (&[x, y, width, height, objectness], classes) =
                row.split_first_chunk().ok_or(DetectionFault::Score)?;
            if objectness.is_nan() {
                return Err(DetectionFault::Score);
            }
            for (class, share) in classes.iter().enumerate() {
                let score = objectness * share;
                if score.is_nan() {
                    return Err(DetectionFault::Score);
                }
                if score < request.score_threshold || self.labels.name(class).is_none() {
                    continue;
                }
                let place = [x, y, width, height].map(f64::from);
                if !place.iter().all(|value| value.is_finite()) {
                    return Err(DetectionFault::Box);
                }
                let unit = stride / self.size;
                let shape = [
                    (place[0] + column) * unit,
                    (place[1] + line) * unit,
                    place[2].exp() * unit,
                    place[3].exp() * unit,
                ];
                candidates.push(Candidate {
                    class,
                    score,
                    corners: corners(shape, request.cover),
                });
            }
        }
        Ok(suppress(
            candidates,
            self.iou_threshold,
            self.max_detections,
        ))
    }
}

impl Decoder for Grids {
    fn decode(
        &self,
        outputs: &SessionOutputs<'_>,
        batch: &[Request],
        rows: usize,
    ) -> Result<Vec<Decoded>, SessionError> {
        let block = block::<f32>(outputs, &self.output, rows, 3)?;
        self.check(block.middle, block.last)?;
        Ok(block
            .rows()
            .zip(batch)
            .map(|(block, request)| self.picture(block, request))
            .collect())
    }
}

/// The grids one after the other, each row by row.
fn cells(size: u32, strides: &[u32]) -> Vec<[f64; 3]> {
    let grid = |stride: &u32| {
        let (stride, side) = (*stride, size / *stride);
        (0..side)
            .flat_map(move |row| (0..side).map(move |column| [column, row, stride].map(f64::from)))
    };
    strides.iter().flat_map(grid).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_follow_each_other_row_by_row() {
        let cells = cells(416, &[8, 16, 32]);
        assert_eq!(cells.len(), 3549);
        assert_eq!(cells[1], [1.0, 0.0, 8.0]);
        assert_eq!(cells[52], [0.0, 1.0, 8.0]);
        assert_eq!(cells[52 * 52 + 27], [1.0, 1.0, 16.0]);
        assert_eq!(cells[3548], [12.0, 12.0, 32.0]);
    }
}
