//! Pictures: bytes in, oriented sRGB pixels out, and everything that is computed from pixels without a model.
//!
//! Owns `image`, `fast_image_resize` and `libwebp-sys`. Works on the CPU, synchronously, one picture at a time: the caller
//! brings threads and decides how many pictures are open at once ([`inspect`] tells what one will take). Knows no
//! files, database, network or model sessions.
//!
//! One picture flows through like this:
//!
//! ```text
//! bytes -> content_hash                       its name everywhere
//!       -> decode (sniff, limits, catch_unwind, orientation, sRGB)  -> Picture, or a Rejection with its reason
//!            -> thumbnail      lossy WebP, longest side 448
//!            -> measure        blur, dark, bright
//!            -> model_input    CHW floats as the reference processors make them
//! ```
//!
//! There is one way in, [`decode()`], for every door (folder, upload, archive, search), so that every door gives the same
//! verdict on the same bytes. A file that cannot be taken is a [`lamina_types::Rejection`], never an error or a panic.
//!
//! # How good the quality measures are
//!
//! F1 on 840 generated pictures (dead leaves, land, plain shapes, single shapes on plain grounds, drawn scenes; 256 to 900
//! pixels; each one fine, softly and strongly out of focus, moved, dark, overexposed and washed out, saved as JPEG of
//! quality 70 to 95), all of them judged together: blur 0.997, dark 1.000, bright 1.000. Of 111 ordinary photos of 640 pixels,
//! 3 are flagged (1 blurred, 2 bright). Of 6,751 photos of at most 256 pixels, many of them cut out on white or seen from a satellite,
//! 806 are: 601 bright (570 of them in one set of cut-outs), 120 dark (119 satellite pictures of water and forest), 89
//! blurred (43 of 400 close-ups of groceries). A picture most of which is a white ground counts as bright: its luma does not tell it from an
//! overexposed one. `cargo run --release --example quality` repeats this.
//!
//! # What it costs
//!
//! Milliseconds on one core of a shared two-core x86-64 machine, release build, least of 61 rounds (`examples/stages.rs`):
//!
//! | picture | hash | decode | thumbnail | measures | 224 input | all |
//! |---|---|---|---|---|---|---|
//! | drawn, 640 x 480, 96 kB | 0.05 | 1.54 | 4.2 | 0.96 | 0.36 | 7.1 |
//! | photo, 640 x 425, 134 kB, Adobe RGB to sRGB | 0.07 | 2.3 | 4.0 | 0.91 | 0.35 | 7.6 |
//! | photo, 640 x 480, 321 kB | 0.17 | 3.7 | 6.8 | 0.99 | 0.36 | 12.5 |
//! | 4,000 x 3,000, 1.5 MB | 0.8 | 57 | 10.5 | 12 | 4.3 | 85 |
//!
//! Most of the thumbnail is the WebP encoder at its fastest method.

mod decode;
pub mod demo;
mod error;
mod format;
mod input;
mod limits;
mod linear;
mod picture;
mod quality;
mod resize;
mod thumbnail;
mod webp;

pub use decode::{Declared, decode, decode_at_least, inspect};
pub use error::MediaError;
pub use format::{PictureFormat, sniff};
pub use input::{ChannelOrder, InputSpec, ResizeFilter, ResizeMode, SampleRange, model_input};
pub use limits::DecodeLimits;
pub use picture::Picture;
pub use quality::{MEASURES_VERSION, Measures, measure};
pub use thumbnail::{THUMBNAIL_SIDE, cutting, thumbnail};

use lamina_types::ContentHash;
use sha2::{Digest, Sha256};

/// SHA-256 of the file's bytes: two files with equal hashes are one content.
pub fn content_hash(bytes: &[u8]) -> ContentHash {
    ContentHash::from_bytes(Sha256::digest(bytes).into())
}
