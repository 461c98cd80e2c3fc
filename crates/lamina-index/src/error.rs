//! What can go wrong while building and searching.

/// A vector that may not enter a block.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum VectorError {
    /// Blocks hold vectors of one length, at least 1.
    #[error("vector has {found} values, expected {expected}")]
    Dimension {
        /// Values that were expected.
        expected: usize,
        /// Values (or bytes / 2) that were found.
        found: usize,
    },
    /// The bytes do not divide into two-byte values.
    #[error("{0} bytes are no whole number of half-precision values")]
    Bytes(usize),
    /// A NaN or an infinity.
    #[error("vector has a value that is not finite at index {0}")]
    NotFinite(usize),
    /// The length is not 1 within 1e-3: not a stored embedding.
    #[error("vector has length {0}, expected 1")]
    NotUnit(f32),
}

/// Why a build or a search gave no result.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum IndexError {
    /// The stop flag was raised.
    #[error("stopped on request")]
    Stopped,
    /// The query is of another length than the indexed vectors.
    #[error("query has {found} values, the index holds vectors of {expected}")]
    QueryDimension {
        /// Length of the indexed vectors.
        expected: usize,
        /// Length of the query.
        found: usize,
    },
    /// The query has a NaN or an infinity, or no direction.
    #[error("query is not finite or has no direction")]
    QueryValues,
    /// A range bound that is NaN.
    #[error("distance bound is not a number")]
    Bound,
    /// A row of a block could not be taken.
    #[error("row {row} cannot be indexed")]
    Row {
        /// Ordinal of the row.
        row: usize,
        /// What is wrong with it.
        #[source]
        source: VectorError,
    },
    /// More rows than ordinals and the count column can hold.
    #[error("{0} vectors are more than one index holds")]
    TooMany(usize),
    /// Settings that contradict themselves.
    #[error("index setting {0}")]
    Settings(&'static str),
    /// As many labels as items are needed.
    #[error("{found} labels for {expected} items")]
    LabelCount {
        /// Items of the generation.
        expected: usize,
        /// Labels that were given.
        found: usize,
    },
}

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// The caller's values.
    InvalidInput,
    /// The caller asked to stop.
    Cancelled,
}

impl IndexError {
    /// Whose fault it is.
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Stopped => ErrorClass::Cancelled,
            Self::QueryDimension { .. }
            | Self::QueryValues
            | Self::Bound
            | Self::Row { .. }
            | Self::TooMany(_)
            | Self::Settings(_)
            | Self::LabelCount { .. } => ErrorClass::InvalidInput,
        }
    }
}
