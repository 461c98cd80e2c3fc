//! The tower from texts to vectors: tokenizer and graph.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ort::session::SessionInputValue;
use ort::value::{TensorElementType, TensorRef};
use tokenizers::{Tokenizer, TruncationParams};

use crate::graph::GraphSource;
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

    pub(crate) fn encode(&self, texts: &[String]) -> Result<TokenBatch, SessionError> {
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
            longest
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

/// Takes texts of any length.
pub(crate) struct TextTower {
    graph: VectorGraph,
    tokens: TextTokens,
    /// Some exports take 32-bit ids.
    is_narrow: bool,
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
        graph
            .graph()
            .check_inputs(&["input_ids", "attention_mask"])?;
        let (kind, shape) = graph
            .graph()
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
        let mask = graph.graph().input("attention_mask");
        if mask.is_some() != spec.attention_mask {
            return Err(SessionError::Disagreement {
                field: "text.attention_mask",
                manifest: spec.attention_mask.into(),
                graph: mask.is_some().into(),
            });
        }
        if mask.is_some_and(|(mask, _)| mask != kind) {
            return Err(SessionError::Signature(
                "input attention_mask of the type of input_ids",
            ));
        }
        Ok(Self {
            graph,
            tokens: TextTokens::new(tokenizer, spec.clone())?,
            is_narrow,
        })
    }
}

impl ModelSession for TextTower {
    type Input = String;
    type Output = EncoderOutput;

    fn run(&mut self, batch: &[Self::Input]) -> Result<Vec<EncoderOutput>, SessionError> {
        let TokenBatch {
            mut ids,
            mut mask,
            length,
        } = self.tokens.encode(batch)?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.graph.graph().rows(batch.len());
        for values in [&mut ids, &mut mask] {
            let last = values.len() - length;
            for _ in batch.len()..rows {
                values.extend_from_within(last..last + length);
            }
        }
        let shape = [rows, length];
        let with_mask = self.tokens.spec.attention_mask;
        if self.is_narrow {
            let narrow = |values: Vec<i64>| -> Vec<i32> {
                values.into_iter().map(|value| value as i32).collect()
            };
            let (ids, mask) = (narrow(ids), narrow(mask));
            self.graph.run(
                inputs(shape, &ids, with_mask.then_some(&mask))?,
                rows,
                batch.len(),
            )
        } else {
            self.graph.run(
                inputs(shape, &ids, with_mask.then_some(&mask))?,
                rows,
                batch.len(),
            )
        }
    }

    fn is_unusable(output: &EncoderOutput) -> bool {
        output.is_err()
    }
}

type Inputs<'a> = Vec<(&'static str, SessionInputValue<'a>)>;

fn inputs<'a, T: ort::value::PrimitiveTensorElementType + Clone + std::fmt::Debug + 'static>(
    shape: [usize; 2],
    ids: &'a [T],
    mask: Option<&'a Vec<T>>,
) -> Result<Inputs<'a>, SessionError> {
    let tensor =
        |values: &'a [T]| TensorRef::from_array_view((shape, values)).map_err(SessionError::Run);
    let mut inputs: Inputs<'a> = vec![("input_ids", tensor(ids)?.into())];
    if let Some(mask) = mask {
        inputs.push(("attention_mask", tensor(mask)?.into()));
    }
    Ok(inputs)
}

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
            .encode(&texts(&["a dog", "the", ""]))
            .unwrap();
        assert_eq!(batch.length, 4);
        assert_eq!(batch.ids, [2, 4, 10, 3, 2, 5, 3, 0, 2, 3, 0, 0]);
        assert_eq!(batch.mask, [1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 0, 0]);
        let full = tokens(6, true, "").encode(&texts(&["dog"])).unwrap();
        assert_eq!((full.ids, full.length), (vec![2, 10, 3, 0, 0, 0], 6));
    }

    #[test]
    fn long_texts_keep_their_special_tokens() {
        let batch = tokens(4, false, "")
            .encode(&texts(&["a dog on the red car"]))
            .unwrap();
        assert_eq!(batch.ids, [2, 4, 10, 3]);
    }

    #[test]
    fn the_prefix_comes_first() {
        let plain = tokens(10, false, "")
            .encode(&texts(&["a photo of a dog"]))
            .unwrap();
        let prefixed = tokens(10, false, "a photo of ")
            .encode(&texts(&["a dog"]))
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
                || tokens(2, false, "").encode(&texts(&["dog"])).is_ok()
        );
    }
}
