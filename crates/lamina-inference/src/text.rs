//! The tower from texts to vectors: tokenizer and graph.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ort::session::SessionInputValue;
use ort::value::{Tensor, TensorElementType};
use tokenizers::{Tokenizer, TruncationParams};

use crate::graph::{Graph, GraphSource};
use crate::manifest::TextSpec;
use crate::session::{EncoderOutput, ModelSession, SessionError};
use crate::vector_graph::VectorGraph;

/// Cuts, maps to token ids and fills up as the manifest says.
pub(crate) struct TextTokens {
    tokenizer: Tokenizer,
    spec: TextSpec,
}

/// Token ids of a batch, all of one length, and where they are real.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TokenBatch {
    pub(crate) ids: Vec<i64>,
    pub(crate) mask: Vec<i64>,
    pub(crate) length: usize,
}

impl TextTokens {
    pub(crate) fn new(file: &[u8], spec: TextSpec) -> Result<Self, SessionError> {
        let build = || -> tokenizers::Result<Tokenizer> {
            let mut tokenizer = Tokenizer::from_bytes(file)?;
            // The file's own ideas of cutting and filling give way to the manifest's.
            tokenizer.with_padding(None);
            tokenizer.with_truncation(Some(TruncationParams {
                max_length: spec.max_length,
                ..TruncationParams::default()
            }))?;
            Ok(tokenizer)
        };
        // The file comes from strangers, and the library computes with its numbers.
        let tokenizer = catch_unwind(build)
            .map_err(|_| SessionError::Panicked)?
            .map_err(SessionError::Tokenizer)?;
        Ok(Self { tokenizer, spec })
    }

    /// Token ids of texts, filled up to the longest of them, or to the first of `lengths` that holds it.
    pub(crate) fn encode(
        &self,
        texts: &[String],
        lengths: &[usize],
    ) -> Result<TokenBatch, SessionError> {
        let mut rows = Vec::with_capacity(texts.len());
        for text in texts {
            let text = format!("{}{text}", self.spec.prefix);
            let encode = AssertUnwindSafe(|| self.tokenizer.encode(text.as_str(), true));
            let encoding = catch_unwind(encode)
                .map_err(|_| SessionError::Panicked)?
                .map_err(SessionError::Tokenizer)?;
            rows.push(encoding);
        }
        let longest = rows.iter().map(|row| row.len()).max().unwrap_or_default();
        let wanted = if self.spec.pad_to_max {
            self.spec.max_length
        } else {
            let bucket = lengths.iter().copied().find(|length| *length >= longest);
            bucket.unwrap_or(longest)
        };
        // At least one token: a tokenizer without special ones makes nothing of an empty text.
        let length = wanted.clamp(1, self.spec.max_length);
        let mut batch = TokenBatch {
            ids: Vec::new(),
            mask: Vec::new(),
            length,
        };
        for row in &rows {
            let real = row.len().min(length);
            let padding = length - real;
            batch
                .ids
                .extend(row.get_ids().iter().take(real).copied().map(i64::from));
            batch
                .ids
                .extend(std::iter::repeat_n(i64::from(self.spec.pad_id), padding));
            batch.mask.extend(std::iter::repeat_n(1, real));
            batch.mask.extend(std::iter::repeat_n(0, padding));
        }
        Ok(batch)
    }
}

impl TokenBatch {
    /// Copies the last text until there are so many rows.
    pub(crate) fn fill_up(&mut self, rows: usize) {
        for values in [&mut self.ids, &mut self.mask] {
            let missing = (rows * self.length).saturating_sub(values.len());
            let last = values.len().saturating_sub(self.length);
            for _ in 0..missing / self.length.max(1) {
                values.extend_from_within(last..last + self.length);
            }
        }
    }
}

/// What a graph takes of a text's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TokenInputs {
    /// Some exports take 32-bit ids.
    is_narrow: bool,
    has_mask: bool,
    has_types: bool,
}

impl TokenInputs {
    /// Checks the inputs of a graph against the manifest: `input_ids`, and `attention_mask` and `token_type_ids` where it has them.
    pub(crate) fn of(graph: &Graph, spec: &TextSpec) -> Result<Self, SessionError> {
        graph.check_inputs(&["input_ids", "attention_mask", "token_type_ids"])?;
        let (kind, shape) = graph
            .input("input_ids")
            .ok_or(SessionError::Signature("input input_ids"))?;
        let is_narrow = kind == TensorElementType::Int32;
        if !is_narrow && kind != TensorElementType::Int64 {
            return Err(SessionError::Signature("input input_ids of whole numbers"));
        }
        let length = shape.last().copied().unwrap_or(-1);
        if length >= 0 && !(spec.pad_to_max && length == spec.max_length as i64) {
            return Err(SessionError::Disagreement {
                field: "text.max_length (with pad_to_max)",
                manifest: spec.max_length as i64,
                graph: length,
            });
        }
        let mask = graph.input("attention_mask");
        if mask.is_some() != spec.attention_mask {
            return Err(SessionError::Disagreement {
                field: "text.attention_mask",
                manifest: spec.attention_mask.into(),
                graph: mask.is_some().into(),
            });
        }
        let types = graph.input("token_type_ids");
        let mut others = mask.iter().chain(&types);
        if others.any(|(other, _)| *other != kind) {
            return Err(SessionError::Signature(
                "input attention_mask and token_type_ids of the type of input_ids",
            ));
        }
        Ok(Self {
            is_narrow,
            has_mask: mask.is_some(),
            has_types: types.is_some(),
        })
    }

    /// The named tensors of a batch. All tokens are of the first type: there is one text in a row.
    pub(crate) fn tensors(self, tokens: TokenBatch) -> Result<NamedInputs, SessionError> {
        let rows = tokens.ids.len() / tokens.length.max(1);
        let shape = [rows, tokens.length];
        let types = self.has_types.then(|| vec![0; tokens.ids.len()]);
        let mask = self.has_mask.then_some(tokens.mask);
        let named = [
            ("input_ids", Some(tokens.ids)),
            ("attention_mask", mask),
            ("token_type_ids", types),
        ];
        named
            .into_iter()
            .filter_map(|(name, values)| Some((name, values?)))
            .map(|(name, values)| Ok((name, self.tensor(shape, values)?)))
            .collect()
    }

    fn tensor(
        self,
        shape: [usize; 2],
        values: Vec<i64>,
    ) -> Result<SessionInputValue<'static>, SessionError> {
        if self.is_narrow {
            let values: Vec<i32> = values.into_iter().map(|value| value as i32).collect();
            Tensor::from_array((shape, values)).map(Into::into)
        } else {
            Tensor::from_array((shape, values)).map(Into::into)
        }
        .map_err(SessionError::Run)
    }
}

type NamedInputs = Vec<(&'static str, SessionInputValue<'static>)>;

/// Takes texts of any length.
pub(crate) struct TextTower {
    graph: VectorGraph,
    tokens: TextTokens,
    inputs: TokenInputs,
    lengths: Vec<usize>,
}

impl TextTower {
    pub(crate) fn load(
        source: &GraphSource,
        index: usize,
        tokenizer: &[u8],
        spec: &TextSpec,
        dimension: usize,
    ) -> Result<Self, SessionError> {
        let graph = VectorGraph::load(source, index, dimension, &["text_embeds", "pooler_output"])?;
        Ok(Self {
            inputs: TokenInputs::of(graph.graph(), spec)?,
            lengths: graph.graph().length_buckets(spec.max_length),
            graph,
            tokens: TextTokens::new(tokenizer, spec.clone())?,
        })
    }
}

impl ModelSession for TextTower {
    type Input = String;
    type Output = EncoderOutput;

    fn run(&mut self, batch: &[Self::Input]) -> Result<Vec<EncoderOutput>, SessionError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let mut tokens = self.tokens.encode(batch, &self.lengths)?;
        let rows = self.graph.graph().rows(batch.len());
        tokens.fill_up(rows);
        let inputs = self.inputs.tensors(tokens)?;
        self.graph.run(inputs, rows, batch.len())
    }

    fn is_unusable(output: &EncoderOutput) -> bool {
        output.is_err()
    }
}

#[cfg(test)]
mod golden;

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &[u8] = include_bytes!("../../../tests/golden/tiny-dual-encoder/tokenizer.json");

    fn tokens(max_length: usize, pad_to_max: bool, prefix: &str) -> TextTokens {
        let spec = TextSpec {
            max_length,
            pad_id: 0,
            pad_to_max,
            attention_mask: true,
            prefix: prefix.to_owned(),
            query_prefix: String::new(),
            document_prefix: String::new(),
            pooling: None,
        };
        TextTokens::new(FILE, spec).unwrap()
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn texts_are_filled_up_to_the_longest_or_to_the_full_length() {
        let batch = tokens(10, false, "")
            .encode(&texts(&["a dog", "the", ""]), &[])
            .unwrap();
        assert_eq!(batch.length, 4);
        assert_eq!(batch.ids, [2, 4, 10, 3, 2, 5, 3, 0, 2, 3, 0, 0]);
        assert_eq!(batch.mask, [1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 0, 0]);
        let full = tokens(6, true, "").encode(&texts(&["dog"]), &[]).unwrap();
        assert_eq!((full.ids, full.length), (vec![2, 10, 3, 0, 0, 0], 6));
    }

    #[test]
    fn batches_are_filled_up_to_a_bucket_and_with_copies_of_the_last_text() {
        let buckets = [2, 5, 10];
        let tokens = tokens(10, false, "");
        let mut batch = tokens.encode(&texts(&["a dog"]), &buckets).unwrap();
        assert_eq!((batch.length, batch.ids.len()), (5, 5));
        batch.fill_up(2);
        assert_eq!(batch.ids, [2, 4, 10, 3, 0, 2, 4, 10, 3, 0]);
        assert_eq!(batch.mask, [1, 1, 1, 1, 0, 1, 1, 1, 1, 0]);
        // No bucket holds it: its own length.
        let long = tokens.encode(&texts(&["a dog"]), &[2]).unwrap();
        assert_eq!(long.length, 4);
    }

    #[test]
    fn long_texts_keep_their_special_tokens() {
        let batch = tokens(4, false, "")
            .encode(&texts(&["a dog on the red car"]), &[])
            .unwrap();
        assert_eq!(batch.ids, [2, 4, 10, 3]);
    }

    #[test]
    fn the_prefix_comes_first() {
        let plain = tokens(10, false, "")
            .encode(&texts(&["a photo of a dog"]), &[])
            .unwrap();
        let prefixed = tokens(10, false, "a photo of ")
            .encode(&texts(&["a dog"]), &[])
            .unwrap();
        assert_eq!(plain, prefixed);
    }

    #[test]
    fn broken_tokenizers_are_errors() {
        let spec = TextSpec {
            max_length: 1,
            pad_id: 0,
            pad_to_max: false,
            attention_mask: false,
            prefix: String::new(),
            query_prefix: String::new(),
            document_prefix: String::new(),
            pooling: None,
        };
        assert!(TextTokens::new(b"{}", spec.clone()).is_err());
        assert!(TextTokens::new(b"\xff\x00", spec.clone()).is_err());
        // One token is less than the two special ones of this tokenizer.
        assert!(
            TextTokens::new(FILE, spec).is_err()
                || tokens(2, false, "").encode(&texts(&["dog"]), &[]).is_ok()
        );
    }
}
