//! Why there is no source, and why a file of a source did not come.

use std::io;

use lamina_store::remote::RemoteError;
use lamina_types::{RejectReason, Rejection};

/// A source that cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The path is relative, malformed, or not below a folder that the operator opened for ingests.
    #[error("the path is not inside a folder that may be read")]
    OutsideRoots,
    /// Nothing has this path.
    #[error("there is nothing at this path")]
    NotFound,
    /// The server's user may not read it.
    #[error("the server is not allowed to read this path")]
    Denied,
    /// Below the root, the path goes through a link, or through something that is no folder.
    #[error("the path goes through a link or through something that is not a folder")]
    ThroughLink,
    /// A folder was asked for.
    #[error("this path is not a folder")]
    NotAFolder,
    /// A file was asked for.
    #[error("this path is not a regular file")]
    NotAFile,
    /// More items than one dataset may be made of.
    #[error("the source has more than {limit} files")]
    TooManyFiles {
        /// The limit.
        limit: u64,
    },
    /// The list itself is too long.
    #[error("the list has more than {limit} bytes")]
    ListTooLong {
        /// The limit.
        limit: u64,
    },
    /// A list of a kind that is not read.
    #[error(
        "lists of files are read as .txt (one path a line), .csv or .parquet, not as {extension}"
    )]
    UnsupportedList {
        /// What the file's name ends with, for people.
        extension: String,
    },
    /// A parquet file that cannot be read.
    #[error("the list is no parquet file, is damaged, or is packed by a method that is not read")]
    DamagedList(#[source] parquet::errors::ParquetError),
    /// A parquet file without texts.
    #[error("the list has no column of texts")]
    NoColumn,
    /// A list at an address did not come.
    #[error("the list cannot be read: {0}")]
    NoList(String),
    /// A bucket or an address.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The file is no zip archive.
    #[error("this file is not an archive")]
    NotAnArchive,
    /// The directory of the archive cannot be read; mostly a transfer that was cut off.
    #[error("the zip archive is damaged or incomplete")]
    DamagedArchive(#[source] zip::result::ZipError),
    /// The archive is cut off, or is none.
    #[error("the tar archive is damaged or incomplete")]
    DamagedTar(#[source] io::Error),
    /// A gzipped archive that holds far more than it should.
    #[error("the archive unpacks to more than {limit} bytes")]
    UnpacksTooFar {
        /// The limit.
        limit: u64,
    },
    /// More entries, or a longer directory, than an archive may have.
    #[error("the archive has more than {limit} entries")]
    TooManyEntries {
        /// The limit.
        limit: u64,
    },
    /// The directory of the archive takes more memory than it may.
    #[error("the directory of the zip archive has more than {limit} bytes")]
    DirectoryTooLarge {
        /// The limit.
        limit: u64,
    },
    /// The caller asked to stop.
    #[error("listing was stopped")]
    Stopped,
    /// The storage failed.
    #[error("the source could not be read")]
    Io(#[source] io::Error),
}

impl SourceError {
    /// Whether the same call may succeed later with nothing changed by the user.
    pub fn is_retryable(&self) -> bool {
        if let Self::Remote(error) = self {
            return error.is_retryable();
        }
        matches!(self, Self::Io(_) | Self::Stopped)
    }
}

/// A file that did not come.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It will never come: a row of the report.
    #[error("the file was rejected: {0}")]
    Rejected(Rejection),
    /// The storage failed; trying again may help.
    #[error("the file could not be read")]
    Io(#[source] io::Error),
}

impl From<Rejection> for FetchError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<RemoteError> for FetchError {
    fn from(error: RemoteError) -> Self {
        if error.is_retryable() {
            return Self::Io(io::Error::other(error));
        }
        let reason = if matches!(error, RemoteError::TooManyBytes(_)) {
            RejectReason::TooManyBytes
        } else {
            RejectReason::Unreadable
        };
        Self::Rejected(Rejection::new(reason, error.to_string()))
    }
}
