//! Snapshots (contract 16).

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Timestamp;

/// A dataset as it was.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SnapshotInfo {
    /// The snapshot.
    pub snapshot_id: Uuid,
    /// Its name.
    pub snapshot_name: String,
    /// Name of its dataset when it was made.
    pub source_dataset_name: String,
    /// When.
    pub created_at: Timestamp,
    /// Mail address of who made it, or their name.
    pub created_by: String,
    /// Pictures.
    pub n_images: u32,
    /// Videos.
    pub n_videos: u32,
    /// Free text.
    pub description: String,
    /// `manual`, `creation` or `clone`.
    pub reason: String,
    /// Always null: nothing is trained here.
    pub training_model_id: Option<Uuid>,
    /// Always null.
    pub training_model_name: Option<String>,
    /// Whether the dataset was last made into it, or it of the dataset.
    pub is_current: bool,
    /// Whether the dataset is being made into it.
    pub is_restoring: bool,
}
