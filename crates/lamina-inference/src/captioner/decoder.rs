//! The graph that writes text: its signature, and one batch of texts being written with it.
//!
//! Three kinds are known, told apart by their inputs: without caches (every step reads the whole text again); with caches of what was
//! written (`past_key_values.N.key`, as GPT-2 has them); and with caches of the encoder's output beside them
//! (`past_key_values.N.encoder.key`, as BART has them). Optimum's merged files have both branches in one graph, chosen by
//! `use_cache_branch`; the branch with caches gives dummies for the encoder's, so those of the first step are kept.

use ort::session::SessionInputValue;
use ort::value::{Tensor, TensorElementType};

use crate::graph::{Graph, GraphSource};
use crate::session::SessionError;

use super::cache::{Block, block, gather, side, zeros};
use super::embed::EmbedGraph;
use super::generation::{Logits, NextToken};

/// One cache of the graph.
struct CacheSlot {
    past: String,
    present: String,
    /// Of the encoder's output: computed in the first step, then kept.
    is_encoder: bool,
    /// Shape before the first step; the first axis is the row.
    empty: Vec<i64>,
}

/// A loaded decoder.
pub(super) struct Decoder {
    graph: Graph,
    caches: Vec<CacheSlot>,
    /// Takes `inputs_embeds` instead of `input_ids`.
    takes_embeddings: bool,
    has_switch: bool,
    has_encoder_mask: bool,
    has_own_mask: bool,
}

const INPUTS: [&str; 6] = [
    "input_ids",
    "inputs_embeds",
    "encoder_hidden_states",
    "encoder_attention_mask",
    "attention_mask",
    "use_cache_branch",
];

impl Decoder {
    /// Loads the graph for the `index`-th device. `tokens` must all be in its vocabulary.
    pub(super) fn load(
        source: &GraphSource,
        index: usize,
        tokens: &[(&'static str, u32)],
    ) -> Result<Self, SessionError> {
        let graph = source.load(index)?;
        let names = graph.input_names();
        let is_cache = |name: &&String| name.starts_with("past_key_values.");
        let caches = names.iter().filter(is_cache);
        let caches = caches
            .map(|name| cache_slot(&graph, name))
            .collect::<Result<Vec<_>, _>>()?;
        let known: Vec<&str> = INPUTS
            .into_iter()
            .chain(caches.iter().map(|cache| cache.past.as_str()))
            .collect();
        graph.check_inputs(&known)?;
        let has = |name: &str| names.iter().any(|found| found == name);
        let takes_embeddings = has("inputs_embeds");
        if takes_embeddings == has("input_ids") {
            return Err(SessionError::Signature(
                "input_ids or inputs_embeds (exactly one of them)",
            ));
        }
        for (name, kind) in [
            ("input_ids", TensorElementType::Int64),
            ("inputs_embeds", TensorElementType::Float32),
            ("encoder_attention_mask", TensorElementType::Int64),
            ("attention_mask", TensorElementType::Int64),
            ("use_cache_branch", TensorElementType::Bool),
        ] {
            if graph.input(name).is_some_and(|(found, _)| found != kind) {
                return Err(SessionError::Signature(
                    "inputs of the usual types: 64-bit ids and masks, 32-bit floats",
                ));
            }
        }
        if !graph
            .input("encoder_hidden_states")
            .is_some_and(|(kind, shape)| kind == TensorElementType::Float32 && shape.len() == 3)
        {
            return Err(SessionError::Signature(
                "input encoder_hidden_states of 32-bit floats, batch x length x width",
            ));
        }
        let has_switch = has("use_cache_branch");
        if !has_switch && caches.iter().any(|cache| cache.is_encoder) {
            return Err(SessionError::Signature(
                "input use_cache_branch: with encoder caches only the merged decoder can begin a text",
            ));
        }
        let (kind, shape) = graph
            .output("logits")
            .ok_or(SessionError::Signature("output logits"))?;
        if kind != TensorElementType::Float32 || shape.len() != 3 {
            return Err(SessionError::Signature(
                "output logits of 32-bit floats, batch x length x vocabulary",
            ));
        }
        let vocabulary = shape.last().copied().unwrap_or(-1);
        for (field, token) in tokens {
            if vocabulary >= 0 && i64::from(*token) >= vocabulary {
                return Err(SessionError::OutsideVocabulary {
                    field,
                    token: *token,
                    vocabulary,
                });
            }
        }
        Ok(Self {
            caches,
            takes_embeddings,
            has_switch,
            has_encoder_mask: has("encoder_attention_mask"),
            has_own_mask: has("attention_mask"),
            graph,
        })
    }

    pub(super) const fn takes_embeddings(&self) -> bool {
        self.takes_embeddings
    }
}

/// Reads the signature of one cache: `past_key_values.N.key` or `.value`, or with `.decoder.` or `.encoder.` before that.
fn cache_slot(graph: &Graph, past: &str) -> Result<CacheSlot, SessionError> {
    let present = past.replacen("past_key_values.", "present.", 1);
    let unusual =
        || SessionError::Signature("caches of 32-bit floats, batch x heads x length x width");
    let (kind, mut shape) = graph.input(past).ok_or_else(unusual)?;
    if graph.output(&present).is_none() {
        return Err(SessionError::NoOutput(present));
    }
    let [_, heads, length, width] = shape.as_mut_slice() else {
        return Err(unusual());
    };
    if kind != TensorElementType::Float32 || *heads <= 0 || *width <= 0 {
        return Err(unusual());
    }
    *length = (*length).max(0);
    Ok(CacheSlot {
        is_encoder: past.contains(".encoder."),
        past: past.to_owned(),
        present,
        empty: shape,
    })
}

/// What the texts are about: the encoder's output for each picture, or for each pair of picture and prompt.
pub(super) struct Encoded {
    /// Rows x length x width.
    pub(super) states: Block,
    /// Length of each row that is real. (Rows of one batch have one length, so nothing is ever masked.)
    pub(super) length: usize,
}

/// Texts being written.
pub(super) struct Decoding<'a> {
    decoder: &'a mut Decoder,
    embed: Option<&'a mut EmbedGraph>,
    encoded: Encoded,
    /// In the order of the decoder's; empty before the first step, and always without caches.
    caches: Vec<Block>,
    /// Which row of the first step each row descends from.
    owners: Vec<usize>,
    /// Everything written so far, row by row; all of one length.
    written: Vec<Vec<i64>>,
}

impl<'a> Decoding<'a> {
    pub(super) fn new(
        decoder: &'a mut Decoder,
        embed: Option<&'a mut EmbedGraph>,
        encoded: Encoded,
    ) -> Self {
        let rows = side(&encoded.states, 0);
        Self {
            decoder,
            embed,
            caches: Vec::new(),
            owners: (0..rows).collect(),
            written: vec![Vec::new(); rows],
            encoded,
        }
    }

    /// Brings everything that belongs to rows into a new order.
    fn reorder(&mut self, rows: &[usize]) -> Result<(), SessionError> {
        let is_same = rows.iter().copied().eq(0..self.written.len());
        if is_same {
            return Ok(());
        }
        let of = |row: &usize| self.owners.get(*row).copied().unwrap_or_default();
        let owners: Vec<usize> = rows.iter().map(of).collect();
        // What comes from the encoder is the same for all beams of a picture, and by far the largest part.
        let same_owners = owners == self.owners;
        if !same_owners {
            self.encoded.states = gather(&self.encoded.states, rows)?;
        }
        for (slot, cache) in self.decoder.caches.iter().zip(&mut self.caches) {
            if !(slot.is_encoder && same_owners) {
                *cache = gather(cache, rows)?;
            }
        }
        self.owners = owners;
        self.written = rows
            .iter()
            .map(|row| self.written.get(*row).cloned().unwrap_or_default())
            .collect();
        Ok(())
    }
}

impl NextToken for Decoding<'_> {
    fn step(&mut self, rows: &[usize], tokens: &[u32]) -> Result<Logits, SessionError> {
        self.reorder(rows)?;
        for (written, token) in self.written.iter_mut().zip(tokens) {
            written.push(i64::from(*token));
        }
        let rows = self.written.len();
        let length = self.written.first().map_or(0, Vec::len);
        let is_first = self.caches.is_empty();
        let read = if is_first { length } else { 1 };
        let ids: Vec<i64> = self
            .written
            .iter()
            .flat_map(|written| written.iter().skip(length - read).copied())
            .collect();

        let decoder = &mut *self.decoder;
        let tensor = |shape: Vec<usize>, values: Vec<i64>| {
            Tensor::from_array((shape, values)).map_err(SessionError::Run)
        };
        let mut inputs: Vec<(&str, SessionInputValue<'_>)> = Vec::with_capacity(8);
        match (&mut self.embed, decoder.takes_embeddings) {
            (Some(embed), true) => {
                inputs.push(("inputs_embeds", embed.run(rows, read, ids)?.into()));
            }
            (None, false) => inputs.push(("input_ids", tensor(vec![rows, read], ids)?.into())),
            _ => return Err(SessionError::Signature("input for tokens of its family")),
        }
        inputs.push(("encoder_hidden_states", (&self.encoded.states).into()));
        if decoder.has_encoder_mask {
            let length = self.encoded.length;
            let ones = tensor(vec![rows, length], vec![1; rows * length])?;
            inputs.push(("encoder_attention_mask", ones.into()));
        }
        if decoder.has_own_mask {
            let ones = tensor(vec![rows, length], vec![1; rows * length])?;
            inputs.push(("attention_mask", ones.into()));
        }
        if decoder.has_switch {
            let switch = Tensor::from_array(([1_usize], vec![!is_first]));
            inputs.push((
                "use_cache_branch",
                switch.map_err(SessionError::Run)?.into(),
            ));
        }
        for (place, slot) in decoder.caches.iter().enumerate() {
            let value = match self.caches.get(place) {
                Some(cache) => cache.into(),
                None => {
                    let mut shape = slot.empty.clone();
                    if let Some(first) = shape.first_mut() {
                        *first = rows as i64;
                    }
                    zeros(shape)?.into()
                }
            };
            inputs.push((slot.past.as_str(), value));
        }

        let mut outputs = decoder.graph.run(inputs, rows)?;
        let logits = last_of_each(&block(outputs.remove("logits"), "logits")?, rows, read)?;
        let mut caches = Vec::with_capacity(decoder.caches.len());
        for (place, slot) in decoder.caches.iter().enumerate() {
            let present = block(outputs.remove(&slot.present), &slot.present)?;
            let expected = if slot.is_encoder {
                self.encoded.length
            } else {
                length
            };
            let kept = (!is_first && slot.is_encoder).then_some(place);
            if kept.is_none() && (side(&present, 0), side(&present, 2)) != (rows, expected) {
                return Err(SessionError::WrongOutput {
                    found: side(&present, 2),
                    expected,
                });
            }
            caches.push((kept, present));
        }
        drop(outputs);
        let mut old: Vec<Option<Block>> = self.caches.drain(..).map(Some).collect();
        self.caches = caches
            .into_iter()
            .map(|(kept, present)| {
                let kept = kept.and_then(|place| old.get_mut(place).and_then(Option::take));
                kept.unwrap_or(present)
            })
            .collect();
        Ok(logits)
    }
}

/// The scores after the last token that was read, row by row.
fn last_of_each(logits: &Block, rows: usize, read: usize) -> Result<Logits, SessionError> {
    let width = side(logits, 2);
    let (_, values) = logits.extract_tensor();
    let expected = rows * read * width;
    if values.len() != expected || side(logits, 1) != read || width == 0 {
        return Err(SessionError::WrongOutput {
            found: values.len(),
            expected,
        });
    }
    let last = values
        .chunks_exact(read * width)
        .filter_map(|row| row.get((read - 1) * width..))
        .flatten()
        .copied()
        .collect();
    Ok(Logits {
        values: last,
        width,
    })
}
