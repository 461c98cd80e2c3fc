//! Answers of the upload flows (contract 7.2, 7.3).

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// Answer of `GET /ingestion/new_dataset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct NewDataset {
    /// An empty dataset in `DRAFT`.
    pub dataset_id: Uuid,
}

/// Answer of `GET /ingestion/{id}/data_files`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct OpenedTransaction {
    /// The upload transaction; random, at most 63 bits.
    pub trans_id: i64,
}

/// Answer of `POST /dataset/{id}/upload`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UploadedArchive {
    /// The dataset that is being filled.
    pub dataset_id: Uuid,
    /// The same, for clients that read `id`.
    pub id: Uuid,
    /// Retired status.
    pub status: String,
    /// For people.
    pub message: String,
}
