//! Samples as decoders give them to 8-bit RGB.

use image::ColorType;
use lamina_types::{RejectReason, Rejection};

/// Converts samples in native byte order to RGB triples; works in the buffer it is given where a pixel does not grow.
pub(super) fn to_rgb8(samples: Vec<u8>, colour_type: ColorType) -> Result<Vec<u8>, Rejection> {
    Ok(match colour_type {
        ColorType::Rgb8 => samples,
        ColorType::Rgba8 => shrink(samples, |[r, g, b, a]: [u8; 4]| {
            [r, g, b].map(|value| over_white(value, a))
        }),
        ColorType::L8 => grow(&samples, |[grey]: [u8; 1]| [grey; 3]),
        ColorType::La8 => grow(&samples, |[grey, a]: [u8; 2]| [over_white(grey, a); 3]),
        ColorType::L16 => grow(&samples, |grey: [u8; 2]| [eight(grey); 3]),
        ColorType::La16 => shrink(samples, |[g0, g1, a0, a1]: [u8; 4]| {
            [over_white(eight([g0, g1]), eight([a0, a1])); 3]
        }),
        ColorType::Rgb16 => shrink(samples, |[r0, r1, g0, g1, b0, b1]: [u8; 6]| {
            [eight([r0, r1]), eight([g0, g1]), eight([b0, b1])]
        }),
        ColorType::Rgba16 => shrink(samples, |[r0, r1, g0, g1, b0, b1, a0, a1]: [u8; 8]| {
            let alpha = eight([a0, a1]);
            [[r0, r1], [g0, g1], [b0, b1]].map(|value| over_white(eight(value), alpha))
        }),
        // Floats have no agreed range: 1.0 may be white or the least of the light.
        ColorType::Rgb32F | ColorType::Rgba32F | _ => {
            return Err(Rejection::new(
                RejectReason::UnsupportedFormat,
                "floating-point pixels are not supported",
            ));
        }
    })
}

/// A 16-bit sample scaled to 8 bits, rounded.
fn eight(sample: [u8; 2]) -> u8 {
    ((u32::from(u16::from_ne_bytes(sample)) * 255 + 32_767) / 65_535) as u8
}

/// A value of the given opacity over white, rounded.
fn over_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

/// Rewrites pixels of `N >= 3` bytes as triples from the front of the same buffer.
fn shrink<const N: usize>(mut samples: Vec<u8>, pixel: impl Fn([u8; N]) -> [u8; 3]) -> Vec<u8> {
    let count = samples.len() / N;
    for index in 0..count {
        let mut from = [0; N];
        from.copy_from_slice(&samples[index * N..index * N + N]);
        samples[index * 3..index * 3 + 3].copy_from_slice(&pixel(from));
    }
    samples.truncate(count * 3);
    samples
}

/// Writes pixels of `N < 3` bytes as triples into a new buffer.
fn grow<const N: usize>(samples: &[u8], pixel: impl Fn([u8; N]) -> [u8; 3]) -> Vec<u8> {
    let mut rgb = vec![0; samples.len() / N * 3];
    for (to, from) in rgb
        .as_chunks_mut::<3>()
        .0
        .iter_mut()
        .zip(samples.as_chunks::<N>().0)
    {
        *to = pixel(*from);
    }
    rgb
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bits_are_scaled_and_alpha_lies_over_white() {
        let wide = |values: &[u16]| {
            values
                .iter()
                .flat_map(|value| value.to_ne_bytes())
                .collect::<Vec<u8>>()
        };
        assert_eq!(
            to_rgb8(wide(&[0, 65_535, 32_768]), ColorType::L16).unwrap(),
            [0, 0, 0, 255, 255, 255, 128, 128, 128]
        );
        assert_eq!(
            to_rgb8(wide(&[257, 0, 65_535, 0]), ColorType::Rgba16).unwrap(),
            [255, 255, 255]
        );
        assert_eq!(
            to_rgb8(vec![10, 20, 30, 255, 0, 0, 0, 128], ColorType::Rgba8).unwrap(),
            [10, 20, 30, 127, 127, 127]
        );
        assert_eq!(
            to_rgb8(vec![7, 255, 7, 0], ColorType::La8).unwrap(),
            [7, 7, 7, 255, 255, 255]
        );
    }

    #[test]
    fn floats_are_refused() {
        assert_eq!(
            to_rgb8(vec![0; 12], ColorType::Rgb32F).unwrap_err().reason,
            RejectReason::UnsupportedFormat
        );
    }
}
