//! Lists of plain numbers that are owned, lie in a mapped file, or were copied from one to huge pages.

use std::ops::{Deref, Range};
use std::sync::Arc;

use bytemuck::Pod;

use crate::FileBytes;
use crate::wide_bytes::WideBytes;

#[cfg(target_endian = "big")]
compile_error!("index files are little-endian and are used where they lie");

/// Numbers, read as a slice.
#[derive(Clone)]
pub(crate) enum Column<T> {
    /// In memory of its own.
    Owned(Vec<T>),
    /// A range of bytes of a file, aligned and a whole number of values: see [`Column::shared`].
    Shared(Arc<FileBytes>, Range<usize>),
    /// On huge pages, aligned and a whole number of values: see [`Column::on_wide_pages`].
    Wide(Arc<WideBytes>),
}

/// Values of a mapped file from which copying them to huge pages pays, in bytes: below it, their pages are all known anyway.
const WIDE_FROM: usize = 4 << 20;

impl<T: Pod> Column<T> {
    /// A range of the bytes of a file, without a copy where they are aligned; `None` when the range is no whole number of
    /// values or not in the file.
    pub(crate) fn shared(file: &Arc<FileBytes>, range: Range<usize>) -> Option<Self> {
        let bytes = file.get(range.clone())?;
        if bytes.len() % size_of::<T>() != 0 {
            return None;
        }
        if bytemuck::try_cast_slice::<u8, T>(bytes).is_ok() {
            return Some(Self::Shared(Arc::clone(file), range));
        }
        Some(Self::Owned(bytemuck::pod_collect_to_vec(bytes)))
    }

    /// Bytes of memory of its own; pages of a mapped file belong to the system's cache.
    pub(crate) fn bytes_owned(&self) -> usize {
        match self {
            Self::Owned(values) => values.capacity() * size_of::<T>(),
            Self::Shared(..) => 0,
            Self::Wide(bytes) => bytes.len(),
        }
    }

    /// The same values where reading them here and there is quickest. Of a mapped file, each read first looks for one of many
    /// small pages, which takes longer than the read itself.
    pub(crate) fn on_wide_pages(self) -> Self {
        let Self::Shared(file, range) = &self else {
            return self;
        };
        if range.len() < WIDE_FROM {
            return self;
        }
        let wide = WideBytes::copied(&file[range.clone()]);
        match bytemuck::try_cast_slice::<u8, T>(&wide) {
            Ok(_) => Self::Wide(Arc::new(wide)),
            Err(_) => self,
        }
    }

    /// The values as bytes of a file.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        bytemuck::cast_slice(self)
    }

    /// For adding values; those that others may hold are copied first.
    pub(crate) fn make_owned(&mut self) -> &mut Vec<T> {
        if let Self::Shared(..) | Self::Wide(_) = self {
            *self = Self::Owned(self.to_vec());
        }
        match self {
            Self::Owned(values) => values,
            Self::Shared(..) | Self::Wide(_) => unreachable!("made owned above"),
        }
    }
}

impl<T: Pod> Deref for Column<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::Owned(values) => values,
            // Range and alignment were looked at when it was made, and the bytes of a file stay where they are.
            Self::Shared(file, range) => bytemuck::cast_slice(&file[range.clone()]),
            // Alignment was looked at when it was made.
            Self::Wide(bytes) => bytemuck::cast_slice(bytes),
        }
    }
}

impl<T> From<Vec<T>> for Column<T> {
    fn from(values: Vec<T>) -> Self {
        Self::Owned(values)
    }
}

impl<T: Pod + PartialEq> PartialEq for Column<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_file_are_read_in_place_or_copied() {
        let file = Arc::new(FileBytes::from((0..64).collect::<Vec<u8>>()));
        let places: Vec<Column<u32>> = (0..4)
            .map(|at| Column::shared(&file, at..at + 16).unwrap())
            .collect();
        for (at, column) in places.iter().enumerate() {
            assert_eq!(
                column[0],
                u32::from_le_bytes([0, 1, 2, 3].map(|byte| byte + at as u8))
            );
            assert_eq!(column.len(), 4);
            assert_eq!(column.as_bytes(), &file[at..at + 16]);
        }
        let shared = places.iter().filter(|column| column.bytes_owned() == 0);
        assert_eq!(shared.count(), 1);
        assert!(Column::<u32>::shared(&file, 0..15).is_none());
        assert!(Column::<u32>::shared(&file, 60..68).is_none());
        let large =
            Column::<u32>::shared(&Arc::new(FileBytes::from(vec![3; WIDE_FROM])), 0..WIDE_FROM);
        let wide = large.unwrap().on_wide_pages();
        assert!(matches!(wide, Column::Wide(_)) && wide.iter().all(|one| *one == 0x0303_0303));
        assert_eq!(wide.bytes_owned(), WIDE_FROM);
        let mut more = wide.clone();
        more.make_owned().push(7);
        assert_eq!((more.len(), wide.len()), (WIDE_FROM / 4 + 1, WIDE_FROM / 4));
        let small = places[0].clone().on_wide_pages();
        assert!(!matches!(small, Column::Wide(_)));
        let mut grown = places[0].clone();
        grown.make_owned().push(7);
        assert_eq!((grown.len(), places[0].len()), (5, 4));
    }
}
