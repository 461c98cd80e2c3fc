//! A layer's weights at eight bits a value.
//!
//! A product with few rows, as of one short text, waits for the weights to come from memory; these are a quarter of the bytes. Each output
//! has a step of its own, and so has each row that is multiplied (see [`super::int8_layers`]), so that no text hangs on its neighbours in a batch.

use super::safetensors::Tensor;
use crate::programs::Failure;

/// What stands for 0: codes are unsigned, because processors without instructions for these products multiply those without overflow.
pub(super) const MIDDLE: u8 = 128;
/// Steps from the middle to the largest value.
pub(super) const STEPS: f32 = 127.0;

/// A matrix of inputs x outputs, and the width of a step of each output.
#[derive(Debug, PartialEq)]
pub(super) struct Codes {
    pub(super) codes: Vec<u8>,
    pub(super) steps: Vec<f32>,
}

impl Codes {
    /// What each output gives for a row of ones.
    pub(super) fn sums(&self) -> Vec<f32> {
        let outputs = self.steps.len().max(1);
        let mut sums = vec![0_i32; outputs];
        for codes in self.codes.chunks_exact(outputs) {
            for (sum, code) in sums.iter_mut().zip(codes) {
                *sum += i32::from(*code) - i32::from(MIDDLE);
            }
        }
        let scaled = sums.iter().zip(&self.steps);
        scaled.map(|(sum, step)| *sum as f32 * step).collect()
    }
}

/// Of weights that are kept as outputs x inputs.
pub(super) fn codes(weights: &Tensor<'_>) -> Result<Codes, Failure> {
    let [outputs, inputs] = weights.shape[..] else {
        return Err(Failure::new("a layer's weights are no matrix"));
    };
    let values: Vec<f32> = weights.values().collect();
    let mut codes = vec![MIDDLE; inputs * outputs];
    let mut steps = Vec::with_capacity(outputs);
    for (output, row) in values.chunks_exact(inputs.max(1)).enumerate() {
        let largest = row.iter().fold(0.0_f32, |most, one| most.max(one.abs()));
        let step = (largest / STEPS).max(f32::MIN_POSITIVE);
        for (input, value) in row.iter().enumerate() {
            codes[input * outputs + output] = ((value / step).round() + f32::from(MIDDLE)) as u8;
        }
        steps.push(step);
    }
    Ok(Codes { codes, steps })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_output_has_its_own_step_and_inputs_come_first() {
        let values: [f32; 6] = [1.27, -0.5, 0.0, 0.0, 0.0, 0.0];
        let data: Vec<u8> = values.iter().flat_map(|one| one.to_le_bytes()).collect();
        let weights = Tensor {
            shape: vec![2, 3],
            data: &data,
        };
        let found = codes(&weights).unwrap();
        assert_eq!(found.codes, [255, 128, 78, 128, 128, 128]);
        assert!((found.steps[0] - 0.01).abs() < 1e-6 && found.steps[1] > 0.0);
        let sums = found.sums();
        assert!((sums[0] - 0.77).abs() < 1e-5 && sums[1] == 0.0);
        let row = Tensor {
            shape: vec![6],
            data: &data,
        };
        assert!(codes(&row).is_err());
    }
}
