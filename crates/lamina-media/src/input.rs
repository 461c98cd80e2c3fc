//! Model inputs: the tensors that the reference image processors make.

use fast_image_resize::FilterType;
use lamina_types::BoundingBox;
use serde::{Deserialize, Serialize};

use crate::linear::interpolate;
use crate::resize::resize;
use crate::{MediaError, Picture};

/// How a picture of any shape becomes a square.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResizeMode {
    /// Both sides to the size, proportions lost (`SigLIP`, detectors).
    Stretch,
    /// The shorter side to [`InputSpec::shortest_edge`], then the middle square (CLIP, `DINOv2`, `MobileNet`).
    ShortestEdgeCrop,
    /// The longer side to the size, proportions kept, at the top left; the rest is [`InputSpec::fill`] (`YOLOX`).
    Letterbox,
}

/// The interpolation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResizeFilter {
    /// Triangle kernel, antialiased as in Pillow.
    Bilinear,
    /// Catmull-Rom kernel (a = -0.5), antialiased as in Pillow, which calls it bicubic.
    Bicubic,
    /// The four nearest samples whatever the reduction: `INTER_LINEAR` of `OpenCV`, which aliases.
    FourNearest,
}

/// The order of a tensor's planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelOrder {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red (`OpenCV`).
    Bgr,
}

/// What samples of 0..=255 are before mean and deviation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SampleRange {
    /// Divided by 255.
    #[default]
    Unit,
    /// As they are (`YOLOX`).
    Bytes,
}

/// What a model wants to see: the `[image]` table of its manifest.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// Side of the square, in pixels, at least 1.
    pub size: u32,
    /// How to get to the square.
    pub resize: ResizeMode,
    /// How to interpolate.
    pub filter: ResizeFilter,
    /// Subtracted from each channel (in the order of [`Self::channels`]) after scaling to [`Self::range`].
    pub mean: [f32; 3],
    /// Divides each channel after that; not 0.
    pub std: [f32; 3],
    /// What the shorter side becomes before the middle is cut out, at least `size`; without it `size` itself.
    #[serde(default)]
    pub shortest_edge: Option<u32>,
    /// Order of the planes.
    #[serde(default)]
    pub channels: ChannelOrder,
    /// Range of the samples.
    #[serde(default)]
    pub range: SampleRange,
    /// Sample value, 0..=255, of the part of a letterbox that the picture does not cover.
    #[serde(default = "grey")]
    pub fill: u8,
}

/// The value that `YOLOX` was trained with.
const fn grey() -> u8 {
    114
}

impl InputSpec {
    /// A spec without the options that few models need.
    pub const fn new(
        size: u32,
        resize: ResizeMode,
        filter: ResizeFilter,
        mean: [f32; 3],
        std: [f32; 3],
    ) -> Self {
        Self {
            size,
            resize,
            filter,
            mean,
            std,
            shortest_edge: None,
            channels: ChannelOrder::Rgb,
            range: SampleRange::Unit,
            fill: grey(),
        }
    }

    /// The part of the square that a picture of `width` x `height` pixels covers, as fractions of the square's sides, above 0; a place
    /// in the square divided by it is a place in the picture. `None` where the picture is cut.
    pub fn cover(&self, width: u32, height: u32) -> Option<(f64, f64)> {
        match self.resize {
            ResizeMode::Stretch => Some((1.0, 1.0)),
            ResizeMode::Letterbox => {
                let [width, height] = [width, height].map(|side| f64::from(side.max(1)));
                let longer = width.max(height);
                Some((width / longer, height / longer))
            }
            ResizeMode::ShortestEdgeCrop => None,
        }
    }
}

/// The model's input for one picture: `3 * size * size` values, channel by channel, rows from the top.
///
/// Equals the Hugging Face processors over Pillow: resize in 8 bits, crop, divide by 255, subtract the mean, divide by the deviation.
/// Sources: the slow `CLIPImageProcessor`, `SiglipImageProcessor`, `BitImageProcessor` of transformers; for letterboxes the `preproc`
/// function of `YOLOX`.
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
            let edge = spec.shortest_edge.unwrap_or(size).max(size);
            let (width, height) = shortest_edge(picture.pixel_size(), edge);
            (picture, width, height)
        }
        ResizeMode::Letterbox => {
            let (width, height) = longest_edge(picture.pixel_size(), size);
            (picture, width, height)
        }
    };
    let rgb = match spec.filter {
        ResizeFilter::Bilinear => resize(picture, width, height, FilterType::Bilinear)?,
        ResizeFilter::Bicubic => resize(picture, width, height, FilterType::CatmullRom)?,
        ResizeFilter::FourNearest => interpolate(picture, width, height),
    };

    let side = size as usize;
    // Only one of a crop and a letterbox is ever other than 0.
    let (left, top) = (
        (width.saturating_sub(size) / 2) as usize,
        (height.saturating_sub(size) / 2) as usize,
    );
    let across = side.min(width as usize);
    let tables = tables(spec);
    let mut tensor = vec![0.0; 3 * side * side];
    for (plane_number, plane) in tensor.chunks_exact_mut(side * side).enumerate() {
        let table = &tables[plane_number];
        let channel = match spec.channels {
            ChannelOrder::Rgb => plane_number,
            ChannelOrder::Bgr => 2 - plane_number,
        };
        if width < size || height < size {
            plane.fill(table[usize::from(spec.fill)]);
        }
        let rows = rgb.chunks_exact(width as usize * 3).skip(top);
        for (to, from) in plane.chunks_exact_mut(side).zip(rows) {
            let pixels = from[left * 3..].as_chunks::<3>().0;
            for (value, pixel) in to[..across].iter_mut().zip(pixels) {
                *value = table[usize::from(pixel[channel])];
            }
        }
    }
    Ok(tensor)
}

/// What each of the 256 sample values becomes, per plane.
fn tables(spec: &InputSpec) -> [[f32; 256]; 3] {
    let divisor = match spec.range {
        SampleRange::Unit => 255.0,
        SampleRange::Bytes => 1.0,
    };
    let mut tables = [[0.0; 256]; 3];
    for (plane, table) in tables.iter_mut().enumerate() {
        for (sample, value) in table.iter_mut().enumerate() {
            *value = (sample as f32 / divisor - spec.mean[plane]) / spec.std[plane];
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

/// The size with the longer side at `size`; both are cut to whole numbers of at least 1, as `YOLOX` does.
fn longest_edge((width, height): (u32, u32), size: u32) -> (u32, u32) {
    let ratio = (f64::from(size) / f64::from(width)).min(f64::from(size) / f64::from(height));
    let side = |from: u32| ((f64::from(from) * ratio) as u32).clamp(1, size.max(1));
    (side(width), side(height))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PictureFormat;

    const PLAIN: InputSpec = InputSpec::new(
        2,
        ResizeMode::ShortestEdgeCrop,
        ResizeFilter::Bilinear,
        [0.0; 3],
        [1.0; 3],
    );

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
