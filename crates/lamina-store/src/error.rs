//! The one error type of this crate, and what kind of trouble each value is.

use lamina_types::{ContentHash, DatasetId, DatasetStatus};

use crate::{secrets::SecretsError, sqlstate};

/// What kind of trouble an error is, for callers that translate it (HTTP status, retry or not).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The values given can never be stored or used.
    InvalidInput,
    /// The thing does not exist, or not for this user.
    NotFound,
    /// The thing is in a state, or has a name, that forbids the operation.
    Conflict,
    /// The database or the disk cannot serve just now; trying again may help.
    Unavailable,
    /// It took longer than allowed.
    Timeout,
    /// Disk, corruption or our bug.
    Internal,
}

/// Anything that can go wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused or could not be asked. The class comes from its error code.
    #[error("database error")]
    Database {
        /// From the error code; see `sqlstate.rs`.
        class: ErrorClass,
        /// The constraint that was broken, if one was: `tags_name_key`.
        constraint: Option<String>,
        /// What the driver said.
        #[source]
        source: sqlx::Error,
    },
    /// The schema could not be brought up to date.
    #[error("the database schema could not be migrated")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// Nothing with this id, or not in this dataset.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// A status move that the contract does not know, or that somebody else made first.
    #[error("dataset {dataset} is {current} and cannot become {wanted}")]
    StatusConflict {
        /// Which dataset.
        dataset: DatasetId,
        /// What it is.
        current: DatasetStatus,
        /// What it was to be.
        wanted: DatasetStatus,
    },
    /// Files were added to, or processing asked of, an upload transaction that is already being processed.
    #[error("upload transaction {0} is already processed")]
    UploadClosed(i64),
    /// A dataset's vector space exists already with another package or parameters.
    #[error("dataset {0} has this vector space from another model package")]
    SpaceConflict(DatasetId),
    /// A number that SQL must not see: NaN or an infinity.
    #[error("{0} is not a finite number")]
    NotFinite(&'static str),
    /// Two lists that belong together differ in length, or a number does not fit its column.
    #[error("malformed input: {0}")]
    Malformed(&'static str),
    /// The vectors of a dataset are not one per media item, or not of one dimension.
    #[error(
        "dataset {dataset}: {found} usable vectors for {media} items (first trouble at ordinal {ordinal})"
    )]
    VectorsIncomplete {
        /// Which dataset.
        dataset: DatasetId,
        /// Number of items.
        media: usize,
        /// Number of vectors before the first trouble.
        found: usize,
        /// Where it was found.
        ordinal: u32,
    },
    /// Media ordinals are not 0..n-1.
    #[error("dataset {dataset}: ordinal {ordinal} is missing or doubled")]
    OrdinalsBroken {
        /// Which dataset.
        dataset: DatasetId,
        /// The first ordinal that is wrong.
        ordinal: u32,
    },
    /// A row was about to be recorded for pixels that are no longer in the blob store; writing them again helps.
    #[error("content {0} is not in the blob store")]
    ContentGone(ContentHash),
    /// The blob store.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The keys file or a sealed secret.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
}

/// Trouble with the blob directory.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// No such blob.
    #[error("blob {0} not found")]
    NotFound(String),
    /// The bytes are not those that the name promises.
    #[error("blob {0} does not have the content its name promises")]
    Damaged(String),
    /// A key outside the known folders.
    #[error("{0:?} is no blob key")]
    BadKey(String),
    /// Less space than the margin that is kept free.
    #[error("no space left for blobs: {free_bytes} bytes free, {margin_bytes} are kept free")]
    NoSpace {
        /// Free bytes at the time.
        free_bytes: u64,
        /// What must stay free.
        margin_bytes: u64,
    },
    /// Reading or writing failed.
    #[error("blob {key} could not be read or written")]
    Io {
        /// Which blob.
        key: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    /// What kind of trouble this is.
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Database { class, .. } => *class,
            Self::NotFound(_) | Self::Blob(BlobError::NotFound(_)) => ErrorClass::NotFound,
            Self::StatusConflict { .. } | Self::UploadClosed(_) | Self::SpaceConflict(_) => {
                ErrorClass::Conflict
            }
            Self::NotFinite(_) | Self::Malformed(_) | Self::Blob(BlobError::BadKey(_)) => {
                ErrorClass::InvalidInput
            }
            Self::ContentGone(_) | Self::Blob(BlobError::NoSpace { .. }) => ErrorClass::Unavailable,
            Self::Migrate(_)
            | Self::VectorsIncomplete { .. }
            | Self::OrdinalsBroken { .. }
            | Self::Blob(BlobError::Damaged(_) | BlobError::Io { .. })
            | Self::Secrets(_) => ErrorClass::Internal,
        }
    }

    /// The name of the broken constraint, for `409`s with a proper text.
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Database { constraint, .. } => constraint.as_deref(),
            Self::Migrate(_)
            | Self::NotFound(_)
            | Self::StatusConflict { .. }
            | Self::UploadClosed(_)
            | Self::SpaceConflict(_)
            | Self::NotFinite(_)
            | Self::Malformed(_)
            | Self::VectorsIncomplete { .. }
            | Self::OrdinalsBroken { .. }
            | Self::ContentGone(_)
            | Self::Blob(_)
            | Self::Secrets(_) => None,
        }
    }

    /// Whether the same call may succeed later without anybody changing the input.
    pub const fn is_transient(&self) -> bool {
        matches!(self.class(), ErrorClass::Unavailable | ErrorClass::Timeout)
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(source: sqlx::Error) -> Self {
        let constraint = source
            .as_database_error()
            .and_then(|error| error.constraint())
            .map(str::to_owned);
        Self::Database {
            class: sqlstate::class_of(&source),
            constraint,
            source,
        }
    }
}
