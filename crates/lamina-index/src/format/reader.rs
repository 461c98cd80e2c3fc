//! Reading bytes that may lie about themselves.

use crate::DamagedGeneration;

/// Takes bytes off the front, or says that they are not there.
pub(super) struct Reader<'a> {
    pub(super) rest: &'a [u8],
    pub(super) section: &'static str,
}

impl<'a> Reader<'a> {
    pub(super) const fn problem(&self, problem: &'static str) -> DamagedGeneration {
        DamagedGeneration::Section {
            section: self.section,
            problem,
        }
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], DamagedGeneration> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or_else(|| self.problem("longer than the file"))?;
        self.rest = rest;
        Ok(taken)
    }

    /// Passes over the zeros before the next multiple of `alignment` bytes, given where the reader is.
    pub(super) fn align(&mut self, at: usize, alignment: usize) -> Result<(), DamagedGeneration> {
        let zeros = self.take(at.next_multiple_of(alignment) - at)?;
        if zeros.iter().all(|byte| *byte == 0) {
            Ok(())
        } else {
            Err(self.problem("bytes between sections"))
        }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DamagedGeneration> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or_else(|| self.problem("longer than the file"))?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn u32(&mut self) -> Result<u32, DamagedGeneration> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn f32(&mut self) -> Result<f32, DamagedGeneration> {
        self.array().map(f32::from_le_bytes)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, DamagedGeneration> {
        let length = self.u32()? as usize;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| self.problem("not text"))
    }

    pub(super) fn ordinal(&mut self, count: usize) -> Result<u32, DamagedGeneration> {
        let ordinal = self.u32()?;
        if (ordinal as usize) < count {
            Ok(ordinal)
        } else {
            Err(self.problem("an ordinal beyond the last"))
        }
    }

    pub(super) fn distance(&mut self) -> Result<f32, DamagedGeneration> {
        let distance = self.f32()?;
        if (0.0..=2.0).contains(&distance) {
            Ok(distance)
        } else {
            Err(self.problem("a distance outside 0 to 2"))
        }
    }

    pub(super) fn fractions(mut self, count: usize) -> Result<Vec<f32>, DamagedGeneration> {
        self.expect_length(count, 4)?;
        (0..count)
            .map(|_| {
                let value = self.f32()?;
                if (0.0..=1.0).contains(&value) {
                    Ok(value)
                } else {
                    Err(self.problem("a score outside 0 to 1"))
                }
            })
            .collect()
    }

    /// Before anything is allocated for a section, its length must be the one the header implies.
    pub(super) fn expect_length(
        &self,
        items: usize,
        bytes_each: usize,
    ) -> Result<(), DamagedGeneration> {
        if items.checked_mul(bytes_each) == Some(self.rest.len()) {
            Ok(())
        } else {
            Err(self.problem("wrong length"))
        }
    }

    pub(super) fn end(&self) -> Result<(), DamagedGeneration> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.problem("bytes after the end"))
        }
    }
}
