//! The `[detector]` section: what the graph's outputs mean.

use serde::Deserialize;

/// Most objects of one picture.
const MAX_DETECTIONS: usize = 1_000;

/// The outputs of a detector's graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DetectorLayout {
    /// `pixel_values` -> `logits` [batch, queries, classes] (raw), `pred_boxes` [batch, queries, 4] (centre and size, fractions): the
    /// hub exports of D-FINE, RT-DETR, DEIM.
    Detr,
    /// `images`, `orig_target_sizes` -> `labels`, `boxes` (corners in pixels of the original), `scores`: the authors' own exports.
    DetrPixels,
    /// `images` -> [batch, cells, 5 + classes] before the grid is applied; needs non-maximum suppression.
    Yolox,
    /// `input` -> `dets` [batch, queries, 4], `labels` [batch, queries, classes] with COCO's sparse ids.
    RfDetr,
}

/// How a detector's outputs become objects.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorSpec {
    /// What the graph gives.
    pub layout: DetectorLayout,
    /// Lowest score of an object unless the slot's binding says otherwise, 0..=1.
    pub score_threshold: f32,
    /// Overlap (intersection over union) from which on the lower of two boxes of one class is dropped, 0..=1; only for layouts that
    /// need it.
    #[serde(default)]
    pub iou_threshold: Option<f32>,
    /// Most objects of one picture.
    #[serde(default = "three_hundred")]
    pub max_detections: usize,
    /// Pixels a cell of each grid covers, finest first (YOLOX).
    #[serde(default)]
    pub strides: Vec<u32>,
}

const fn three_hundred() -> usize {
    300
}

impl DetectorSpec {
    pub(super) fn out_of_range(&self) -> Option<&'static str> {
        let share = 0.0..=1.0;
        if !share.contains(&self.score_threshold) {
            return Some("detector.score_threshold");
        }
        let needs_grid = self.layout == DetectorLayout::Yolox;
        if needs_grid != self.iou_threshold.is_some()
            || self.iou_threshold.is_some_and(|iou| !share.contains(&iou))
        {
            return Some("detector.iou_threshold");
        }
        if needs_grid == self.strides.is_empty() || self.strides.contains(&0) {
            return Some("detector.strides");
        }
        (!(1..=MAX_DETECTIONS).contains(&self.max_detections)).then_some("detector.max_detections")
    }
}
