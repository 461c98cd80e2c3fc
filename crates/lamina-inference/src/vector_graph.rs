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
    form: Form,
    dimension: usize,
}

/// Where the vector of a row lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The row is the vector.
    Vectors,
    /// The first of several vectors: the class token.
    FirstToken,
    /// A plane of one place: the end of a convolutional network.
    Plane,
}

impl Form {
    fn of(shape: &[i64]) -> Option<Self> {
        match shape {
            [_, _] => Some(Self::Vectors),
            [_, _, _] => Some(Self::FirstToken),
            [_, _, -1 | 1, -1 | 1] => Some(Self::Plane),
            _ => None,
        }
    }

    fn dimension(self, shape: &[i64]) -> Option<i64> {
        match self {
            Self::Vectors | Self::Plane => shape.get(1).copied(),
            Self::FirstToken => shape.get(2).copied(),
        }
    }
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
        let form = Form::of(&shape)
            .filter(|_| kind == TensorElementType::Float32)
            .ok_or(SessionError::Signature(
                "output of 32-bit floats, batch x dimension, batch x tokens x dimension or batch x dimension x 1 x 1",
            ))?;
        let announced = form.dimension(&shape).unwrap_or(-1);
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
            form,
            dimension,
        })
    }

    /// The graph itself, for its signature and batch sizes.
    pub(crate) const fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The same, to change it before its first run.
    pub(crate) const fn graph_mut(&mut self) -> &mut Graph {
        &mut self.graph
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
        let (shape, values) = output
            .try_extract_tensor::<f32>()
            .map_err(SessionError::Run)?;
        let is_row = Form::of(shape) == Some(self.form)
            && shape.first() == Some(&(rows as i64))
            && self.form.dimension(shape) == Some(self.dimension as i64)
            && !values.is_empty();
        if !is_row {
            return Err(SessionError::OutputShape {
                name: self.output.clone(),
                found: shape.to_vec(),
                expected: format!("{rows} vectors of {}", self.dimension),
            });
        }
        Ok(values
            .chunks_exact(values.len() / rows)
            .take(items)
            .filter_map(|row| row.get(..self.dimension))
            .map(|vector| Embedding::new(vector.to_vec()))
            .collect())
    }
}
