//! Why the bytes of a generation file are not taken.

/// A generation file that must be rebuilt. The variants are in the order in which they are looked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DamagedGeneration {
    /// Shorter than the shortest file there can be.
    #[error("generation file has {0} bytes: cut off or empty")]
    TooShort(usize),
    /// The bytes are not those that were written.
    #[error("generation file does not have the checksum it ends with")]
    Checksum,
    /// A sound file, but not the one that was published.
    #[error("generation file is not the one that was published: another checksum was recorded")]
    NotThePublished,
    /// Not a generation file at all.
    #[error("not a generation file")]
    Magic,
    /// Written by another version of the program.
    #[error("generation file has format version {found}, this program reads {read}")]
    Version {
        /// In the file.
        found: u32,
        /// Known here.
        read: u32,
    },
    /// The header says it is of something else than was asked for.
    #[error("generation file is of another {0}")]
    Header(&'static str),
    /// A section is missing, out of order, of an impossible length, or holds impossible values.
    #[error("generation file: section {section}: {problem}")]
    Section {
        /// Which one.
        section: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}
