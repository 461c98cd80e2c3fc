//! What can go wrong while reading.

use lamina_types::Rejection;

/// Why a read failed. The message is for people and may be shown to the caller unless the class is internal.
#[derive(Debug, thiserror::Error)]
pub enum ExploreError {
    /// The anchor is no picture of this dataset and no upload for it.
    #[error("anchor {0} is neither an uploaded picture for this dataset nor a media item of it")]
    UnknownAnchor(uuid::Uuid),
    /// The uploaded bytes are no picture that can be used.
    #[error("the file cannot be used as a picture: {0}")]
    BadPicture(Rejection),
    /// The region lies outside the picture or is empty.
    #[error("{0}")]
    BadRegion(#[from] lamina_types::BoundingBoxError),
    /// A filter names something this dataset has not, or compares it with what it cannot be.
    #[error("{0}")]
    BadFilter(String),
    /// The dataset has nothing to search in for these entities.
    #[error("the dataset has no {0} to search in")]
    NothingIndexed(lamina_types::EntityType),
    /// The dataset was indexed with a model package that is not installed here.
    #[error(
        "the dataset was indexed with the model package {0}, which is not installed on this server"
    )]
    MissingPackage(String),
    /// No package is bound to a slot.
    #[error("no model package is bound to the slot {0}")]
    Unbound(&'static str),
    /// Not now; try again.
    #[error("the dataset cannot be read right now: {0}")]
    Unavailable(String),
    /// The model refused or failed.
    #[error(transparent)]
    Inference(#[from] lamina_inference::InferenceError),
    /// The index failed.
    #[error(transparent)]
    Index(#[from] lamina_index::IndexError),
    /// The database or the blob store failed.
    #[error(transparent)]
    Store(#[from] lamina_store::StoreError),
    /// A file for what is kept at hand could not be written or read.
    #[error("what pages show could not be kept on the disk: {0}")]
    Disk(#[from] std::io::Error),
    /// The queue failed.
    #[error(transparent)]
    Queue(#[from] lamina_jobs::QueueError),
    /// A background thread of the search pool broke down.
    #[error("a search thread ended unexpectedly")]
    SearchThread(#[from] tokio::task::JoinError),
}

impl ExploreError {
    /// Whether it is about what was asked for: the same request will fail again.
    pub const fn is_of_request(&self) -> bool {
        matches!(
            self,
            Self::UnknownAnchor(_)
                | Self::BadPicture(_)
                | Self::BadRegion(_)
                | Self::BadFilter(_)
                | Self::NothingIndexed(_)
                | Self::MissingPackage(_)
                | Self::Unbound(_)
        )
    }
}
