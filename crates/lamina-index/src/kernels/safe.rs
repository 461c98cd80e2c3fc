//! The safe twin: what every other kind must agree with, and what runs where none of them does.

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::{Kernels, LANES, TILE_COLUMNS, TILE_ROWS, Tile, common_length, total};

/// Values widened at once, on the stack.
const CHUNK: usize = 128;

pub(super) const KERNELS: Kernels = Kernels {
    name: "portable",
    dot,
    dot_half,
    dot_halves,
    tile,
    bytes: super::bytes::product,
    codes: super::codes::product,
};

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    add_products(a, b, &mut sums);
    total(&sums)
}

fn dot_half(query: &[f32], row: &[f16]) -> f32 {
    let mut sums = [0.0; LANES];
    let mut buffer = [0.0; CHUNK];
    for (part, stored) in query.chunks(CHUNK).zip(row.chunks(CHUNK)) {
        let wide = &mut buffer[..stored.len()];
        stored.convert_to_f32_slice(wide);
        add_products(part, wide, &mut sums);
    }
    total(&sums)
}

fn dot_halves(a: &[f16], b: &[f16]) -> f32 {
    let mut sums = [0.0; LANES];
    let (mut left, mut right) = ([0.0; CHUNK], [0.0; CHUNK]);
    for (a, b) in a.chunks(CHUNK).zip(b.chunks(CHUNK)) {
        let (left, right) = (&mut left[..a.len()], &mut right[..b.len()]);
        a.convert_to_f32_slice(left);
        b.convert_to_f32_slice(right);
        add_products(left, right, &mut sums);
    }
    total(&sums)
}

fn tile(a: [&[f32]; TILE_ROWS], b: [&[f32]; TILE_COLUMNS]) -> Tile {
    let length = common_length(&a, &b);
    a.map(|row| b.map(|column| dot(&row[..length], &column[..length])))
}

/// Independent partial sums, so that the compiler can use wide registers and rounding errors stay small.
fn add_products(a: &[f32], b: &[f32], sums: &mut [f32; LANES]) {
    let common = a.len().min(b.len());
    let (a_chunks, a_rest) = a[..common].as_chunks::<LANES>();
    let (b_chunks, b_rest) = b[..common].as_chunks::<LANES>();
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    for (sum, (x, y)) in sums.iter_mut().zip(a_rest.iter().zip(b_rest)) {
        *sum += x * y;
    }
}
