//! The graph from prepared pictures to their features.

use ort::value::TensorElementType;

use crate::graph::{Graph, GraphSource};
use crate::pixels::PixelInput;
use crate::session::SessionError;

use super::cache::{Block, block, gather, side};

/// Takes tensors of 3 x size x size values; gives batch x length x width.
pub(super) struct PictureGraph {
    graph: Graph,
    output: &'static str,
    pixels: PixelInput,
}

impl PictureGraph {
    pub(super) fn load(
        source: &GraphSource,
        index: usize,
        size: u32,
        output: &'static str,
    ) -> Result<Self, SessionError> {
        let mut graph = source.load(index)?;
        graph.check_inputs(&["pixel_values"])?;
        let pixels = PixelInput::find(&mut graph, &["pixel_values"], size)?;
        if !graph
            .output(output)
            .is_some_and(|(kind, shape)| kind == TensorElementType::Float32 && shape.len() == 3)
        {
            return Err(SessionError::NoOutput(format!(
                "{output} of 32-bit floats, batch x length x width"
            )));
        }
        Ok(Self {
            graph,
            output,
            pixels,
        })
    }

    pub(super) fn run(&mut self, tensors: &[&[f32]]) -> Result<Block, SessionError> {
        let items = tensors.len();
        let rows = self.graph.rows(items);
        let pixels = self.pixels.fill(tensors.iter().copied(), rows)?;
        let mut outputs = self.graph.run(vec![pixels], items)?;
        let features = block(outputs.remove(self.output), self.output)?;
        if side(&features, 0) != rows {
            return Err(SessionError::WrongOutput {
                found: side(&features, 0),
                expected: rows,
            });
        }
        if rows == items {
            return Ok(features);
        }
        gather(&features, &(0..items).collect::<Vec<_>>())
    }
}
