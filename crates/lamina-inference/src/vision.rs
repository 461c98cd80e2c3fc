//! The tower from prepared picture tensors to vectors.

use ort::value::{TensorElementType, TensorRef};

use crate::graph::GraphSource;
use crate::session::{EncoderOutput, ModelSession, SessionError};
use crate::vector_graph::VectorGraph;

/// Takes tensors of 3 x size x size values, channel by channel, rows from the top.
pub(crate) struct VisionTower {
    graph: VectorGraph,
    size: usize,
    /// The batch as one block, kept between runs.
    block: Vec<f32>,
}

impl VisionTower {
    pub(crate) fn load(
        source: &GraphSource,
        index: usize,
        size: u32,
        dimension: usize,
    ) -> Result<Self, SessionError> {
        let graph =
            VectorGraph::load(source, index, dimension, &["image_embeds", "pooler_output"])?;
        graph.graph().check_inputs(&["pixel_values"])?;
        let (kind, shape) = graph
            .graph()
            .input("pixel_values")
            .ok_or(SessionError::Signature("input pixel_values"))?;
        if kind != TensorElementType::Float32 || shape.len() != 4 {
            return Err(SessionError::Signature(
                "input pixel_values of 32-bit floats, batch x 3 x size x size",
            ));
        }
        for side in shape.iter().skip(2).copied().filter(|side| *side >= 0) {
            if side != i64::from(size) {
                return Err(SessionError::Disagreement {
                    field: "image.size",
                    manifest: i64::from(size),
                    graph: side,
                });
            }
        }
        Ok(Self {
            graph,
            size: size as usize,
            block: Vec::new(),
        })
    }
}

impl ModelSession for VisionTower {
    type Input = Vec<f32>;
    type Output = EncoderOutput;

    fn run(&mut self, batch: &[Self::Input]) -> Result<Vec<EncoderOutput>, SessionError> {
        let Some(last) = batch.last() else {
            return Ok(Vec::new());
        };
        let rows = self.graph.graph().rows(batch.len());
        self.block.clear();
        self.block.reserve(rows * last.len());
        for row in batch
            .iter()
            .chain(std::iter::repeat_n(last, rows - batch.len()))
        {
            self.block.extend_from_slice(row);
        }
        let shape = [rows, 3, self.size, self.size];
        let pixels = TensorRef::from_array_view((shape, self.block.as_slice()))
            .map_err(SessionError::Run)?;
        self.graph
            .run(vec![("pixel_values", pixels.into())], rows, batch.len())
    }

    fn is_unusable(output: &EncoderOutput) -> bool {
        output.is_err()
    }
}
