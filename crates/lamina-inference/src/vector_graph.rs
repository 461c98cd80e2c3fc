//! A graph that gives one vector for each item of a batch.

use lamina_types::Embedding;
use ort::session::SessionInputValue;
use ort::value::TensorElementType;

use crate::graph::{Graph, GraphSource};
use crate::session::{EncoderOutput, SessionError};

/// One loaded tower.
pub(crate) struct VectorGraph {
    graph: Graph,
    output: String,
    dimension: usize,
}

impl VectorGraph {
    /// Loads the graph for the `index`-th device. `outputs` are the names its vectors may have, best first.
    pub(crate) fn load(
        source: &GraphSource,
        index: usize,
        dimension: usize,
        outputs: &[&'static str],
    ) -> Result<Self, SessionError> {
        let graph = source.load(index)?;
        let (output, (kind, shape)) = outputs
            .iter()
            .find_map(|name| Some((*name, graph.output(name)?)))
            .ok_or(SessionError::Signature("output with vectors"))?;
        if kind != TensorElementType::Float32 || shape.len() != 2 {
            return Err(SessionError::Signature(
                "output of 32-bit floats, batch x dimension",
            ));
        }
        let announced = shape.last().copied().unwrap_or(-1);
        if announced >= 0 && announced != dimension as i64 {
            return Err(SessionError::Disagreement {
                field: "dimension",
                manifest: dimension as i64,
                graph: announced,
            });
        }
        Ok(Self {
            graph,
            output: output.to_owned(),
            dimension,
        })
    }

    /// The graph itself, for its signature and batch sizes.
    pub(crate) const fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Runs prepared inputs of `rows` rows and gives the vectors of the first `items`.
    pub(crate) fn run(
        &mut self,
        inputs: Vec<(&'static str, SessionInputValue<'_>)>,
        rows: usize,
        items: usize,
    ) -> Result<Vec<EncoderOutput>, SessionError> {
        let outputs = self.graph.run(inputs, items)?;
        let output = outputs
            .get(&self.output)
            .ok_or(SessionError::Signature("output with vectors"))?;
        let (_, values) = output
            .try_extract_tensor::<f32>()
            .map_err(SessionError::Run)?;
        let expected = rows * self.dimension;
        if values.len() != expected {
            return Err(SessionError::WrongOutput {
                found: values.len(),
                expected,
            });
        }
        Ok(values
            .chunks_exact(self.dimension)
            .take(items)
            .map(|vector| Embedding::new(vector.to_vec()))
            .collect())
    }
}
