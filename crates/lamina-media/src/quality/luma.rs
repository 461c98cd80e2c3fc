//! Luma planes: the grey picture that the measures look at.

use crate::Picture;

/// A grey picture, 0..255.
pub(super) struct Luma {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) values: Vec<f32>,
}

/// How many times larger than the target the input of the exact average is, at least, when squares went before.
const EXACT_FROM: u32 = 4;

impl Luma {
    /// The luma of `picture`, area-averaged so that its longest side is `longest` at most. Never enlarged.
    #[inline(always)]
    pub(super) fn of(picture: &Picture, longest: u32) -> Self {
        let (width, height) = picture.pixel_size();
        let side = width.max(height);
        if side <= longest {
            return Self::reduced(picture, 1);
        }
        // Whole squares first, because that is fast, but only as far as the second, exact average leaves no trace of it:
        // two averages in a row of about the same width would blur more than one of the product.
        let factor = (side / (EXACT_FROM * longest)).max(1) as usize;
        let fit = |length: u32| {
            (u64::from(length) * u64::from(longest))
                .div_ceil(u64::from(side))
                .max(1) as usize
        };
        Self::reduced(picture, factor).averaged(fit(width), fit(height))
    }

    /// BT.601 luma, as JPEG has it, averaged over squares of `factor`; a rest at the right and bottom is averaged alone.
    #[inline(always)]
    fn reduced(picture: &Picture, factor: usize) -> Self {
        let (from_width, from_height) = picture.pixel_size();
        let (from_width, from_height) = (from_width as usize, from_height as usize);
        if factor == 1 {
            let pixels = picture.pixels().as_chunks::<3>().0;
            let values = pixels
                .iter()
                .map(|pixel| luma(pixel) as f32 / 256.0)
                .collect();
            return Self {
                width: from_width,
                height: from_height,
                values,
            };
        }
        let (width, height) = (from_width.div_ceil(factor), from_height.div_ceil(factor));
        let mut values = Vec::with_capacity(width * height);
        // Down first, channel by channel: plain additions along rows. 16,384 / 1,024 rows of 255 fit 16 bits.
        let mut sums = vec![0_u16; from_width * 3];
        for band in picture.pixels().chunks(from_width * 3 * factor) {
            sums.fill(0);
            for row in band.chunks_exact(from_width * 3) {
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum = sum.saturating_add(u16::from(*value));
                }
            }
            let rows = band.len() / (from_width * 3);
            values.extend(sums.chunks(factor * 3).map(|group| {
                let pixels = group.as_chunks::<3>().0;
                let sum =
                    |[r, g, b]: &[u16; 3]| weighted(u32::from(*r), u32::from(*g), u32::from(*b));
                pixels.iter().map(sum).sum::<u32>() as f32 / (256 * rows * pixels.len()) as f32
            }));
        }
        Self {
            width,
            height,
            values,
        }
    }

    /// Exact area average at another, smaller size: down first, a row at a time, then across.
    #[inline(always)]
    fn averaged(&self, width: usize, height: usize) -> Self {
        let across = spans(self.width, width);
        let mut values = Vec::with_capacity(width * height);
        let mut band = vec![0.0; self.width];
        for span in spans(self.height, height) {
            band.fill(0.0);
            let rows = self.values[span.first * self.width..].chunks_exact(self.width);
            for (weight, row) in span.weights.iter().zip(rows) {
                for (sum, value) in band.iter_mut().zip(row) {
                    *sum += weight * value;
                }
            }
            values.extend(across.iter().map(|span| {
                let parts = &band[span.first..span.first + span.weights.len()];
                parts
                    .iter()
                    .zip(&span.weights)
                    .map(|(value, weight)| value * weight)
                    .sum::<f32>()
            }));
        }
        Self {
            width,
            height,
            values,
        }
    }
}

/// 256 times the luma of a pixel.
#[inline(always)]
fn luma([red, green, blue]: &[u8; 3]) -> u32 {
    weighted(u32::from(*red), u32::from(*green), u32::from(*blue))
}

const fn weighted(red: u32, green: u32, blue: u32) -> u32 {
    77 * red + 150 * green + 29 * blue
}

/// The stretch of old samples that one new sample covers, and how much of each; the weights sum to 1.
struct Span {
    first: usize,
    weights: Vec<f32>,
}

fn spans(from: usize, to: usize) -> Vec<Span> {
    let step = from as f64 / to as f64;
    (0..to)
        .map(|index| {
            let (start, end) = (
                index as f64 * step,
                ((index + 1) as f64 * step).min(from as f64),
            );
            let first = (start as usize).min(from - 1);
            let last = (end.ceil() as usize).clamp(first + 1, from);
            let covered =
                |sample: usize| (end.min((sample + 1) as f64) - start.max(sample as f64)).max(0.0);
            let weights = (first..last)
                .map(|sample| (covered(sample) / (end - start)) as f32)
                .collect();
            Span { first, weights }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PictureFormat;

    fn grey(width: u32, height: u32, value: impl Fn(u32, u32) -> u8) -> Picture {
        let rgb = (0..height)
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .flat_map(|(x, y)| [value(x, y); 3])
            .collect();
        Picture::from_rgb(PictureFormat::Png, width, height, rgb).unwrap()
    }

    #[test]
    fn reduction_keeps_the_mean() {
        let picture = grey(700, 333, |x, y| ((x * 7 + y * 13) % 256) as u8);
        let mean = |luma: &Luma| {
            luma.values.iter().map(|v| f64::from(*v)).sum::<f64>() / luma.values.len() as f64
        };
        let full = Luma::of(&picture, 4096);
        for longest in [512, 256, 100, 40] {
            let small = Luma::of(&picture, longest);
            assert_eq!(small.width, longest as usize);
            assert!((mean(&small) - mean(&full)).abs() < 0.6, "{longest}");
        }
    }

    #[test]
    fn small_pictures_are_not_enlarged() {
        let luma = Luma::of(&grey(5, 3, |_, _| 9), 256);
        assert_eq!((luma.width, luma.height), (5, 3));
        assert!(luma.values.iter().all(|value| (value - 9.0).abs() < 0.01));
    }
}
