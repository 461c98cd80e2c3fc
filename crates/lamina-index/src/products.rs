//! Blocked products of unit rows.

use std::ops::Range;

use crate::VectorBlock;
use crate::kernels::{TILE_COLUMNS, TILE_ROWS, TILE_STEP, kernels};

/// Rows that stay in the first cache while columns pass by: 16 rows of 512 values are 32 KiB.
const ROWS_AT_ONCE: usize = 16;

/// Rows as f32 unit vectors, padded with zeros so that tiles need no tails.
pub(crate) struct Units {
    stride: usize,
    values: Vec<f32>,
    count: usize,
}

impl Units {
    /// The given rows of a block.
    pub(crate) fn of(vectors: &VectorBlock, rows: &[u32]) -> Self {
        let stride = vectors.dimension().next_multiple_of(TILE_STEP);
        let mut values = vec![0.0; stride * rows.len()];
        for (unit, row) in values.chunks_exact_mut(stride).zip(rows) {
            vectors.unit_row_into(*row as usize, &mut unit[..vectors.dimension()]);
        }
        Self {
            stride,
            values,
            count: rows.len(),
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.stride..(row + 1) * self.stride]
    }
}

/// Products of a block of rows with a block of columns, row after row.
#[derive(Default)]
pub(crate) struct Products {
    width: usize,
    values: Vec<f32>,
}

impl Products {
    /// Replaces the products.
    pub(crate) fn multiply(&mut self, units: &Units, rows: Range<usize>, columns: Range<usize>) {
        self.width = columns.len();
        self.values.clear();
        self.values.resize(rows.len() * self.width, 0.0);
        for first in rows.clone().step_by(ROWS_AT_ONCE) {
            let some = first..rows.end.min(first + ROWS_AT_ONCE);
            for column in columns.clone().step_by(TILE_COLUMNS) {
                for row in some.clone().step_by(TILE_ROWS) {
                    self.multiply_tile(units, (row, &rows), (column, &columns));
                }
            }
        }
    }

    fn multiply_tile(
        &mut self,
        units: &Units,
        (row, rows): (usize, &Range<usize>),
        (column, columns): (usize, &Range<usize>),
    ) {
        let (height, width) = (rows.end - row, columns.end - column);
        let at = (row - rows.start) * self.width + column - columns.start;
        if height >= TILE_ROWS && width >= TILE_COLUMNS {
            let left = std::array::from_fn(|place| units.row(row + place));
            let right = std::array::from_fn(|place| units.row(column + place));
            let tile = kernels().tile(left, right);
            for (line, products) in self.values[at..].chunks_mut(self.width).zip(tile) {
                line[..TILE_COLUMNS].copy_from_slice(&products);
            }
            return;
        }
        for place in 0..height.min(TILE_ROWS) {
            let left = units.row(row + place);
            for across in 0..width.min(TILE_COLUMNS) {
                let right = units.row(column + across);
                self.values[at + place * self.width + across] = kernels().dot(left, right);
            }
        }
    }

    /// Products of one row, counted from the first of the block.
    pub(crate) fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.width..(row + 1) * self.width]
    }

    /// All rows.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks(self.width.max(1))
    }
}

#[cfg(test)]
mod tests {
    use lamina_types::Embedding;

    use super::*;

    #[test]
    fn blocks_of_any_size_hold_the_products_of_their_rows() {
        let rows: Vec<Embedding> = (0..23)
            .map(|row| {
                let values = (0..21).map(|i| ((row * 31 + i * 17) % 13) as f32 - 5.5);
                Embedding::new(values.collect()).unwrap()
            })
            .collect();
        let vectors = VectorBlock::from_embeddings(&rows).unwrap();
        let units = Units::of(&vectors, &(0..23).collect::<Vec<u32>>());
        let mut products = Products::default();
        for (rows, columns) in [(0..23, 0..23), (3..8, 7..20), (4..5, 22..23), (0..4, 4..8)] {
            products.multiply(&units, rows.clone(), columns.clone());
            for row in rows.clone() {
                for column in columns.clone() {
                    let found = products.row(row - rows.start)[column - columns.start];
                    let wanted = 1.0 - vectors.distance(row, column);
                    assert!((found - wanted).abs() < 2e-6, "{row} {column}");
                }
            }
        }
    }
}
