//! Florence-2's graph from token ids to their vectors, for encoder and decoder alike.

use ort::value::{Tensor, TensorElementType};

use crate::graph::{Graph, GraphSource};
use crate::session::SessionError;

use super::cache::{Block, block};

pub(super) struct EmbedGraph {
    graph: Graph,
}

impl EmbedGraph {
    pub(super) fn load(source: &GraphSource, index: usize) -> Result<Self, SessionError> {
        let graph = source.load(index)?;
        graph.check_inputs(&["input_ids"])?;
        if !graph
            .input("input_ids")
            .is_some_and(|(kind, _)| kind == TensorElementType::Int64)
        {
            return Err(SessionError::Signature("input input_ids of 64-bit numbers"));
        }
        if !graph
            .output("inputs_embeds")
            .is_some_and(|(kind, shape)| kind == TensorElementType::Float32 && shape.len() == 3)
        {
            return Err(SessionError::Signature(
                "output inputs_embeds of 32-bit floats, batch x length x width",
            ));
        }
        Ok(Self { graph })
    }

    /// The vectors of `rows` x `length` tokens.
    pub(super) fn run(
        &mut self,
        rows: usize,
        length: usize,
        ids: Vec<i64>,
    ) -> Result<Block, SessionError> {
        let ids = Tensor::from_array(([rows, length], ids)).map_err(SessionError::Run)?;
        let mut outputs = self.graph.run(vec![("input_ids", ids.into())], rows)?;
        block(outputs.remove("inputs_embeds"), "inputs_embeds")
    }
}
