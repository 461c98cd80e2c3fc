//! Tags: an interface of our own, for the original has none (contract 21, 25).

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Timestamp;

/// A tag of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TagDetails {
    /// The tag.
    pub id: Uuid,
    /// Unique in the dataset.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Pictures that carry it.
    pub media_count: u64,
}

/// What became of a change of many pictures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TagChange {
    /// The tag.
    pub id: Uuid,
    /// Pictures that were selected.
    pub selected: u64,
    /// Pictures that got the tag, or lost it.
    pub changed: u64,
}

/// A tag that is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeletedTag {
    /// The tag.
    pub id: Uuid,
    /// For people.
    pub message: String,
}
