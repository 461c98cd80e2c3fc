//! The session of a detector: pixels in, named boxes out.

use lamina_media::InputSpec;
use ort::value::TensorRef;

use super::candidates::Candidate;
use super::detr::{HUB, Queries, RF_DETR};
use super::detr_pixels::{Finished, SIZES};
use super::outputs::DetectionFault;
use super::yolox::Grids;
use super::{Decoder, Detection, Request};
use crate::graph::{Graph, GraphSource};
use crate::labels::Labels;
use crate::manifest::{DetectorLayout, DetectorSpec};
use crate::pixels::PixelInput;
use crate::session::{ModelSession, SessionError};

/// What one picture comes to.
pub(super) type DetectorOutput = Result<Vec<Detection>, DetectionFault>;

/// One loaded graph.
pub(super) struct DetectorSession {
    graph: Graph,
    pixels: PixelInput,
    decoder: Box<dyn Decoder>,
    labels: Labels,
    takes_sizes: bool,
}

impl DetectorSession {
    pub(super) fn load(
        source: &GraphSource,
        index: usize,
        image: &InputSpec,
        spec: &DetectorSpec,
        labels: &Labels,
    ) -> Result<Self, SessionError> {
        let mut graph = source.load(index)?;
        let limit = spec.max_detections;
        let names = || labels.clone();
        let (pixels, decoder): (_, Box<dyn Decoder>) = match spec.layout {
            DetectorLayout::Detr => (
                "pixel_values",
                Box::new(Queries::new(&graph, HUB, names(), limit)?),
            ),
            DetectorLayout::RfDetr => (
                "input",
                Box::new(Queries::new(&graph, RF_DETR, names(), limit)?),
            ),
            DetectorLayout::DetrPixels => {
                ("images", Box::new(Finished::new(&graph, names(), limit)?))
            }
            DetectorLayout::Yolox => (
                "images",
                Box::new(Grids::new(&graph, image.size, names(), spec)?),
            ),
        };
        let takes_sizes = spec.layout == DetectorLayout::DetrPixels;
        if takes_sizes {
            graph.check_inputs(&[pixels, SIZES])?;
        } else {
            graph.check_inputs(&[pixels])?;
        }
        let pixels = PixelInput::find(&mut graph, &[pixels], image.size)?;
        Ok(Self {
            graph,
            pixels,
            decoder,
            labels: labels.clone(),
            takes_sizes,
        })
    }

    fn named(labels: &Labels, candidate: &Candidate) -> Option<Detection> {
        Some(Detection {
            region: candidate.region()?,
            label: labels.name(candidate.class)?.clone(),
            confidence: candidate.score.clamp(0.0, 1.0),
        })
    }
}

impl ModelSession for DetectorSession {
    type Input = Request;
    type Output = DetectorOutput;

    fn run(&mut self, batch: &[Request]) -> Result<Vec<DetectorOutput>, SessionError> {
        let Some(last) = batch.last() else {
            return Ok(Vec::new());
        };
        let rows = self.graph.rows(batch.len());
        let tensors = batch.iter().map(|request| request.tensor.as_slice());
        let mut inputs = vec![self.pixels.fill(tensors, rows)?];
        let sizes: Vec<i64> = batch
            .iter()
            .chain(std::iter::repeat_n(last, rows - batch.len()))
            .flat_map(|request| [i64::from(request.width), i64::from(request.height)])
            .collect();
        if self.takes_sizes {
            let sizes = TensorRef::from_array_view(([rows, 2], sizes.as_slice()))
                .map_err(SessionError::Run)?;
            inputs.push((SIZES, sizes.into()));
        }
        let outputs = self.graph.run(inputs, batch.len())?;
        let decoded = self.decoder.decode(&outputs, batch, rows)?;
        let named = |candidates: Vec<Candidate>| {
            candidates
                .iter()
                .filter_map(|candidate| Self::named(&self.labels, candidate))
                .collect()
        };
        Ok(decoded
            .into_iter()
            .map(|candidates| candidates.map(named))
            .collect())
    }

    fn is_unusable(output: &DetectorOutput) -> bool {
        output.is_err()
    }
}
