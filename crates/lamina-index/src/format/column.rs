//! Lists that stay in the file they were read from.

use std::sync::Arc;

use bytemuck::Pod;

use crate::FileBytes;
use crate::column::Column;

/// The file that is being read.
pub(super) struct Origin<'a> {
    pub(super) file: &'a Arc<FileBytes>,
}

impl Origin<'_> {
    /// A part of the file as a list: in place when the file is mapped, else copied, so that the rest of the file's bytes need
    /// not be kept. `None` when it is no whole number of values.
    pub(super) fn column<T: Pod>(&self, part: &[u8]) -> Option<Column<T>> {
        if !part.len().is_multiple_of(size_of::<T>()) {
            return None;
        }
        if !self.file.is_mapped() {
            return Some(Column::Owned(bytemuck::pod_collect_to_vec(part)));
        }
        let start = part
            .as_ptr()
            .addr()
            .checked_sub(self.file.as_ptr().addr())?;
        Column::shared(self.file, start..start + part.len())
    }
}
