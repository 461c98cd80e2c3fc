//! Layers with weights of eight bits, by operators that ONNX Runtime alone has: each does what several of the format do, and a text is so
//! short that a third of the time went into handing rows from one to the next.
//!
//! Each row that is multiplied is put into eight bits, too: in steps of its own largest value, so that no text hangs on its neighbours in
//! a batch. The values of attention are left as they are; with them, sentences would be three times as far from where they should be.

use super::{
    bert::Bert,
    int8,
    onnx::{Attribute, Element},
};
use crate::programs::Failure;

/// What makes all values of a GELU positive.
const RAISED: f32 = 0.17;

/// Rows at eight bits a value.
struct Rows {
    codes: String,
    /// The largest value of each row.
    largest: String,
    /// What stands for 0.
    zero: &'static str,
    /// Steps from 0 to the largest value.
    steps: f32,
}

impl Bert<'_> {
    pub(super) fn int8_constants(&mut self) {
        let graph = &mut self.graph;
        graph.integers("zero", &[0]);
        graph.scalar("one", 1.0);
        graph.constant("middle", Element::Uint8, &[], &[int8::MIDDLE]);
        graph.scalar("step", 1.0 / int8::STEPS);
        graph.constant("nothing", Element::Uint8, &[], &[0]);
        graph.scalar("step_of_all", 1.0 / f32::from(u8::MAX));
        graph.scalar("raised", RAISED);
    }

    /// Which tokens are real: batch x length.
    pub(super) fn key_mask(&mut self) -> String {
        let to = [Attribute::to(Element::Int32)];
        self.graph.node("Cast", &["attention_mask"], &to)
    }

    pub(super) fn int8_attention(
        &mut self,
        layer: &str,
        state: &str,
        mask: &str,
    ) -> Result<String, Failure> {
        let of = |part: &str| format!("{layer}.attention.self.{part}");
        let rows = self.rows(state);
        let queries = self.int8_product(&of("query"), &rows)?.0;
        let keys = self.int8_product(&of("key"), &rows)?.0;
        let weight = self.turned_weight(&of("value"))?;
        let values = self.graph.node("MatMul", &[state, &weight], &[]);
        let mut biases = Vec::new();
        for part in ["query", "key", "value"] {
            let bias = self.weights.tensor(&of(&format!("{part}.bias")))?;
            biases.extend(bias.values());
        }
        let biases = self.graph.numbers(&of("bias"), &biases);
        let inputs = [&queries, &keys, &values, &biases, mask];
        let heads = [Attribute::Int("num_heads", self.heads)];
        let seen = self
            .graph
            .runtime_node("MultiHeadAttention", &inputs, &heads);
        let name = format!("{layer}.attention.output");
        let rows = self.rows(&seen);
        let output = self.int8_product(&format!("{name}.dense"), &rows)?.0;
        let bias = self.weight(&format!("{name}.dense.bias"))?;
        self.added_and_normalised(&name, &output, &bias, state)
    }

    pub(super) fn int8_widened(&mut self, layer: &str, state: &str) -> Result<String, Failure> {
        let name = format!("{layer}.intermediate.dense");
        let rows = self.rows(state);
        let wide = self.int8_product(&name, &rows)?.0;
        let bias = self.weight(&format!("{name}.bias"))?;
        let wide = self.graph.runtime_node("BiasGelu", &[&wide, &bias], &[]);
        let name = format!("{layer}.output");
        let rows = self.raised_rows(&wide);
        let (output, sums) = self.int8_product(&format!("{name}.dense"), &rows)?;
        // Less what the rows were raised by.
        let bias = format!("{name}.dense.bias");
        let unlowered = self.weights.tensor(&bias)?;
        let lowered = unlowered.values().zip(sums);
        let lowered: Vec<f32> = lowered.map(|(bias, sum)| bias - RAISED * sum).collect();
        let bias = self.graph.numbers(&bias, &lowered);
        self.added_and_normalised(&name, &output, &bias, state)
    }

    /// Rows with values on both sides of 0. One of zeros alone has no step, and no codes that mean anything, but is multiplied with its
    /// largest value in the end.
    fn rows(&mut self, input: &str) -> Rows {
        let sizes = self.graph.node("Abs", &[input], &[]);
        let zero = "middle";
        let (codes, largest) = self.codes(input, &sizes, "step", zero);
        Rows {
            codes,
            largest,
            zero,
            steps: int8::STEPS,
        }
    }

    /// Rows of a GELU, whose values are hardly below 0: raised, so that all eight bits are used.
    fn raised_rows(&mut self, input: &str) -> Rows {
        let raised = self.graph.node("Add", &[input, "raised"], &[]);
        let zero = "nothing";
        let (codes, largest) = self.codes(&raised, &raised, "step_of_all", zero);
        Rows {
            codes,
            largest,
            zero,
            steps: f32::from(u8::MAX),
        }
    }

    fn codes(&mut self, rows: &str, sizes: &str, step: &str, zero: &str) -> (String, String) {
        let graph = &mut self.graph;
        let last = [
            Attribute::Ints("axes", &[-1]),
            Attribute::Int("keepdims", 1),
        ];
        let largest = graph.node("ReduceMax", &[sizes], &last);
        let shares = graph.node("Div", &[rows, &largest], &[]);
        let codes = graph.node("QuantizeLinear", &[&shares, step, zero], &[]);
        (codes, largest)
    }

    /// A product with a layer's weights, without its bias, and what each output gives for a row of ones.
    fn int8_product(&mut self, name: &str, rows: &Rows) -> Result<(String, Vec<f32>), Failure> {
        let weight = format!("{name}.weight");
        let tensor = self.weights.tensor(&weight)?;
        let shape: Vec<usize> = tensor.shape.iter().rev().copied().collect();
        let weights = int8::codes(&tensor)?;
        let graph = &mut self.graph;
        graph.constant(&weight, Element::Uint8, &shape, &weights.codes);
        let steps = weights.steps.iter().map(|step| step / rows.steps);
        let steps: Vec<f32> = steps.collect();
        let steps = graph.numbers(&format!("{weight}.steps"), &steps);
        let operands = [&rows.codes, &weight, "one", &steps, rows.zero, "middle"];
        let product = graph.runtime_node("MatMulIntegerToFloat", &operands, &[]);
        let product = graph.node("Mul", &[&product, &rows.largest], &[]);
        Ok((product, weights.sums()))
    }

    /// The sum of a layer's output, its bias and its input, normalised.
    fn added_and_normalised(
        &mut self,
        name: &str,
        output: &str,
        bias: &str,
        state: &str,
    ) -> Result<String, Failure> {
        let weight = self.weight(&format!("{name}.LayerNorm.weight"))?;
        let shift = self.weight(&format!("{name}.LayerNorm.bias"))?;
        let inputs = [output, state, &weight, &shift, bias];
        let epsilon = [Attribute::Float("epsilon", self.epsilon)];
        Ok(self
            .graph
            .runtime_node("SkipLayerNormalization", &inputs, &epsilon))
    }
}
