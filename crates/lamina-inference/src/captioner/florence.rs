//! Florence-2's encoder: picture features and the vectors of a prompt, one after the other, read together.

use ort::value::{Tensor, TensorElementType};

use crate::graph::{Graph, GraphSource};
use crate::session::SessionError;

use super::cache::{Block, block, side};
use super::decoder::Encoded;
use super::embed::EmbedGraph;

pub(super) struct FlorenceEncoder {
    graph: Graph,
}

impl FlorenceEncoder {
    pub(super) fn load(source: &GraphSource, index: usize) -> Result<Self, SessionError> {
        let graph = source.load(index)?;
        graph.check_inputs(&["inputs_embeds", "attention_mask"])?;
        for (name, kind) in [
            ("inputs_embeds", TensorElementType::Float32),
            ("attention_mask", TensorElementType::Int64),
        ] {
            if !graph.input(name).is_some_and(|(found, _)| found == kind) {
                return Err(SessionError::Signature(
                    "inputs inputs_embeds (32-bit floats) and attention_mask (64-bit numbers)",
                ));
            }
        }
        if !graph
            .output("last_hidden_state")
            .is_some_and(|(kind, shape)| kind == TensorElementType::Float32 && shape.len() == 3)
        {
            return Err(SessionError::Signature(
                "output last_hidden_state of 32-bit floats, batch x length x width",
            ));
        }
        Ok(Self { graph })
    }

    /// Reads row `pictures[i]` of `features` with `prompts[i]`; all prompts have one length.
    pub(super) fn run(
        &mut self,
        embed: &mut EmbedGraph,
        features: &Block,
        pictures: &[usize],
        prompts: &[&[u32]],
    ) -> Result<Encoded, SessionError> {
        let rows = prompts.len();
        let prompt_length = prompts.first().map_or(0, |prompt| prompt.len());
        let ids = prompts
            .iter()
            .flat_map(|prompt| prompt.iter().copied().map(i64::from))
            .collect();
        let words = embed.run(rows, prompt_length, ids)?;
        let width = side(features, 2);
        let wrong = |found: usize, expected: usize| SessionError::WrongOutput { found, expected };
        if side(&words, 2) != width || side(&words, 1) != prompt_length {
            return Err(wrong(side(&words, 2), width));
        }
        let of_picture = side(features, 1) * width;
        let of_prompt = prompt_length * width;
        let length = side(features, 1) + prompt_length;
        let mut joined = Vec::with_capacity(rows * length * width);
        let (_, features) = features.extract_tensor();
        let (_, words) = words.extract_tensor();
        for (row, picture) in pictures.iter().enumerate() {
            let features = features.get(picture * of_picture..(picture + 1) * of_picture);
            let words = words.get(row * of_prompt..(row + 1) * of_prompt);
            joined.extend_from_slice(features.ok_or_else(|| wrong(0, of_picture))?);
            joined.extend_from_slice(words.ok_or_else(|| wrong(0, of_prompt))?);
        }
        let joined =
            Tensor::from_array(([rows, length, width], joined)).map_err(SessionError::Run)?;
        let mask = Tensor::from_array(([rows, length], vec![1_i64; rows * length]))
            .map_err(SessionError::Run)?;
        let inputs = vec![
            ("inputs_embeds", joined.into()),
            ("attention_mask", mask.into()),
        ];
        let mut outputs = self.graph.run(inputs, rows)?;
        let states = block(outputs.remove("last_hidden_state"), "last_hidden_state")?;
        if (side(&states, 0), side(&states, 1)) != (rows, length) {
            return Err(wrong(side(&states, 1), length));
        }
        Ok(Encoded { states, length })
    }
}
