//! Lossy WebP files by `libwebp`.
//!
//! Colours are brought into the format's planes here: the library's own way weighs every four pixels by a gamma curve, one value at a
//! time, which took a fifth of a thumbnail's time and shows at no edge of a photograph.

#![expect(
    unsafe_code,
    reason = "the library is C; what it is given outlives the call, and what it gives is freed once"
)]

use libwebp_sys::{
    WebPConfig, WebPEncCSP, WebPEncode, WebPEncodingError, WebPMemoryWrite, WebPMemoryWriter,
    WebPMemoryWriterClear, WebPMemoryWriterInit, WebPPicture, WebPValidateConfig,
};

use crate::MediaError;

/// The longest side that the format knows.
pub(crate) const LONGEST_SIDE: u32 = 16_383;

/// The fastest method: a quarter of the time of the default one (2.7 ms against 11.7 ms for a photo of 512 x 340), for files about a
/// fifth larger.
const METHOD: i32 = 0;

/// A picture of `width * height` RGB pixels as a file of this quality, 0 to 100, without any metadata.
///
/// # Errors
/// Lack of memory, a side above [`LONGEST_SIDE`] or of 0, another number of pixels, or a bug.
pub(crate) fn encode(
    rgb: &[u8],
    (width, height): (u32, u32),
    quality: f32,
) -> Result<Vec<u8>, MediaError> {
    if width == 0 || height == 0 || rgb.len() != 3 * width as usize * height as usize {
        return Err(MediaError::Webp(
            WebPEncodingError::VP8_ENC_ERROR_BAD_DIMENSION as i32,
        ));
    }
    let mut config = WebPConfig::new().map_err(|()| MediaError::WebpConfiguration)?;
    config.quality = quality;
    config.method = METHOD;
    let planes = Planes::of(rgb, width as usize, height as usize);
    let mut picture = WebPPicture::new().map_err(|()| MediaError::WebpConfiguration)?;
    let side = |length: u32| i32::try_from(length).map_err(|_| MediaError::WebpConfiguration);
    (picture.width, picture.height) = (side(width)?, side(height)?);
    picture.use_argb = 0;
    picture.colorspace = WebPEncCSP::WEBP_YUV420;
    // Read only: nothing that is asked for here changes a picture in place.
    picture.y = planes.luma.as_ptr().cast_mut();
    picture.u = planes.blue.as_ptr().cast_mut();
    picture.v = planes.red.as_ptr().cast_mut();
    picture.y_stride = side(width)?;
    picture.uv_stride = side(width.div_ceil(2))?;
    let mut file = File::new();
    picture.writer = Some(WebPMemoryWrite);
    picture.custom_ptr = (&raw mut file.0).cast();
    // SAFETY: the configuration is whole; the planes have the sizes that the strides say and live until the end of this function, as
    // does the writer; the picture owns no memory of the library, because its planes are ours.
    let is_written =
        unsafe { WebPValidateConfig(&config) != 0 && WebPEncode(&config, &mut picture) != 0 };
    if !is_written {
        return Err(MediaError::Webp(picture.error_code as i32));
    }
    Ok(file.bytes().to_vec())
}

/// What the library wrote; freed with it.
struct File(WebPMemoryWriter);

impl File {
    fn new() -> Self {
        let mut writer = WebPMemoryWriter {
            mem: std::ptr::null_mut(),
            size: 0,
            max_size: 0,
            pad: [0],
        };
        // SAFETY: sets the members of the writer that it is given.
        unsafe { WebPMemoryWriterInit(&mut writer) };
        Self(writer)
    }

    fn bytes(&self) -> &[u8] {
        if self.0.mem.is_null() {
            return &[];
        }
        // SAFETY: the library wrote so many bytes there.
        unsafe { std::slice::from_raw_parts(self.0.mem, self.0.size) }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: frees what the library allocated; called once.
        unsafe { WebPMemoryWriterClear(&mut self.0) }
    }
}

/// BT.601 in video range, the colours halved in both directions.
struct Planes {
    luma: Vec<u8>,
    blue: Vec<u8>,
    red: Vec<u8>,
}

impl Planes {
    fn of(rgb: &[u8], width: usize, height: usize) -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has the instructions.
            return unsafe { Self::of_wide(rgb, width, height) };
        }
        Self::of_plain(rgb, width, height)
    }

    /// The same numbers, compiled for wider registers.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn of_wide(rgb: &[u8], width: usize, height: usize) -> Self {
        Self::of_plain(rgb, width, height)
    }

    #[inline(always)]
    fn of_plain(rgb: &[u8], width: usize, height: usize) -> Self {
        let pixels = rgb.as_chunks::<3>().0;
        let luma = |[r, g, b]: &[u8; 3]| {
            let sum = 16_839 * u32::from(*r) + 33_059 * u32::from(*g) + 6_420 * u32::from(*b);
            ((sum + (16 << 16) + (1 << 15)) >> 16) as u8
        };
        let (across, down) = (width.div_ceil(2), height.div_ceil(2));
        let mut planes = Self {
            luma: pixels.iter().map(luma).collect(),
            blue: Vec::with_capacity(across * down),
            red: Vec::with_capacity(across * down),
        };
        let mut sums = vec![0_u16; width * 3];
        for pair in rgb.chunks(width * 3 * 2) {
            let (upper, lower) = pair.split_at((width * 3).min(pair.len()));
            // The last of an odd number of rows counts twice, as does the last of an odd number of columns.
            let lower = if lower.is_empty() { upper } else { lower };
            for ((sum, upper), lower) in sums.iter_mut().zip(upper).zip(lower) {
                *sum = u16::from(*upper) + u16::from(*lower);
            }
            let (squares, rest) = sums.as_chunks::<6>();
            let four = |[r, g, b, s, h, c]: &[u16; 6]| [r + s, g + h, b + c];
            let last = rest.as_chunks::<3>().0.iter();
            let last = last.map(|sums| sums.map(|sum| 2 * sum));
            for square in squares.iter().map(four).chain(last) {
                let [r, g, b] = square.map(i32::from);
                planes
                    .blue
                    .push(chroma(-9_719 * r - 19_081 * g + 28_800 * b));
                planes.red.push(chroma(28_800 * r - 24_116 * g - 4_684 * b));
            }
        }
        planes
    }
}

/// From the weighted sum of four pixels, in units of 1 / 2^18.
#[inline(always)]
fn chroma(sum: i32) -> u8 {
    ((sum + (128 << 18) + (1 << 17)) >> 18).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_colours_are_what_the_standard_says() {
        // White, black, red, blue: luma 235, 16, 82, 41; blue and red differences around 128.
        for (colour, [luma, blue, red]) in [
            ([255, 255, 255], [235, 128, 128]),
            ([0, 0, 0], [16, 128, 128]),
            ([255, 0, 0], [82, 90, 240]),
            ([0, 0, 255], [41, 240, 110]),
        ] {
            let planes = Planes::of(&colour.repeat(15), 5, 3);
            assert_eq!(planes.luma, [luma; 15], "{colour:?}");
            assert_eq!(planes.blue, [blue; 6], "{colour:?}");
            assert_eq!(planes.red, [red; 6], "{colour:?}");
        }
    }

    #[test]
    fn every_processor_gives_the_same_planes() {
        let rgb: Vec<u8> = (0..61 * 37 * 3_u32).map(|n| (n * 89 % 253) as u8).collect();
        let (here, plain) = (Planes::of(&rgb, 61, 37), Planes::of_plain(&rgb, 61, 37));
        assert_eq!(here.luma, plain.luma);
        assert_eq!((here.blue, here.red), (plain.blue, plain.red));
    }

    #[test]
    fn sides_that_the_format_does_not_know_are_refused() {
        let wide = LONGEST_SIDE + 1;
        let rgb = vec![0; wide as usize * 3];
        assert!(matches!(
            encode(&rgb, (wide, 1), 70.0),
            Err(MediaError::Webp(_))
        ));
        assert!(encode(&[], (0, 0), 70.0).is_err());
        let longest = vec![7; LONGEST_SIDE as usize * 3];
        assert!(encode(&longest, (LONGEST_SIDE, 1), 70.0).is_ok());
    }
}
