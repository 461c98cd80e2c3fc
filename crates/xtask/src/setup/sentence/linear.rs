//! Products with the weights of layers, as 32-bit floats or at eight bits a value.
//!
//! With weights of eight bits, each row that is multiplied with them is put into eight bits, too: in steps of its own largest value. The
//! values of attention are left as they are; with them, sentences would be three times as far from where they should be.

use super::{
    bert::Bert,
    int8,
    onnx::{Attribute, Element},
};
use crate::programs::Failure;

/// What most weights of the layers are written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Precision {
    Float,
    Int8,
}

/// What is multiplied with weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Values {
    /// Bears no rounding to eight bits.
    Exact,
    /// On both sides of 0.
    Normal,
    /// What a GELU gives: hardly below 0.
    Gelu,
}

/// What makes all values of a GELU positive.
const RAISED: f32 = 0.17;

impl Bert<'_> {
    /// What products with weights of eight bits need.
    pub(super) fn int8_constants(&mut self) {
        let graph = &mut self.graph;
        graph.constant("middle", Element::Uint8, &[], &[int8::MIDDLE]);
        graph.scalar("one_of_steps", 1.0 / int8::STEPS);
        graph.scalar("least_step", f32::MIN_POSITIVE);
        // Casting cuts off, so half a step more rounds.
        graph.scalar("middle_and_half", f32::from(int8::MIDDLE) + 0.5);
        graph.constant("nothing", Element::Uint8, &[], &[0]);
        graph.scalar("one_of_all", 1.0 / f32::from(u8::MAX));
        graph.scalar("raised", RAISED);
    }

    /// A product with a layer's weights, and its bias.
    pub(super) fn linear(
        &mut self,
        name: &str,
        input: &str,
        values: Values,
    ) -> Result<String, Failure> {
        let weight = format!("{name}.weight");
        let tensor = self.weights.tensor(&weight)?;
        let shape: Vec<usize> = tensor.shape.iter().rev().copied().collect();
        let is_float = self.precision == Precision::Float || values == Values::Exact;
        let (product, bias) = if is_float {
            let turned = tensor.transposed()?;
            self.graph
                .constant(&weight, Element::Float, &shape, &turned);
            let bias = self.weight(&format!("{name}.bias"))?;
            (self.graph.node("MatMul", &[input, &weight], &[]), bias)
        } else {
            let weights = int8::codes(&tensor)?;
            self.graph
                .constant(&weight, Element::Uint8, &shape, &weights.codes);
            let bias = self.bias_beside(&format!("{name}.bias"), &weights, values)?;
            let steps = self
                .graph
                .numbers(&format!("{weight}.steps"), &weights.steps);
            (self.int8_product(input, values, &weight, &steps), bias)
        };
        Ok(self.graph.node("Add", &[&product, &bias], &[]))
    }

    /// The bias, less what rows are raised by before they are put into eight bits.
    fn bias_beside(
        &mut self,
        name: &str,
        weights: &int8::Codes,
        values: Values,
    ) -> Result<String, Failure> {
        if values != Values::Gelu {
            return self.weight(name);
        }
        let bias = self.weights.tensor(name)?;
        let lowered: Vec<f32> = bias
            .values()
            .zip(weights.sums())
            .map(|(bias, sum)| bias - RAISED * sum)
            .collect();
        Ok(self.graph.numbers(name, &lowered))
    }

    /// A product of rows that are put into eight bits with weights of eight bits: whole numbers, and the steps of rows and outputs.
    fn int8_product(&mut self, input: &str, values: Values, weight: &str, steps: &str) -> String {
        let graph = &mut self.graph;
        let last = [
            Attribute::Ints("axes", &[-1]),
            Attribute::Int("keepdims", 1),
        ];
        let (rows, sizes, step, half, nothing) = if values == Values::Gelu {
            let rows = graph.node("Add", &[input, "raised"], &[]);
            (rows.clone(), rows, "one_of_all", "half", "nothing")
        } else {
            let sizes = graph.node("Abs", &[input], &[]);
            let (half, nothing) = ("middle_and_half", "middle");
            (input.to_owned(), sizes, "one_of_steps", half, nothing)
        };
        let largest = graph.node("ReduceMax", &[&sizes], &last);
        let row_steps = graph.node("Mul", &[&largest, step], &[]);
        let row_steps = graph.node("Max", &[&row_steps, "least_step"], &[]);
        let codes = graph.node("Div", &[&rows, &row_steps], &[]);
        let codes = graph.node("Add", &[&codes, half], &[]);
        let codes = graph.node("Cast", &[&codes], &[Attribute::to(Element::Uint8)]);
        let operands = [&codes, weight, nothing, "middle"];
        let product = graph.node("MatMulInteger", &operands, &[]);
        let product = graph.node("Cast", &[&product], &[Attribute::to(Element::Float)]);
        let product = graph.node("Mul", &[&product, &row_steps], &[]);
        graph.node("Mul", &[&product, steps], &[])
    }
}
