//! How large a single picture may be.

/// Bounds on one picture, checked against what the file declares, before anything of that size is allocated.
///
/// The memory that a process needs for decoding is the number of pictures decoded at once times `max_alloc_bytes`,
/// in the worst case; [`crate::inspect`] gives the figure for one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Bytes of the file. Default 200 MB.
    pub max_bytes: u64,
    /// Width times height. Default 100 million.
    pub max_pixels: u64,
    /// Either side, in pixels. Default 16,384.
    pub max_side: u32,
    /// Bytes of memory at the peak of decoding one file. Default 512 MiB.
    pub max_alloc_bytes: u64,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self {
            max_bytes: 200_000_000,
            max_pixels: 100_000_000,
            max_side: 16_384,
            max_alloc_bytes: 512 << 20,
        }
    }
}
