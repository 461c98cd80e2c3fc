//! Datasets as documents: what they are exported as, in six formats and an archive around them (contract 11), and the
//! annotations that are read from files of the same formats (contract 7.5).
//!
//! Owns the formats and the writing of archives. Must not know HTTP, jobs or SQL: items come from [`gather`], which asks the
//! reading side, and go item by item into a [`FormatWriter`], so that a million pictures cost no more memory than a
//! thousand.

mod archive;
mod error;
mod formats;
pub mod gather;
mod item;
pub mod reading;
#[cfg(test)]
mod sample;
mod spool;
mod staging;

pub use archive::{ArchiveWriter, EntryNames};
pub use error::ExportError;
pub use formats::{FormatWriter, JsonWriter, media_id_lines};
pub use item::{About, DuplicateItem, Item, LabelItem, ObjectItem, Source, TagItem};
pub use staging::stage;
