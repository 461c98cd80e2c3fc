//! Resizing between the four nearest samples, as `INTER_LINEAR` of `OpenCV` does it: nothing is averaged, so reductions alias.

use crate::Picture;

/// One, in the fractions that samples are weighed with: 11 bits.
const ONE: u32 = 1 << 11;

/// The samples that a target lies between, and the weight of the second.
struct Between {
    first: usize,
    second: usize,
    weight: u32,
}

/// The pixels of `picture` at another size, red, green, blue.
pub(crate) fn interpolate(picture: &Picture, width: u32, height: u32) -> Vec<u8> {
    let (from_width, from_height) = picture.pixel_size();
    let stride = from_width as usize * 3;
    let columns = axis(from_width, width);
    let mut out = Vec::with_capacity(width as usize * height as usize * 3);
    for row in axis(from_height, height) {
        let line = |number: usize| picture.pixels().get(number * stride..).unwrap_or_default();
        let (above, below) = (line(row.first), line(row.second));
        for column in &columns {
            for channel in 0..3 {
                let across = |line: &[u8]| {
                    let sample = |place: usize| {
                        u32::from(line.get(place * 3 + channel).copied().unwrap_or_default())
                    };
                    sample(column.first) * (ONE - column.weight)
                        + sample(column.second) * column.weight
                };
                // Of 19 bits four are dropped before and 16 after weighing, and two by rounding at the end, as there.
                let down = |sum: u32, weight: u32| ((sum >> 4) * weight) >> 16;
                let sum = down(across(above), ONE - row.weight) + down(across(below), row.weight);
                out.push(((sum + 2) >> 2) as u8);
            }
        }
    }
    out
}

/// Where each target of one direction lies. The middle of a sample is half a sample from its edge; beyond the last middles there is
/// nothing to weigh.
fn axis(from: u32, to: u32) -> Vec<Between> {
    let last = from.saturating_sub(1) as usize;
    let scale = f64::from(from) / f64::from(to.max(1));
    let between = |target: u32| {
        let place = ((f64::from(target) + 0.5) * scale - 0.5).clamp(0.0, last as f64);
        let first = place.floor();
        Between {
            first: first as usize,
            second: (first as usize + 1).min(last),
            weight: ((place - first) * f64::from(ONE)).round() as u32,
        }
    };
    (0..to).map(between).collect()
}
