//! Outputs of a detector's graph, checked before anything reads them.

use ort::session::SessionOutputs;
use ort::value::PrimitiveTensorElementType;

use crate::graph::Graph;
use crate::session::SessionError;

/// Why the outputs for one picture are of no use; those for others may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DetectionFault {
    /// A score that is no number.
    #[error("a score is not a number")]
    Score,
    /// A box whose place is not finite.
    #[error("a box has a place that is not a finite number")]
    Box,
    /// A class for which there is no line in the labels file.
    #[error("there is no class {0}")]
    Class(i64),
}

/// The values of one output, or of one row of it: `middle` things of `last` values each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'a, T> {
    pub(super) values: &'a [T],
    name: &'a str,
    pub(super) middle: i64,
    pub(super) last: i64,
}

/// Shape of an output as the graph announces it (-1 where it varies), after a check of its kind and rank.
pub(super) fn announced<T: PrimitiveTensorElementType>(
    graph: &Graph,
    name: &str,
    rank: usize,
) -> Result<Vec<i64>, SessionError> {
    let (kind, shape) = graph
        .output(name)
        .ok_or_else(|| SessionError::NoOutput(name.to_owned()))?;
    let expected = T::into_tensor_element_type();
    if kind != expected || shape.len() != rank {
        return Err(SessionError::OutputKind {
            name: name.to_owned(),
            found: format!("{kind} of {} dimensions", shape.len()),
            expected: format!("{expected} of {rank} dimensions"),
        });
    }
    Ok(shape)
}

/// The values of an output of `rows` rows and this rank, 2 or 3.
pub(super) fn block<'a, T: PrimitiveTensorElementType>(
    outputs: &'a SessionOutputs<'_>,
    name: &'a str,
    rows: usize,
    rank: usize,
) -> Result<Block<'a, T>, SessionError> {
    let output = outputs
        .get(name)
        .ok_or_else(|| SessionError::NoOutput(name.to_owned()))?;
    let (shape, values) = output
        .try_extract_tensor::<T>()
        .map_err(SessionError::Run)?;
    let wrong = |expected: String| SessionError::OutputShape {
        name: name.to_owned(),
        found: shape.to_vec(),
        expected,
    };
    let (first, middle, last) = match **shape {
        [first, last] if rank == 2 => (first, 1, last),
        [first, middle, last] if rank == 3 => (first, middle, last),
        _ => return Err(wrong(format!("{rank} dimensions"))),
    };
    if first != rows as i64 {
        return Err(wrong(format!("{rows} rows")));
    }
    Ok(Block {
        values,
        name,
        middle,
        last,
    })
}

impl<'a, T> Block<'a, T> {
    /// Refuses another size.
    pub(super) fn expect(&self, middle: i64, last: i64) -> Result<(), SessionError> {
        if (self.middle, self.last) == (middle, last) {
            return Ok(());
        }
        Err(SessionError::OutputShape {
            name: self.name.to_owned(),
            found: vec![self.middle, self.last],
            expected: format!("{middle} x {last} for each picture"),
        })
    }

    /// One block for each row.
    pub(super) fn rows(&self) -> impl Iterator<Item = Block<'a, T>> + use<'a, T> {
        let (name, middle, last) = (self.name, self.middle, self.last);
        let length = usize::try_from(middle * last).unwrap_or_default();
        self.values
            .chunks_exact(length.max(1))
            .map(move |values| Block {
                values,
                name,
                middle,
                last,
            })
    }
}

impl Block<'_, f32> {
    /// The `index`-th four values, if all are finite.
    pub(super) fn four(&self, index: usize) -> Option<[f64; 4]> {
        let four = self.values.as_chunks::<4>().0.get(index)?;
        four.iter()
            .all(|value| value.is_finite())
            .then(|| four.map(f64::from))
    }
}
