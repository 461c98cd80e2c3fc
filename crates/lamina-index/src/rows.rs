//! Rows of half-precision values as they lie in memory or in a file, counted by place.

use half::f16;
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

use crate::column::Column;
use crate::distance::from_cosine;
use crate::kernels::{kernels, prefetch};
use crate::{IndexError, VectorError};

/// How far from 1 the length of a stored vector may be. Rounding to half precision moves it by at most 5e-4.
const UNIT_TOLERANCE: f32 = 1e-3;

/// Rows of one dimension, each finite and of length 1 within 1e-3. Distances divide by the exact stored length.
#[derive(Clone, PartialEq)]
pub(crate) struct Rows {
    dimension: usize,
    values: Column<f16>,
    /// 1 / length of each stored row.
    scales: Vec<f32>,
}

impl Rows {
    pub(crate) fn with_capacity(dimension: usize, rows: usize) -> Self {
        Self {
            dimension,
            values: Vec::with_capacity(rows.saturating_mul(dimension)).into(),
            scales: Vec::with_capacity(rows),
        }
    }

    /// All rows as they lie in a file; refused as rows of [`Self::push`] are, by their place.
    pub(crate) fn from_column(dimension: usize, values: Column<f16>) -> Result<Self, IndexError> {
        let scales: Result<Vec<f32>, IndexError> = values
            .par_chunks(dimension.max(1))
            .enumerate()
            .map(|(row, values)| {
                unit_scale(dimension, values).map_err(|source| IndexError::Row { row, source })
            })
            .collect();
        Ok(Self {
            dimension,
            scales: scales?,
            values,
        })
    }

    /// The rows of these places, one after the other.
    pub(crate) fn gathered(&self, places: &[u32]) -> Self {
        let mut values = vec![f16::ZERO; places.len() * self.dimension];
        values
            .par_chunks_exact_mut(self.dimension)
            .zip(places)
            .for_each(|(row, place)| row.copy_from_slice(self.row(*place as usize)));
        let scale = |place: &u32| self.scales[*place as usize];
        Self {
            dimension: self.dimension,
            values: values.into(),
            scales: places.iter().map(scale).collect(),
        }
    }

    /// Appends a row; nothing is changed when it is refused: another dimension, not a unit vector, or more rows than an index holds.
    pub(crate) fn push(&mut self, values: impl Iterator<Item = f16>) -> Result<(), IndexError> {
        let row = self.len();
        // The count column is a signed 32-bit integer.
        if row >= i32::MAX as usize {
            return Err(IndexError::TooMany(row + 1));
        }
        let stored = self.values.make_owned();
        let start = stored.len();
        stored.extend(values);
        match unit_scale(self.dimension, &stored[start..]) {
            Ok(scale) => {
                self.scales.push(scale);
                Ok(())
            }
            Err(source) => {
                stored.truncate(start);
                Err(IndexError::Row { row, source })
            }
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.scales.len()
    }

    pub(crate) const fn dimension(&self) -> usize {
        self.dimension
    }

    /// The stored values of a row.
    #[inline]
    pub(crate) fn row(&self, place: usize) -> &[f16] {
        &self.values[place * self.dimension..(place + 1) * self.dimension]
    }

    pub(crate) fn unit_row_into(&self, place: usize, into: &mut [f32]) {
        self.row(place).convert_to_f32_slice(into);
        let scale = self.scales[place];
        for value in into {
            *value *= scale;
        }
    }

    /// Cosine distance of two rows, the same in both orders.
    pub(crate) fn distance(&self, a: usize, b: usize) -> f32 {
        if a == b {
            return 0.0;
        }
        from_cosine(
            kernels().dot_halves(self.row(a), self.row(b)) * (self.scales[a] * self.scales[b]),
        )
    }

    /// Cosine distance of a row to a unit vector of the same dimension.
    #[inline]
    pub(crate) fn distance_to(&self, place: usize, unit: &[f32]) -> f32 {
        from_cosine(kernels().dot_half(unit, self.row(place)) * self.scales[place])
    }

    /// Asks for a row to be brought from memory.
    #[inline]
    pub(crate) fn fetch(&self, place: usize) {
        prefetch(self.row(place), usize::MAX);
        prefetch(&self.scales[place..=place], usize::MAX);
    }

    /// All values, row after row, and 1 / length of each row.
    pub(crate) fn parts(&self) -> (&[f16], &[f32]) {
        (&self.values, &self.scales)
    }

    /// All rows as little-endian bytes, for the generation file.
    pub(crate) fn as_le_bytes(&self) -> &[u8] {
        self.values.as_bytes()
    }

    /// Bytes held; rows of a mapped file are in the system's cache and not counted.
    pub(crate) fn bytes_in_memory(&self) -> usize {
        self.values.bytes_owned() + self.scales.capacity() * size_of::<f32>()
    }
}

/// Checks a row and gives 1 / its length.
pub(crate) fn unit_scale(dimension: usize, row: &[f16]) -> Result<f32, VectorError> {
    if row.len() != dimension {
        return Err(VectorError::Dimension {
            expected: dimension,
            found: row.len(),
        });
    }
    let length = kernels().dot_halves(row, row).sqrt();
    // A sum of squares is finite where all values are.
    if !length.is_finite() {
        let place = row.iter().position(|value| !value.is_finite());
        return Err(VectorError::NotFinite(place.unwrap_or(0)));
    }
    if (length - 1.0).abs() > UNIT_TOLERANCE {
        return Err(VectorError::NotUnit(length));
    }
    Ok(1.0 / length)
}
