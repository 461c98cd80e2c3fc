//! Model inputs: the tensors that the reference image processors make.

use fast_image_resize::FilterType;
use lamina_types::BoundingBox;
use serde::{Deserialize, Serialize};

use crate::resize::resize;
use crate::{MediaError, Picture};

/// How a picture of any shape becomes a square.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResizeMode {
    /// Both sides to the size, proportions lost (`SigLIP`, detectors).
    Stretch,
    /// The shorter side to the size, then the middle square (CLIP, `MobileNet`).
    ShortestEdgeCrop,
}

/// The interpolation, antialiased as in Pillow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResizeFilter {
    /// Triangle kernel.
    Bilinear,
    /// Catmull-Rom kernel (a = -0.5), which Pillow calls bicubic.
    Bicubic,
}

/// What a model wants to see: the `[image]` table of its manifest.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct InputSpec {
    /// Side of the square, in pixels, at least 1.
    pub size: u32,
    /// How to get to the square.
    pub resize: ResizeMode,
    /// How to interpolate.
    pub filter: ResizeFilter,
    /// Subtracted from each channel (red, green, blue) after scaling to 0..1.
    pub mean: [f32; 3],
    /// Divides each channel after that; not 0.
    pub std: [f32; 3],
}

/// The model's input for one picture: `3 * size * size` values, channel by channel (red, green, blue), rows from the top.
///
/// Equals the Hugging Face processors over Pillow: resize in 8 bits, crop, divide by 255, subtract the mean, divide by
/// the deviation. Source: `CLIPImageProcessor` and `SiglipImageProcessor` of transformers.
///
/// # Errors
/// A size of 0, lack of memory or a bug; no picture that could be decoded is refused.
pub fn model_input(picture: &Picture, spec: &InputSpec) -> Result<Vec<f32>, MediaError> {
    let size = spec.size;
    let middle;
    let (picture, width, height) = match spec.resize {
        ResizeMode::Stretch => (picture, size, size),
        ResizeMode::ShortestEdgeCrop => {
            middle = middle_of_strip(picture);
            let picture = middle.as_ref().unwrap_or(picture);
            let (width, height) = shortest_edge(picture.pixel_size(), size);
            (picture, width, height)
        }
    };
    let filter = match spec.filter {
        ResizeFilter::Bilinear => FilterType::Bilinear,
        ResizeFilter::Bicubic => FilterType::CatmullRom,
    };
    let rgb = resize(picture, width, height, filter)?;

    let side = size as usize;
    let (left, top) = (
        ((width - size) / 2) as usize,
        ((height - size) / 2) as usize,
    );
    let tables = tables(spec);
    let mut tensor = vec![0.0; 3 * side * side];
    for (channel, plane) in tensor.chunks_exact_mut(side * side).enumerate() {
        let rows = rgb.chunks_exact(width as usize * 3).skip(top);
        for (to, from) in plane.chunks_exact_mut(side).zip(rows) {
            for (value, pixel) in to.iter_mut().zip(from[left * 3..].as_chunks::<3>().0) {
                *value = tables[channel][usize::from(pixel[channel])];
            }
        }
    }
    Ok(tensor)
}

/// What each of the 256 sample values becomes, per channel.
fn tables(spec: &InputSpec) -> [[f32; 256]; 3] {
    let mut tables = [[0.0; 256]; 3];
    for (channel, table) in tables.iter_mut().enumerate() {
        for (sample, value) in table.iter_mut().enumerate() {
            *value = (sample as f32 / 255.0 - spec.mean[channel]) / spec.std[channel];
        }
    }
    tables
}

/// The middle of a strip longer than [`LONGEST_STRIP`] times its width; `None` for ordinary shapes. Only a square in the
/// middle is looked at in the end, and the whole of a strip of 1 x 16,384 would be 2.4 GB at 224 pixels across.
fn middle_of_strip(picture: &Picture) -> Option<Picture> {
    let (width, height) = picture.pixel_size();
    let longest = width.min(height) * LONGEST_STRIP;
    if width.max(height) <= longest {
        return None;
    }
    let [from_width, from_height, to_width, to_height] =
        [width, height, width.min(longest), height.min(longest)].map(f64::from);
    let region = [
        (from_width - to_width) / 2.0,
        (from_height - to_height) / 2.0,
        to_width,
        to_height,
    ];
    BoundingBox::from_pixels(region, width, height)
        .ok()
        .map(|region| picture.crop(&region))
}

/// Longer side over shorter side up to which the whole picture is resized, exactly as the reference does.
const LONGEST_STRIP: u32 = 8;

/// The size with the shorter side at `size`; the longer side is cut to a whole number, as the reference does.
fn shortest_edge((width, height): (u32, u32), size: u32) -> (u32, u32) {
    let longer =
        |long: u32, short: u32| (u64::from(size) * u64::from(long) / u64::from(short)) as u32;
    if width <= height {
        (size, longer(height, width))
    } else {
        (longer(width, height), size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PictureFormat;

    const PLAIN: InputSpec = InputSpec {
        size: 2,
        resize: ResizeMode::ShortestEdgeCrop,
        filter: ResizeFilter::Bilinear,
        mean: [0.0; 3],
        std: [1.0; 3],
    };

    #[test]
    fn channels_are_planes_and_the_middle_is_kept() {
        let rgb = vec![
            0, 0, 0, 51, 102, 153, 255, 0, 0, 9, 9, 9, 0, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9,
        ];
        let picture = Picture::from_rgb(PictureFormat::Png, 4, 2, rgb).unwrap();
        let tensor = model_input(&picture, &PLAIN).unwrap();
        assert_eq!(
            tensor,
            [0.2, 1.0, 0.0, 0.0, 0.4, 0.0, 1.0, 0.0, 0.6, 0.0, 0.0, 1.0]
        );
    }

    #[test]
    fn mean_and_deviation_are_applied_per_channel() {
        let picture = Picture::from_rgb(PictureFormat::Png, 1, 1, vec![255, 0, 51]).unwrap();
        let spec = InputSpec {
            size: 1,
            mean: [0.5, 0.25, 0.2],
            std: [0.5, 0.25, 2.0],
            ..PLAIN
        };
        let tensor = model_input(&picture, &spec).unwrap();
        assert_eq!(tensor, [1.0, -1.0, 0.0]);
    }

    #[test]
    fn long_strips_are_taken() {
        let picture = Picture::from_rgb(PictureFormat::Png, 1, 3000, vec![128; 9000]).unwrap();
        let tensor = model_input(&picture, &PLAIN).unwrap();
        assert_eq!(tensor.len(), 12);
        assert!(
            tensor
                .iter()
                .all(|value| (value - 128.0 / 255.0).abs() < 1e-6)
        );
    }
}
