//! The graph of a BERT encoder, written from its weights: `input_ids`, `attention_mask`, `token_type_ids` (64-bit, batch x length)
//! to `last_hidden_state` (32-bit floats, batch x length x width).
//!
//! The arithmetic is that of the reference implementation: sums of word, kind and place vectors; layers of attention and of a widened
//! product with an exact GELU, each added to its input and normalised. Pooling is left to whoever runs the graph.

use super::{
    onnx::{Attribute, Element, Graph},
    safetensors::Safetensors,
};
use crate::programs::Failure;

/// What the weights do not say by their shapes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) layers: usize,
    pub(super) heads: i64,
    /// Keeps the normalisation from dividing by zero.
    pub(super) epsilon: f32,
}

/// What most weights of the layers are written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Precision {
    /// By operators that every runtime of this format has.
    Float,
    /// By ONNX Runtime's own operators, for processors.
    Int8,
}

const OPSET: i64 = 17;

/// The bytes of the ONNX file.
pub(super) fn graph(
    weights: &Safetensors<'_>,
    shape: Shape,
    precision: Precision,
) -> Result<Vec<u8>, Failure> {
    let words = weights.tensor("embeddings.word_embeddings.weight")?;
    let width = words.shape.last().copied().unwrap_or_default();
    let heads = usize::try_from(shape.heads).unwrap_or_default().max(1);
    if width == 0 || !width.is_multiple_of(heads) {
        return Err(Failure::new("the heads do not divide the width"));
    }
    let mut bert = Bert {
        graph: Graph::default(),
        weights,
        heads: shape.heads,
        epsilon: shape.epsilon,
    };
    for name in ["input_ids", "attention_mask", "token_type_ids"] {
        bert.graph.input(name, Element::Int64, &["batch", "length"]);
    }
    let is_float = precision == Precision::Float;
    let mask = if is_float {
        bert.float_constants(width / heads);
        bert.attention_bias()
    } else {
        bert.int8_constants();
        bert.key_mask()
    };
    let mut state = bert.embeddings()?;
    for layer in 0..shape.layers {
        let name = format!("encoder.layer.{layer}");
        if is_float {
            state = bert.attention(&name, &state, &mask)?;
            state = bert.widened(&name, &state)?;
        } else {
            state = bert.int8_attention(&name, &state, &mask)?;
            state = bert.int8_widened(&name, &state)?;
        }
    }
    bert.graph
        .named_node("Identity", &[&state], "last_hidden_state", &[]);
    bert.graph.output(
        "last_hidden_state",
        Element::Float,
        &["batch", "length", &width.to_string()],
    );
    Ok(bert.graph.into_model("bert", OPSET))
}

pub(super) struct Bert<'a> {
    pub(super) graph: Graph,
    pub(super) weights: &'a Safetensors<'a>,
    pub(super) heads: i64,
    pub(super) epsilon: f32,
}

impl Bert<'_> {
    fn float_constants(&mut self, head_width: usize) {
        let graph = &mut self.graph;
        // In a reshape 0 keeps a side and -1 takes what is left.
        graph.integers("split_heads", &[0, 0, self.heads, -1]);
        graph.integers("join_heads", &[0, 0, -1]);
        graph.integers("zero", &[0]);
        graph.integers("mask_axes", &[1, 2]);
        graph.scalar("one", 1.0);
        graph.scalar("half", 0.5);
        graph.scalar("root_two", std::f32::consts::SQRT_2);
        graph.scalar("lowest", f32::MIN);
        graph.scalar("root_width", (head_width as f32).sqrt());
    }

    /// A tensor of the weights under its own name.
    pub(super) fn weight(&mut self, name: &str) -> Result<String, Failure> {
        let tensor = self.weights.tensor(name)?;
        Ok(self
            .graph
            .constant(name, Element::Float, &tensor.shape, tensor.data))
    }

    /// A layer's weights as inputs x outputs.
    pub(super) fn turned_weight(&mut self, name: &str) -> Result<String, Failure> {
        let weight = format!("{name}.weight");
        let tensor = self.weights.tensor(&weight)?;
        let shape: Vec<usize> = tensor.shape.iter().rev().copied().collect();
        let turned = tensor.transposed()?;
        Ok(self
            .graph
            .constant(&weight, Element::Float, &shape, &turned))
    }

    /// A product with a layer's weights, and its bias.
    fn linear(&mut self, name: &str, input: &str) -> Result<String, Failure> {
        let weight = self.turned_weight(name)?;
        let bias = self.weight(&format!("{name}.bias"))?;
        let product = self.graph.node("MatMul", &[input, &weight], &[]);
        Ok(self.graph.node("Add", &[&product, &bias], &[]))
    }

    fn normalised(&mut self, name: &str, input: &str) -> Result<String, Failure> {
        let weight = self.weight(&format!("{name}.weight"))?;
        let bias = self.weight(&format!("{name}.bias"))?;
        let attributes = [
            Attribute::Int("axis", -1),
            Attribute::Float("epsilon", self.epsilon),
        ];
        Ok(self
            .graph
            .node("LayerNormalization", &[input, &weight, &bias], &attributes))
    }

    /// Nothing for real tokens, the lowest number for filled-up ones: batch x 1 x 1 x length.
    fn attention_bias(&mut self) -> String {
        let graph = &mut self.graph;
        let mask = graph.node(
            "Cast",
            &["attention_mask"],
            &[Attribute::to(Element::Float)],
        );
        let mask = graph.node("Unsqueeze", &[&mask, "mask_axes"], &[]);
        let filled = graph.node("Sub", &["one", &mask], &[]);
        graph.node("Mul", &[&filled, "lowest"], &[])
    }

    fn embeddings(&mut self) -> Result<String, Failure> {
        let words = self.weight("embeddings.word_embeddings.weight")?;
        let kinds = self.weight("embeddings.token_type_embeddings.weight")?;
        let places = self.weight("embeddings.position_embeddings.weight")?;
        let graph = &mut self.graph;
        let words = graph.node("Gather", &[&words, "input_ids"], &[]);
        let kinds = graph.node("Gather", &[&kinds, "token_type_ids"], &[]);
        let length = graph.node(
            "Shape",
            &["input_ids"],
            &[Attribute::Int("start", 1), Attribute::Int("end", 2)],
        );
        let places = graph.node("Slice", &[&places, "zero", &length, "zero"], &[]);
        let sum = graph.node("Add", &[&words, &kinds], &[]);
        let sum = graph.node("Add", &[&sum, &places], &[]);
        self.normalised("embeddings.LayerNorm", &sum)
    }

    /// Splits the width into heads and brings the axes into this order.
    fn heads(&mut self, input: &str, order: &[i64]) -> String {
        let split = self.graph.node("Reshape", &[input, "split_heads"], &[]);
        self.graph
            .node("Transpose", &[&split], &[Attribute::Ints("perm", order)])
    }

    fn attention(&mut self, layer: &str, state: &str, bias: &str) -> Result<String, Failure> {
        let queries = self.linear(&format!("{layer}.attention.self.query"), state)?;
        let keys = self.linear(&format!("{layer}.attention.self.key"), state)?;
        let values = self.linear(&format!("{layer}.attention.self.value"), state)?;
        let queries = self.heads(&queries, &[0, 2, 1, 3]);
        let keys = self.heads(&keys, &[0, 2, 3, 1]);
        let values = self.heads(&values, &[0, 2, 1, 3]);
        let graph = &mut self.graph;
        let scores = graph.node("MatMul", &[&queries, &keys], &[]);
        let scores = graph.node("Div", &[&scores, "root_width"], &[]);
        let scores = graph.node("Add", &[&scores, bias], &[]);
        let shares = graph.node("Softmax", &[&scores], &[Attribute::Int("axis", -1)]);
        let seen = graph.node("MatMul", &[&shares, &values], &[]);
        let seen = graph.node(
            "Transpose",
            &[&seen],
            &[Attribute::Ints("perm", &[0, 2, 1, 3])],
        );
        let seen = graph.node("Reshape", &[&seen, "join_heads"], &[]);
        let output = self.linear(&format!("{layer}.attention.output.dense"), &seen)?;
        let sum = self.graph.node("Add", &[&output, state], &[]);
        self.normalised(&format!("{layer}.attention.output.LayerNorm"), &sum)
    }

    fn widened(&mut self, layer: &str, state: &str) -> Result<String, Failure> {
        let wide = self.linear(&format!("{layer}.intermediate.dense"), state)?;
        let graph = &mut self.graph;
        let error = graph.node("Div", &[&wide, "root_two"], &[]);
        let error = graph.node("Erf", &[&error], &[]);
        let gate = graph.node("Add", &[&error, "one"], &[]);
        let wide = graph.node("Mul", &[&wide, &gate], &[]);
        let wide = graph.node("Mul", &[&wide, "half"], &[]);
        let output = self.linear(&format!("{layer}.output.dense"), &wide)?;
        let sum = self.graph.node("Add", &[&output, state], &[]);
        self.normalised(&format!("{layer}.output.LayerNorm"), &sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_weights_are_named() {
        let header = r#"{"embeddings.word_embeddings.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}"#;
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend_from_slice(header.as_bytes());
        file.extend_from_slice(&[0; 8]);
        let shape = Shape {
            layers: 1,
            heads: 2,
            epsilon: 1e-12,
        };
        let missing = graph(&Safetensors::parse(&file).unwrap(), shape, Precision::Float)
            .unwrap_err()
            .to_string();
        assert!(
            missing.contains("embeddings.token_type_embeddings.weight"),
            "{missing}"
        );
        assert!(
            graph(
                &Safetensors::parse(&file).unwrap(),
                Shape { heads: 3, ..shape },
                Precision::Int8
            )
            .is_err()
        );
    }
}
