//! The pixel input of a graph: its signature, and batches as one block.

use ort::session::SessionInputValue;
use ort::value::{TensorElementType, TensorRef};

use crate::graph::Graph;
use crate::session::SessionError;

/// The input that takes tensors of 3 x size x size values, channel by channel, rows from the top.
pub(crate) struct PixelInput {
    name: &'static str,
    size: usize,
    /// The batch, kept between runs.
    block: Vec<f32>,
}

impl PixelInput {
    /// Finds the input by one of its names and compares it with the manifest. A graph that was exported for batches of one size only
    /// gets all its batches filled up to that.
    pub(crate) fn find(
        graph: &mut Graph,
        names: &[&'static str],
        size: u32,
    ) -> Result<Self, SessionError> {
        let (name, (kind, shape)) = names
            .iter()
            .find_map(|name| Some((*name, graph.input(name)?)))
            .ok_or(SessionError::Signature("input for pixels"))?;
        let &[batch, channels, height, width] = shape.as_slice() else {
            return Err(SessionError::Signature(SHAPE));
        };
        if kind != TensorElementType::Float32 || !matches!(channels, -1 | 3) {
            return Err(SessionError::Signature(SHAPE));
        }
        for side in [height, width].into_iter().filter(|side| *side >= 0) {
            if side != i64::from(size) {
                return Err(SessionError::Disagreement {
                    field: "image.size",
                    manifest: i64::from(size),
                    graph: side,
                });
            }
        }
        if let Ok(only) = usize::try_from(batch) {
            graph.fix_batch(only)?;
        }
        Ok(Self {
            name,
            size: size as usize,
            block: Vec::new(),
        })
    }

    /// The batch as one value of `rows` rows; those beyond the last tensor repeat it.
    pub(crate) fn fill<'a>(
        &'a mut self,
        tensors: impl Iterator<Item = &'a [f32]>,
        rows: usize,
    ) -> Result<(&'static str, SessionInputValue<'a>), SessionError> {
        let length = 3 * self.size * self.size;
        self.block.clear();
        self.block.reserve(rows * length);
        for tensor in tensors {
            self.block.extend_from_slice(tensor);
        }
        let last = self.block.len().saturating_sub(length);
        while self.block.len() < rows * length {
            self.block.extend_from_within(last..last + length);
        }
        let shape = [rows, 3, self.size, self.size];
        let pixels = TensorRef::from_array_view((shape, self.block.as_slice()))
            .map_err(SessionError::Run)?;
        Ok((self.name, pixels.into()))
    }
}

/// What every pixel input is, in words.
const SHAPE: &str = "input for pixels of 32-bit floats, batch x 3 x size x size";
