//! What can go wrong while an export is written.

/// Why an export could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The disk.
    #[error("the export cannot be written: {0}")]
    Io(#[from] std::io::Error),
    /// The archive.
    #[error("the archive cannot be written: {0}")]
    Archive(#[from] zip::result::ZipError),
    /// A value that JSON cannot hold.
    #[error("the metadata cannot be written: {0}")]
    Json(#[from] serde_json::Error),
    /// A value that CSV cannot hold.
    #[error("the tables cannot be written: {0}")]
    Csv(#[from] csv::Error),
    /// A value that the table cannot hold.
    #[error("the table cannot be written: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// What the export is made of cannot be read.
    #[error(transparent)]
    Explore(#[from] lamina_explore::ExploreError),
    /// The database or the blob store failed.
    #[error(transparent)]
    Store(#[from] lamina_store::StoreError),
}
