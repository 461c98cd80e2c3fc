//! The graph from tokens to one vector each, and their pooling into the text's.

use lamina_types::Embedding;
use ort::value::TensorElementType;

use crate::graph::{Graph, GraphSource};
use crate::manifest::{Pooling, TextSpec};
use crate::session::{EncoderOutput, ModelSession, SessionError};
use crate::text::{TextTokens, TokenInputs};

/// Names that the vectors of the tokens have: those of the two common exporters.
const OUTPUTS: [&str; 2] = ["last_hidden_state", "token_embeddings"];

/// A BERT graph: `input_ids`, `attention_mask` [, `token_type_ids`] -> `last_hidden_state` [batch, length, dimension].
pub(crate) struct SentenceTower {
    graph: Graph,
    output: &'static str,
    tokens: TextTokens,
    inputs: TokenInputs,
    lengths: Vec<usize>,
    pooling: Pooling,
    dimension: usize,
}

impl SentenceTower {
    pub(crate) fn load(
        source: &GraphSource,
        index: usize,
        tokenizer: &[u8],
        spec: &TextSpec,
        pooling: Pooling,
        dimension: usize,
    ) -> Result<Self, SessionError> {
        let graph = source.load(index)?;
        let (output, (kind, shape)) = OUTPUTS
            .iter()
            .find_map(|name| Some((*name, graph.output(name)?)))
            .ok_or(SessionError::Signature("output last_hidden_state"))?;
        if kind != TensorElementType::Float32 || shape.len() != 3 {
            return Err(SessionError::Signature(
                "output of 32-bit floats, batch x length x dimension",
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
            inputs: TokenInputs::of(&graph, spec)?,
            lengths: graph.length_buckets(spec.max_length),
            graph,
            output,
            tokens: TextTokens::new(tokenizer, spec.clone())?,
            pooling,
            dimension,
        })
    }
}

impl ModelSession for SentenceTower {
    type Input = String;
    type Output = EncoderOutput;

    fn run(&mut self, batch: &[Self::Input]) -> Result<Vec<EncoderOutput>, SessionError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let mut tokens = self.tokens.encode(batch, &self.lengths)?;
        let rows = self.graph.rows(batch.len());
        tokens.fill_up(rows);
        let (length, mask) = (tokens.length, tokens.mask.clone());
        let inputs = self.inputs.tensors(tokens)?;
        let outputs = self.graph.run(inputs, batch.len())?;
        let output = outputs
            .get(self.output)
            .ok_or(SessionError::Signature("output last_hidden_state"))?;
        let (_, values) = output
            .try_extract_tensor::<f32>()
            .map_err(SessionError::Run)?;
        let expected = rows * length * self.dimension;
        if values.len() != expected {
            return Err(SessionError::WrongOutput {
                found: values.len(),
                expected,
            });
        }
        Ok(values
            .chunks_exact(length * self.dimension)
            .zip(mask.chunks_exact(length))
            .take(batch.len())
            .map(|(states, mask)| pool(self.pooling, states, mask, self.dimension))
            .collect())
    }

    fn is_unusable(output: &EncoderOutput) -> bool {
        output.is_err()
    }
}

/// The vector of one text out of those of its tokens; made one long by [`Embedding`].
fn pool(pooling: Pooling, states: &[f32], mask: &[i64], dimension: usize) -> EncoderOutput {
    let mut tokens = states.chunks_exact(dimension).zip(mask);
    let vector = match pooling {
        Pooling::Cls => tokens
            .next()
            .map_or(Vec::new(), |(state, _)| state.to_vec()),
        Pooling::Mean => {
            let mut sum = vec![0.0_f32; dimension];
            let mut count = 0.0_f32;
            for (state, _) in tokens.filter(|(_, mask)| **mask != 0) {
                count += 1.0;
                for (sum, value) in sum.iter_mut().zip(state) {
                    *sum += value;
                }
            }
            // A text without any token has no direction, which the constructor finds.
            sum.iter().map(|value| value / count.max(1.0)).collect()
        }
    };
    Embedding::new(vector)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pooling_looks_at_real_tokens_only() {
        let states = [3.0, 0.0, 1.0, 4.0, 100.0, 100.0];
        let mean = pool(Pooling::Mean, &states, &[1, 1, 0], 2).unwrap();
        assert_eq!(mean, Embedding::new(vec![2.0, 2.0]).unwrap());
        let first = pool(Pooling::Cls, &states, &[1, 1, 0], 2).unwrap();
        assert_eq!(first, Embedding::new(vec![1.0, 0.0]).unwrap());
    }

    #[test]
    fn a_text_without_tokens_has_no_vector() {
        assert!(pool(Pooling::Mean, &[1.0, 2.0], &[0], 2).is_err());
        assert!(pool(Pooling::Mean, &[f32::NAN, 2.0], &[1], 2).is_err());
    }
}
