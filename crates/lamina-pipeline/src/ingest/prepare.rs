//! One picture, decoded once: thumbnail, measures and model input from the same pixels.

use lamina_media::{
    DecodeLimits, InputSpec, Measures, MediaError, PictureFormat, THUMBNAIL_SIDE, decode_at_least,
    measure, model_input, thumbnail,
};
use lamina_types::{RejectReason, Rejection};

use crate::stages::{Stage, StageTimes};

/// Everything that an ingest derives from the pixels of one file.
#[derive(Debug)]
pub struct Prepared {
    /// What the bytes are, by content.
    pub format: PictureFormat,
    /// Of the turned picture, in pixels.
    pub width: u32,
    /// Of the turned picture, in pixels.
    pub height: u32,
    /// The end of the file is missing; what was there was decoded.
    pub is_truncated: bool,
    /// Blur, dark, bright.
    pub measures: Measures,
    /// Lossy WebP.
    pub thumbnail: Vec<u8>,
    /// CHW, as the encoder wants it.
    pub input: Vec<f32>,
}

/// Decodes `bytes` and derives everything. Runs on a blocking thread.
///
/// # Errors
/// The verdict on a file that cannot be used: the same by every door, because every door decodes here or like here.
pub fn prepare(
    bytes: &[u8],
    limits: &DecodeLimits,
    spec: &InputSpec,
    stages: &StageTimes,
) -> Result<Prepared, Rejection> {
    let picture = stages.run(Stage::Decode, || {
        decode_at_least(bytes, limits, THUMBNAIL_SIDE)
    })?;
    let measures = stages.run(Stage::Measure, || measure(&picture));
    let damaged = |error: MediaError| Rejection::new(RejectReason::Damaged, error.to_string());
    let thumbnail = stages
        .run(Stage::Thumbnail, || thumbnail(&picture))
        .map_err(damaged)?;
    let input = stages
        .run(Stage::ModelInput, || model_input(&picture, spec))
        .map_err(damaged)?;
    Ok(Prepared {
        format: picture.format,
        width: picture.width,
        height: picture.height,
        is_truncated: picture.is_truncated,
        measures,
        thumbnail,
        input,
    })
}
