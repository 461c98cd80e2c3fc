//! Vectors at half precision.

use std::borrow::Cow;

use half::f16;
use lamina_types::Embedding;
use roaring::RoaringBitmap;

use crate::column::Column;
use crate::order::Order;
use crate::rows::{Rows, unit_scale};
use crate::{Hit, IndexError, VectorError};

/// Fewer rows than this part of all are sorted by place; more are marked in a bit for each place.
const SORTED_PART: usize = 512;

/// Rows of unit vectors of one dimension, stored as f16, computed with as f32. The row number is the ordinal.
///
/// Every row is finite and of length 1 within 1e-3; distances divide by the exact stored length, so that a row is at
/// distance 0 of itself. Rows of a block with a graph lie in an order of their own: see [`Order`].
#[derive(Clone, PartialEq)]
pub struct VectorBlock {
    rows: Rows,
    /// `None` where each row lies at its ordinal.
    order: Option<Order>,
}

impl std::fmt::Debug for VectorBlock {
    /// Sizes only: millions of numbers in a log line help nobody.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VectorBlock")
            .field("rows", &self.len())
            .field("dimension", &self.dimension())
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
            rows: Rows::with_capacity(dimension, rows),
            order: None,
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
    pub(crate) fn from_column(
        dimension: usize,
        values: Column<f16>,
        order: Option<Order>,
    ) -> Result<Self, IndexError> {
        Ok(Self {
            rows: Rows::from_column(dimension, values)?,
            order,
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
        self.rows.push(values)?;
        if let Some(order) = &mut self.order {
            order.push();
        }
        Ok(())
    }

    /// The same rows, lying in this order instead of that of their ordinals, which they lie in.
    pub(crate) fn placed(&self, order: Order) -> Self {
        Self {
            rows: self.rows.gathered(order.ordinals()),
            order: Some(order),
        }
    }

    /// The same rows, each lying at its ordinal.
    pub(crate) fn at_ordinals(&self) -> Cow<'_, Self> {
        match &self.order {
            None => Cow::Borrowed(self),
            Some(order) => Cow::Owned(Self {
                rows: self.rows.gathered(order.places()),
                order: None,
            }),
        }
    }

    /// Number of rows.
    pub const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no rows.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Values of a row.
    pub const fn dimension(&self) -> usize {
        self.rows.dimension()
    }

    /// The rows as they lie.
    pub(crate) const fn rows(&self) -> &Rows {
        &self.rows
    }

    /// The order in which rows lie, if it is one of their own.
    pub(crate) const fn order(&self) -> Option<&Order> {
        self.order.as_ref()
    }

    /// Where a row lies.
    #[inline]
    pub(crate) fn place_of(&self, ordinal: u32) -> u32 {
        match &self.order {
            None => ordinal,
            Some(order) => order.places()[ordinal as usize],
        }
    }

    /// Which row lies at a place.
    #[inline]
    pub(crate) fn ordinal_at(&self, place: u32) -> u32 {
        match &self.order {
            None => place,
            Some(order) => order.ordinals()[place as usize],
        }
    }

    /// A hit of a place as that of the row that lies there.
    #[inline]
    pub(crate) fn named(&self, hit: Hit) -> Hit {
        Hit {
            ordinal: self.ordinal_at(hit.ordinal),
            ..hit
        }
    }

    /// Where the allowed rows lie, ascending.
    pub(crate) fn places_of(&self, allowed: &RoaringBitmap) -> Vec<u32> {
        let ordinals = allowed.range(0..self.len() as u32);
        let Some(order) = &self.order else {
            return ordinals.collect();
        };
        let mut places: Vec<u32> = ordinals
            .map(|ordinal| order.places()[ordinal as usize])
            .collect();
        if places.len() < self.len() / SORTED_PART {
            places.sort_unstable();
        } else {
            sort_by_marks(&mut places, self.len());
        }
        places
    }

    /// The stored values of a row.
    ///
    /// # Panics
    /// When there is no such row, like a slice.
    pub fn row(&self, ordinal: usize) -> &[f16] {
        self.rows.row(self.place_of(ordinal as u32) as usize)
    }

    /// A row as an f32 vector of length 1, ready to be a query.
    ///
    /// # Panics
    /// When there is no such row, like a slice.
    pub fn unit_row(&self, ordinal: usize) -> Vec<f32> {
        let mut row = vec![0.0; self.dimension()];
        self.unit_row_into(ordinal, &mut row);
        row
    }

    pub(crate) fn unit_row_into(&self, ordinal: usize, into: &mut [f32]) {
        let place = self.place_of(ordinal as u32);
        self.rows.unit_row_into(place as usize, into);
    }

    /// Cosine distance of two rows, 0 to 2, the same in both orders.
    ///
    /// # Panics
    /// When there is no such row, like a slice.
    pub fn distance(&self, a: usize, b: usize) -> f32 {
        let place = |ordinal| self.place_of(ordinal as u32) as usize;
        self.rows.distance(place(a), place(b))
    }

    /// Cosine distance of a row to a unit vector of the same dimension.
    pub(crate) fn distance_to(&self, ordinal: usize, unit: &[f32]) -> f32 {
        let place = self.place_of(ordinal as u32);
        self.rows.distance_to(place as usize, unit)
    }

    /// How many rows are allowed.
    pub(crate) fn count_allowed(&self, allowed: Option<&RoaringBitmap>) -> usize {
        let rows = self.len();
        allowed.map_or(rows, |allowed| {
            allowed.range_cardinality(0..rows as u32) as usize
        })
    }

    /// Bytes held; vectors of a mapped file are in the system's cache and not counted.
    pub fn bytes_in_memory(&self) -> usize {
        let order = self.order.as_ref().map_or(0, Order::bytes_in_memory);
        self.rows.bytes_in_memory() + order
    }
}

/// Sorts different numbers below `end`: for a large part of them quicker than by comparing.
fn sort_by_marks(numbers: &mut [u32], end: usize) {
    let mut marks = vec![0_u64; end.div_ceil(64)];
    for number in numbers.iter() {
        marks[*number as usize / 64] |= 1 << (number % 64);
    }
    let mut sorted = numbers.iter_mut();
    for (word, mut marks) in (0..).zip(marks) {
        while marks != 0 {
            if let Some(next) = sorted.next() {
                *next = 64 * word + marks.trailing_zeros();
            }
            marks &= marks - 1;
        }
    }
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
    fn rows_in_an_order_of_their_own_are_the_same_rows() {
        let rows: Vec<Embedding> = (0..70)
            .map(|row| embedding(&[1.0, row as f32 / 9.0, -0.3]))
            .collect();
        let plain = VectorBlock::from_embeddings(&rows).unwrap();
        let ordinals: Vec<u32> = (0..70).map(|place| place * 27 % 70).collect();
        let mut placed = plain.placed(Order::of(ordinals.into()).unwrap());
        let query = plain.unit_row(5);
        for row in 0..70 {
            assert_eq!(placed.row(row), plain.row(row));
            assert_eq!(placed.distance(row, 9), plain.distance(row, 9));
            assert_eq!(
                placed.distance_to(row, &query),
                plain.distance_to(row, &query)
            );
            let place = placed.place_of(row as u32);
            assert_eq!(placed.ordinal_at(place), row as u32);
            assert_eq!(placed.rows().row(place as usize), plain.row(row));
        }
        assert_eq!(*placed.at_ordinals(), plain);
        for step in [3, 41] {
            let allowed: RoaringBitmap = (0..90).step_by(step).collect();
            let mut wanted: Vec<u32> = (0..70)
                .step_by(step)
                .map(|ordinal| placed.place_of(ordinal))
                .collect();
            wanted.sort_unstable();
            assert_eq!(placed.places_of(&allowed), wanted);
            wanted.reverse();
            sort_by_marks(&mut wanted, 70);
            assert_eq!(placed.places_of(&allowed), wanted);
        }
        let bytes = encode_vector(&rows[1]);
        placed.push_le_bytes(&bytes).unwrap();
        assert_eq!((placed.len(), placed.distance(70, 1)), (71, 0.0));
        assert!(placed.push_le_bytes(&bytes[1..]).is_err());
        assert_eq!(placed.order().map(|order| order.places().len()), Some(71));
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
