//! Vectors at half precision.

use half::f16;
use half::slice::HalfFloatSliceExt;
use lamina_types::Embedding;
use rayon::prelude::*;
use roaring::RoaringBitmap;

use crate::column::Column;
use crate::distance::from_cosine;
use crate::kernels::{kernels, prefetch};
use crate::{IndexError, VectorError};

/// How far from 1 the length of a stored vector may be. Rounding to half precision moves it by at most 5e-4.
const UNIT_TOLERANCE: f32 = 1e-3;

/// Rows of unit vectors of one dimension, stored as f16, computed with as f32. The row number is the ordinal.
///
/// Every row is finite and of length 1 within 1e-3; distances divide by the exact stored length, so that a row is at
/// distance 0 of itself.
#[derive(Clone, PartialEq)]
pub struct VectorBlock {
    dimension: usize,
    values: Column<f16>,
    /// 1 / length of each stored row.
    scales: Vec<f32>,
}

impl std::fmt::Debug for VectorBlock {
    /// Sizes only: millions of numbers in a log line help nobody.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VectorBlock")
            .field("rows", &self.len())
            .field("dimension", &self.dimension)
            .finish()
    }
}

impl VectorBlock {
    /// A block without rows.
    ///
    /// # Errors
    /// A dimension of 0.
    pub fn empty(dimension: usize) -> Result<Self, IndexError> {
        Self::with_capacity(dimension, 0)
    }

    /// A block without rows that has room for `rows` of them.
    ///
    /// # Errors
    /// A dimension of 0.
    pub fn with_capacity(dimension: usize, rows: usize) -> Result<Self, IndexError> {
        if dimension == 0 {
            return Err(IndexError::Settings("dimension must be at least 1"));
        }
        Ok(Self {
            dimension,
            values: Vec::with_capacity(rows.saturating_mul(dimension)).into(),
            scales: Vec::with_capacity(rows),
        })
    }

    /// One row per embedding, in order.
    ///
    /// # Errors
    /// No embeddings at all (the dimension is not known then: use [`VectorBlock::empty`]), or of different dimensions.
    pub fn from_embeddings(embeddings: &[Embedding]) -> Result<Self, IndexError> {
        let mut block = Self::with_capacity(
            embeddings.first().map_or(0, Embedding::dimension),
            embeddings.len(),
        )?;
        for embedding in embeddings {
            block.push(embedding)?;
        }
        Ok(block)
    }

    /// One row per item, each `2 * dimension` bytes of little-endian half-precision values, as [`encode_vector`] makes them.
    ///
    /// # Errors
    /// The first row of a wrong length, not finite, or not of length 1 within 1e-3.
    pub fn from_le_rows<'a>(
        dimension: usize,
        rows: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, IndexError> {
        let mut block = Self::empty(dimension)?;
        for row in rows {
            block.push_le_bytes(row)?;
        }
        Ok(block)
    }

    /// All rows as one run of bytes.
    ///
    /// # Errors
    /// As [`VectorBlock::from_le_rows`]; also bytes that are no whole number of rows.
    pub fn from_le_bytes(dimension: usize, bytes: &[u8]) -> Result<Self, IndexError> {
        let mut block = Self::with_capacity(dimension, bytes.len() / (2 * dimension.max(1)))?;
        for row in bytes.chunks(2 * dimension) {
            block.push_le_bytes(row)?;
        }
        Ok(block)
    }

    /// All rows as they lie in a file.
    ///
    /// # Errors
    /// As [`VectorBlock::from_le_rows`].
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

    /// Appends a row.
    ///
    /// # Errors
    /// Another dimension, or more rows than an index holds.
    pub fn push(&mut self, embedding: &Embedding) -> Result<(), IndexError> {
        self.push_values(
            embedding
                .as_slice()
                .iter()
                .map(|value| f16::from_f32(*value)),
        )
    }

    /// Appends a row of little-endian half-precision values.
    ///
    /// # Errors
    /// As [`VectorBlock::from_le_rows`].
    pub fn push_le_bytes(&mut self, row: &[u8]) -> Result<(), IndexError> {
        let (pairs, rest) = row.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(IndexError::Row {
                row: self.len(),
                source: VectorError::Bytes(row.len()),
            });
        }
        self.push_values(pairs.iter().map(|pair| f16::from_le_bytes(*pair)))
    }

    fn push_values(&mut self, values: impl Iterator<Item = f16>) -> Result<(), IndexError> {
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

    /// Number of rows.
    pub const fn len(&self) -> usize {
        self.scales.len()
    }

    /// Whether there are no rows.
    pub const fn is_empty(&self) -> bool {
        self.scales.is_empty()
    }

    /// Values of a row.
    pub const fn dimension(&self) -> usize {
        self.dimension
    }

    /// The stored values of a row.
    ///
    /// # Panics
    /// When there is no such row, like a slice.
    pub fn row(&self, ordinal: usize) -> &[f16] {
        &self.values[ordinal * self.dimension..(ordinal + 1) * self.dimension]
    }

    /// A row as an f32 vector of length 1, ready to be a query.
    ///
    /// # Panics
    /// When there is no such row, like a slice.
    pub fn unit_row(&self, ordinal: usize) -> Vec<f32> {
        let mut row = vec![0.0; self.dimension];
        self.unit_row_into(ordinal, &mut row);
        row
    }

    pub(crate) fn unit_row_into(&self, ordinal: usize, into: &mut [f32]) {
        self.row(ordinal).convert_to_f32_slice(into);
        let scale = self.scales[ordinal];
        for value in into {
            *value *= scale;
        }
    }

    /// Cosine distance of two rows, 0 to 2, the same in both orders.
    ///
    /// # Panics
    /// When there is no such row, like a slice.
    pub fn distance(&self, a: usize, b: usize) -> f32 {
        if a == b {
            return 0.0;
        }
        from_cosine(
            kernels().dot_halves(self.row(a), self.row(b)) * (self.scales[a] * self.scales[b]),
        )
    }

    /// Cosine distance of a row to a unit vector of the same dimension.
    pub(crate) fn distance_to(&self, ordinal: usize, unit: &[f32]) -> f32 {
        from_cosine(kernels().dot_half(unit, self.row(ordinal)) * self.scales[ordinal])
    }

    /// Asks for a row to be brought from memory.
    #[inline]
    pub(crate) fn fetch(&self, ordinal: usize) {
        prefetch(self.row(ordinal), usize::MAX);
        prefetch(&self.scales[ordinal..=ordinal], usize::MAX);
    }

    /// How many rows are allowed.
    pub(crate) fn count_allowed(&self, allowed: Option<&RoaringBitmap>) -> usize {
        let rows = self.len();
        allowed.map_or(rows, |allowed| {
            allowed.range_cardinality(0..rows as u32) as usize
        })
    }

    /// All rows as little-endian bytes, for the generation file.
    pub(crate) fn as_le_bytes(&self) -> &[u8] {
        self.values.as_bytes()
    }

    /// All values, row after row, and 1 / length of each row.
    pub(crate) fn parts(&self) -> (&[f16], &[f32]) {
        (&self.values, &self.scales)
    }

    /// Bytes held; vectors of a mapped file are in the system's cache and not counted.
    pub fn bytes_in_memory(&self) -> usize {
        self.values.bytes_owned() + self.scales.capacity() * size_of::<f32>()
    }
}

/// Checks a row and gives 1 / its length.
fn unit_scale(dimension: usize, row: &[f16]) -> Result<f32, VectorError> {
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

/// The stored form of an embedding: little-endian half-precision values, two bytes each.
pub fn encode_vector(embedding: &Embedding) -> Vec<u8> {
    embedding
        .as_slice()
        .iter()
        .flat_map(|value| f16::from_f32(*value).to_le_bytes())
        .collect()
}

/// Reads the stored form of an embedding of any dimension; the result is normalised again.
///
/// # Errors
/// An odd number of bytes, none at all, a value that is not finite, or a length that is not 1 within 1e-3.
pub fn decode_vector(bytes: &[u8]) -> Result<Embedding, VectorError> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() || pairs.is_empty() {
        return Err(VectorError::Bytes(bytes.len()));
    }
    let row: Vec<f16> = pairs.iter().map(|pair| f16::from_le_bytes(*pair)).collect();
    unit_scale(row.len(), &row)?;
    Embedding::new(row.iter().map(|value| value.to_f32()).collect())
        .map_err(|_| VectorError::NotUnit(0.0))
}

/// A query for all rows within a distance as a unit vector.
pub(crate) fn range_query(
    query: &[f32],
    max_distance: f32,
    dimension: usize,
) -> Result<Vec<f32>, IndexError> {
    if max_distance.is_nan() {
        return Err(IndexError::Bound);
    }
    unit_query(query, dimension)
}

/// A query as a unit vector.
pub(crate) fn unit_query(query: &[f32], dimension: usize) -> Result<Vec<f32>, IndexError> {
    if query.len() != dimension {
        return Err(IndexError::QueryDimension {
            expected: dimension,
            found: query.len(),
        });
    }
    let length = query
        .iter()
        .map(|value| f64::from(*value).powi(2))
        .sum::<f64>()
        .sqrt();
    if !length.is_finite() || length < 1e-12 {
        return Err(IndexError::QueryValues);
    }
    Ok(query
        .iter()
        .map(|value| (f64::from(*value) / length) as f32)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn embedding(values: &[f32]) -> Embedding {
        Embedding::new(values.to_vec()).unwrap()
    }

    #[test]
    fn stored_bytes_round_trip() {
        let one = embedding(&[0.3, -0.4, 0.5]);
        let bytes = encode_vector(&one);
        assert_eq!(bytes.len(), 6);
        let block = VectorBlock::from_le_rows(3, [bytes.as_slice()]).unwrap();
        assert_eq!(
            block,
            VectorBlock::from_embeddings(std::slice::from_ref(&one)).unwrap()
        );
        assert!(one.cosine_distance(&decode_vector(&bytes).unwrap()) < 1e-6);
        assert_eq!(block.distance(0, 0), 0.0);
    }

    #[test]
    fn rows_that_are_no_unit_vectors_are_refused() {
        let row = |values: &[f32]| {
            values
                .iter()
                .flat_map(|v| f16::from_f32(*v).to_le_bytes())
                .collect::<Vec<u8>>()
        };
        let refused =
            |bytes: &[u8]| match VectorBlock::from_le_rows(2, [row(&[1.0, 0.0]).as_slice(), bytes])
            {
                Err(IndexError::Row { row: 1, source }) => source,
                other => panic!("{other:?}"),
            };
        assert_eq!(refused(&row(&[0.0, 0.0])), VectorError::NotUnit(0.0));
        assert!(matches!(
            refused(&row(&[1.0, 0.1])),
            VectorError::NotUnit(_)
        ));
        assert_eq!(refused(&row(&[f32::NAN, 0.0])), VectorError::NotFinite(0));
        assert_eq!(
            refused(&row(&[0.0, f32::INFINITY])),
            VectorError::NotFinite(1)
        );
        assert_eq!(
            refused(&row(&[1.0])),
            VectorError::Dimension {
                expected: 2,
                found: 1
            }
        );
        assert_eq!(refused(&[0, 0, 0]), VectorError::Bytes(3));
        assert!(VectorBlock::from_le_bytes(2, &[0; 5]).is_err());
        assert!(VectorBlock::empty(0).is_err());
        assert!(
            VectorBlock::from_embeddings(&[embedding(&[1.0]), embedding(&[1.0, 1.0])]).is_err()
        );
    }

    #[test]
    fn queries_are_normalised_or_refused() {
        assert_eq!(unit_query(&[3.0, 4.0], 2).unwrap(), [0.6, 0.8]);
        assert_eq!(unit_query(&[0.0, 0.0], 2), Err(IndexError::QueryValues));
        assert_eq!(
            unit_query(&[f32::NAN, 0.0], 2),
            Err(IndexError::QueryValues)
        );
        assert_eq!(
            unit_query(&[1.0], 2),
            Err(IndexError::QueryDimension {
                expected: 2,
                found: 1
            })
        );
    }
}
