//! The tower from prepared picture tensors to vectors.

use crate::graph::GraphSource;
use crate::pixels::PixelInput;
use crate::session::{EncoderOutput, ModelSession, SessionError};
use crate::vector_graph::VectorGraph;

/// Takes tensors of 3 x size x size values, channel by channel, rows from the top.
pub(crate) struct VisionTower {
    graph: VectorGraph,
    pixels: PixelInput,
}

impl VisionTower {
    /// Loads the graph for the `index`-th device. `outputs` are the names its vectors may have, best first.
    pub(crate) fn load(
        source: &GraphSource,
        index: usize,
        size: u32,
        dimension: usize,
        outputs: &[&'static str],
    ) -> Result<Self, SessionError> {
        let mut graph = VectorGraph::load(source, index, dimension, outputs)?;
        graph.graph().check_inputs(&PIXELS)?;
        let pixels = PixelInput::find(graph.graph_mut(), &PIXELS, size)?;
        Ok(Self { graph, pixels })
    }
}

/// What the graph may call its input.
const PIXELS: [&str; 1] = ["pixel_values"];

impl ModelSession for VisionTower {
    type Input = Vec<f32>;
    type Output = EncoderOutput;

    fn run(&mut self, batch: &[Self::Input]) -> Result<Vec<EncoderOutput>, SessionError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.graph.graph().rows(batch.len());
        let pixels = self.pixels.fill(batch.iter().map(Vec::as_slice), rows)?;
        self.graph.run(vec![pixels], rows, batch.len())
    }

    fn is_unusable(output: &EncoderOutput) -> bool {
        output.is_err()
    }
}
