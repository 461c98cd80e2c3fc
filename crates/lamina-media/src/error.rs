//! What can go wrong once a picture is decoded: nothing that the picture could be blamed for.

/// A derived image could not be made. Always our bug or lack of memory, never a property of the file.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// A pixel buffer does not fit its dimensions.
    #[error("pixel buffer does not fit a picture of {width} x {height}")]
    Buffer {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        /// What the resizer said.
        #[source]
        source: fast_image_resize::ImageBufferError,
    },
    /// The resizer refused.
    #[error("picture could not be resized to {width} x {height}")]
    Resize {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        /// What the resizer said.
        #[source]
        source: fast_image_resize::ResizeError,
    },
    /// The JPEG or PNG encoder refused.
    #[error("picture could not be encoded")]
    Encode(#[source] image::ImageError),
    /// The WebP encoder refused, with its number of the reason (`WebPEncodingError`); it has no words of its own.
    #[error("WebP encoder failed with error {0}")]
    Webp(i32),
    /// The WebP library refused its own default settings: a mismatch of header and library.
    #[error("WebP encoder has no usable configuration")]
    WebpConfiguration,
}
