//! Bytes to a [`Picture`], or to the reason why not.
//!
//! Order matters: the file's own size, then its format by content, then the size it declares, then the memory that
//! decoding will take, and only then is anything of that size allocated. Decoders are run under `catch_unwind`, since
//! several of them are known to panic on damaged files (one of them on 200 bytes).

mod colour;
mod declared;
mod jpeg;
mod profile;

use std::any::Any;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::error::LimitErrorKind;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits, RgbImage};
use lamina_types::{RejectReason, Rejection};

pub use self::declared::Declared;
use crate::{DecodeLimits, Picture, PictureFormat, sniff};

/// What a decoder may allocate while it reads headers. Compressed colour profiles are unpacked here; with the full
/// allowance a 306 kB file took 265 MB.
const HEADER_ALLOC_BYTES: u64 = 64 << 20;

/// Decodes a picture in full: turned upright by its EXIF or TIFF orientation, converted to 8-bit sRGB.
///
/// 16-bit samples are scaled, not cut. Transparent pixels are laid over white, because that is what a page or a viewer
/// shows behind them; over black, the usual black line drawing on nothing would vanish and every logo would count as
/// dark. A truncated JPEG is taken, with [`Picture::is_truncated`] set; other formats refuse truncated files.
///
/// # Errors
/// A [`Rejection`] for every file that cannot be taken. Same bytes, same limits, same verdict. Never panics.
pub fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<Picture, Rejection> {
    guarded(|| open(bytes, limits)?.read())
}

/// What a file declares about itself, checked against the limits, without decoding pixels: microseconds.
///
/// # Errors
/// The [`Rejection`] that [`decode`] would give, as far as the headers tell.
pub fn inspect(bytes: &[u8], limits: &DecodeLimits) -> Result<Declared, Rejection> {
    guarded(|| open(bytes, limits).map(|opened| opened.declared))
}

/// Decodes a picture for uses that need no more than `min_side` pixels on its shorter side: the place to decode less than
/// everything, as soon as that pays.
///
/// At present it decodes in full. Measured for a second, pure-Rust JPEG decoder that works at 1/2, 1/4 and 1/8: no gain
/// at 640 x 480 (2.4 ms at 1/2 against 1.65 ms in full here, since reading the entropy-coded data is most of the work), 26
/// against 57 ms for 12 Mpixel at 1/4; but two decoders disagree about damaged files, and then the verdict would depend on
/// who asks. A decoder in C with hand-written assembly gains at all sizes and needs build tools that a fresh machine lacks.
///
/// # Errors
/// Exactly those of [`decode`].
pub fn decode_at_least(
    bytes: &[u8],
    limits: &DecodeLimits,
    min_side: u32,
) -> Result<Picture, Rejection> {
    // The guarantee holds for any side, so there is nothing to choose yet.
    let _: u32 = min_side;
    decode(bytes, limits)
}

/// Turns a panic of a decoder into a rejection.
fn guarded<T>(work: impl FnOnce() -> Result<T, Rejection>) -> Result<T, Rejection> {
    // Unwind safety: the closure owns or borrows immutably everything it touches; nothing of it outlives a panic.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| Err(panicked(&*payload)))
}

fn panicked(payload: &(dyn Any + Send)) -> Rejection {
    let said = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let detail = format!(
        "the decoder broke down: {}",
        plain(said.unwrap_or("no message"))
    );
    Rejection::new(RejectReason::DecoderPanic, detail)
}

/// A decoder that has read the headers, and what they say.
struct Opened<'a, D> {
    bytes: &'a [u8],
    decoder: D,
    declared: Declared,
    orientation: Orientation,
    jpeg: Option<jpeg::Structure>,
}

fn open<'a>(
    bytes: &'a [u8],
    limits: &DecodeLimits,
) -> Result<Opened<'a, impl ImageDecoder + 'a>, Rejection> {
    if bytes.is_empty() {
        return Err(Rejection::new(RejectReason::Empty, "the file has no bytes"));
    }
    if bytes.len() as u64 > limits.max_bytes {
        let detail = format!(
            "{} bytes, at most {} are taken",
            bytes.len(),
            limits.max_bytes
        );
        return Err(Rejection::new(RejectReason::TooManyBytes, detail));
    }
    let format = sniff(bytes).ok_or_else(|| {
        Rejection::new(
            RejectReason::UnsupportedFormat,
            "not a JPEG, PNG, WebP, GIF, BMP or TIFF file by its content",
        )
    })?;

    let refused = |error| rejection(format, error, limits);
    let mut decoder = {
        let mut reader = ImageReader::with_format(Cursor::new(bytes), format.codec());
        reader.limits(image_limits(
            limits,
            limits.max_alloc_bytes.min(HEADER_ALLOC_BYTES),
        ));
        reader.into_decoder().map_err(refused)?
    };
    // An unreadable orientation is no orientation: browsers and viewers show such pictures as they lie.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let jpeg = (format == PictureFormat::Jpeg).then(|| jpeg::Structure::read(bytes));
    let declared = Declared::check(format, &decoder, orientation, jpeg.as_ref(), limits)?;

    // Without this the way through `read_image` takes no account of the output buffer.
    let mut full = image_limits(limits, limits.max_alloc_bytes);
    full.reserve(decoder.total_bytes()).map_err(refused)?;
    decoder.set_limits(full).map_err(refused)?;
    Ok(Opened {
        bytes,
        decoder,
        declared,
        orientation,
        jpeg,
    })
}

impl<D: ImageDecoder> Opened<'_, D> {
    fn read(mut self) -> Result<Picture, Rejection> {
        let Declared {
            format,
            width,
            height,
            ..
        } = self.declared;
        let (stored_width, stored_height) = self.decoder.dimensions();
        let colour_type = self.decoder.color_type();
        let profile = self.decoder.icc_profile().ok().flatten();

        let length = usize::try_from(self.decoder.total_bytes()).unwrap_or(usize::MAX);
        let mut samples = Vec::new();
        samples.try_reserve_exact(length).map_err(|_| {
            Rejection::new(
                RejectReason::TooMuchMemory,
                format!("no memory for {length} bytes of pixels"),
            )
        })?;
        samples.resize(length, 0);
        // The limits have been applied by now; the defaults only serve the wording of a message.
        self.decoder
            .read_image(&mut samples)
            .map_err(|error| rejection(format, error, &DecodeLimits::default()))?;

        let mut rgb = colour::to_rgb8(samples, colour_type)?;
        if let Some(profile) = profile {
            profile::to_srgb(&mut rgb, &profile);
        }
        let rgb = turned(rgb, stored_width, stored_height, self.orientation);
        let mut picture = Picture::from_rgb(format, width, height, rgb).ok_or_else(|| {
            Rejection::new(
                RejectReason::Damaged,
                "the decoder gave another size than it declared",
            )
        })?;
        picture.is_truncated = self.jpeg.is_some_and(|jpeg| !jpeg.is_complete(self.bytes));
        Ok(picture)
    }
}

fn image_limits(limits: &DecodeLimits, alloc_bytes: u64) -> Limits {
    let mut of_image = Limits::no_limits();
    of_image.max_image_width = Some(limits.max_side);
    of_image.max_image_height = Some(limits.max_side);
    of_image.max_alloc = Some(alloc_bytes);
    of_image
}

/// Turns the picture upright. A wrong length gives an empty buffer, which no caller takes for a picture.
fn turned(rgb: Vec<u8>, width: u32, height: u32, orientation: Orientation) -> Vec<u8> {
    if orientation == Orientation::NoTransforms {
        return rgb;
    }
    let mut picture =
        DynamicImage::ImageRgb8(RgbImage::from_raw(width, height, rgb).unwrap_or_default());
    picture.apply_orientation(orientation);
    picture.into_bytes()
}

/// The verdict on a file that a decoder refused.
fn rejection(format: PictureFormat, error: ImageError, limits: &DecodeLimits) -> Rejection {
    let (reason, detail) = match error {
        ImageError::Limits(limit) => match limit.kind() {
            LimitErrorKind::DimensionError => (
                RejectReason::TooManyPixels,
                format!("a side is longer than {} pixels", limits.max_side),
            ),
            LimitErrorKind::InsufficientMemory | LimitErrorKind::Unsupported { .. } | _ => (
                RejectReason::TooMuchMemory,
                format!("decoding this {format} would take too much memory"),
            ),
        },
        ImageError::Unsupported(error) => (
            RejectReason::UnsupportedFormat,
            format!(
                "this kind of {format} is not supported: {}",
                plain(&error.to_string())
            ),
        ),
        ImageError::IoError(_) => (
            RejectReason::Damaged,
            format!("the {format} data ends too early"),
        ),
        error @ (ImageError::Decoding(_) | ImageError::Encoding(_) | ImageError::Parameter(_)) => (
            RejectReason::Damaged,
            format!("not valid {format} data: {}", plain(&error.to_string())),
        ),
    };
    Rejection::new(reason, detail)
}

/// A decoder's message made fit for a report: one line, no control characters, not long.
fn plain(message: &str) -> String {
    const LONGEST: usize = 160;
    let mut line: String = message
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST)
        .collect();
    if message.chars().nth(LONGEST).is_some() {
        line.push('…');
    }
    line
}
