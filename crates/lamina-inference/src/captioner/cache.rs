//! What a decoder keeps between two tokens, row by row.

use ort::value::{DynValue, Tensor, TensorValueType};

use crate::session::SessionError;

/// Values whose first axis is the row.
pub(super) type Block = Tensor<f32>;

/// Takes an output over, without a copy.
pub(super) fn block(output: Option<DynValue>, name: &str) -> Result<Block, SessionError> {
    let output = output.ok_or_else(|| SessionError::NoOutput(name.to_owned()))?;
    output
        .downcast::<TensorValueType<f32>>()
        .map_err(SessionError::Run)
}

/// A block of zeros; a side may be 0.
pub(super) fn zeros(shape: Vec<i64>) -> Result<Block, SessionError> {
    let length: i64 = shape.iter().product();
    let values = vec![0.0; usize::try_from(length).unwrap_or_default()];
    Tensor::from_array((shape, values)).map_err(SessionError::Run)
}

/// Length of one axis of a block; 0 where there is no such axis.
pub(super) fn side(block: &Block, axis: usize) -> usize {
    let side = block.shape().get(axis).copied().unwrap_or_default();
    usize::try_from(side).unwrap_or_default()
}

/// The block whose row `i` is row `rows[i]` of this one.
pub(super) fn gather(block: &Block, rows: &[usize]) -> Result<Block, SessionError> {
    let (shape, values) = block.extract_tensor();
    let (found, row_shape) = shape.split_first().unwrap_or((&0, &[]));
    let row_length: i64 = row_shape.iter().product();
    let row_length = usize::try_from(row_length).unwrap_or_default();
    let mut gathered = Vec::with_capacity(rows.len() * row_length);
    for row in rows {
        let row = values.get(row * row_length..(row + 1) * row_length);
        gathered.extend_from_slice(row.ok_or_else(|| SessionError::WrongOutput {
            found: usize::try_from(*found).unwrap_or_default() * row_length,
            expected: rows.len() * row_length,
        })?);
    }
    let shape: Vec<i64> = std::iter::once(rows.len() as i64)
        .chain(row_shape.iter().copied())
        .collect();
    Tensor::from_array((shape, gathered)).map_err(SessionError::Run)
}
