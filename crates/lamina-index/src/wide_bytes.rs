//! Bytes that are read here and there: on huge pages where the system has them, or each read would first look for its page.

use std::ops::{Deref, DerefMut};

use memmap2::MmapMut;

/// A large block of bytes, zeros at first.
pub(crate) enum WideBytes {
    Mapped(MmapMut),
    /// Where nothing can be mapped.
    Owned(Vec<u8>),
}

impl WideBytes {
    pub(crate) fn zeros(length: usize) -> Self {
        let Ok(map) = MmapMut::map_anon(length) else {
            return Self::Owned(vec![0; length]);
        };
        // A system without huge pages refuses, and loses nothing but speed.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        Self::Mapped(map)
    }

    pub(crate) fn copied(bytes: &[u8]) -> Self {
        let mut copy = Self::zeros(bytes.len());
        copy.copy_from_slice(bytes);
        copy
    }
}

impl Deref for WideBytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Owned(bytes) => bytes,
        }
    }
}

impl DerefMut for WideBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Owned(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_any_length_are_zeros_and_can_be_written() {
        for length in [0, 1, 4_097, 5 << 20] {
            let mut bytes = WideBytes::zeros(length);
            assert_eq!(bytes.len(), length);
            assert!(bytes.iter().all(|byte| *byte == 0));
            if let Some(last) = bytes.last_mut() {
                *last = 7;
            }
            assert_eq!(bytes.last().copied(), (length > 0).then_some(7));
        }
    }
}
