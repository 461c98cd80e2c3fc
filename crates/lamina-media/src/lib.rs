//! Pictures: bytes in, oriented sRGB pixels out, and everything that is computed from pixels without a model.
//!
//! Owns `image`, `fast_image_resize` and `webp`. Works on the CPU, synchronously, one picture at a time: the caller
//! brings threads and decides how many pictures are open at once ([`inspect`] tells what one will take). Knows no
//! files, database, network or model sessions.
//!
//! One picture flows through like this:
//!
//! ```text
//! bytes -> content_hash                       its name everywhere
//!       -> decode (sniff, limits, catch_unwind, orientation, sRGB)  -> Picture, or a Rejection with its reason
//!            -> thumbnail      lossy WebP, longest side 512
//!            -> measure        blur, dark, bright
//!            -> model_input    CHW floats as the reference processors make them
//! ```
//!
//! There is one way in, [`decode`], for every door (folder, upload, archive, search), so that every door gives the same
//! verdict on the same bytes. A file that cannot be taken is a [`lamina_types::Rejection`], never an error or a panic.

mod decode;
pub mod demo;
mod error;
mod format;
mod input;
mod limits;
mod picture;
mod quality;
mod resize;
mod thumbnail;

pub use decode::{Declared, decode, decode_at_least, inspect};
pub use error::MediaError;
pub use format::{PictureFormat, sniff};
pub use input::{InputSpec, ResizeFilter, ResizeMode, model_input};
pub use limits::DecodeLimits;
pub use picture::Picture;
pub use quality::{MEASURES_VERSION, Measures, measure};
pub use thumbnail::{THUMBNAIL_SIDE, thumbnail};

use lamina_types::ContentHash;
use sha2::{Digest, Sha256};

/// SHA-256 of the file's bytes: two files with equal hashes are one content.
pub fn content_hash(bytes: &[u8]) -> ContentHash {
    ContentHash::from_bytes(Sha256::digest(bytes).into())
}
