//! Datasets (contract 3 and 9).

use lamina_types::{DatasetStatus, SourceType};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Timestamp;

/// A dataset: every field that any client of contract 3.1 reads.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DatasetInfo {
    /// The dataset.
    pub id: Uuid,
    /// Its name; names need not be unique.
    pub display_name: String,
    /// Free text, empty when there is none.
    pub description: String,
    /// Where its media came from: `BUCKET`, `UPLOAD`, `FOLDER`, `VL`.
    #[schema(value_type = String)]
    pub source_type: SourceType,
    /// The source, empty when it has no address.
    pub source_uri: String,
    /// A picture that stands for the dataset, empty when there is none.
    pub preview_uri: String,
    /// Always `VL`, as in every known answer.
    pub owned_by: String,
    /// The user who made it.
    pub created_by: Uuid,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
    /// Name of the uploaded archive, if there was one.
    pub filename: Option<String>,
    /// Always null; clients make a table column of it.
    pub sample: Option<bool>,
    /// Retired status that older clients still read.
    pub status: String,
    /// `DRAFT`, `INDEXING`, `READ ONLY`, `PARTIAL INDEX`, `READY`, `ERROR`.
    #[schema(value_type = String)]
    pub status_new: DatasetStatus,
    /// 0 to 100 in whole steps; 100 exactly when complete.
    pub progress: u8,
    /// Pictures; frames of videos are not counted.
    pub n_images: i64,
    /// Videos.
    pub n_videos: i64,
    /// Objects.
    pub n_objects: i64,
    /// Why it is in `ERROR`.
    pub fatal_error_msg: Option<String>,
    /// The dataset this one is a copy of.
    pub source_dataset_id: Option<Uuid>,
}

/// Answer of `GET /datasets/{id}/creation-status`; `status` speaks the words of `status_new`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CreationStatus {
    /// `DRAFT`, `INDEXING`, `READ ONLY`, `PARTIAL INDEX`, `READY`, `ERROR`.
    #[schema(value_type = String)]
    pub status: DatasetStatus,
    /// 0 to 100.
    pub progress: u8,
}

/// Answer of `POST /dataset`. The documentation reads `dataset_id`, the SDK `id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CreatedDataset {
    /// The new dataset.
    pub id: Uuid,
    /// The new dataset.
    pub dataset_id: Uuid,
    /// Its name.
    pub display_name: String,
    /// Retired status; never `error`, which the SDK takes as a failure.
    pub status: String,
    /// Status.
    #[schema(value_type = String)]
    pub status_new: DatasetStatus,
}

/// Answer of `DELETE /dataset/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeletedDataset {
    /// The dataset that is gone.
    pub id: Uuid,
    /// For people.
    pub message: String,
}

/// A row of `GET /datasets/sample_data`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SampleDataset {
    /// Name.
    pub display_name: String,
    /// The dataset.
    pub dataset_id: Uuid,
}

/// Answer of `GET /dataset/{id}/stats`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct DatasetStats {
    /// Pictures.
    pub n_images: i64,
    /// Videos.
    pub n_videos: i64,
    /// Objects.
    pub n_objects: i64,
    /// Clusters of pictures at the finest level.
    pub n_clusters: u64,
    /// Different labels.
    pub n_labels: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dataset_has_every_field_of_the_contract_and_no_other() {
        let info = DatasetInfo {
            id: Uuid::nil(),
            display_name: "Road scenes".to_owned(),
            description: String::new(),
            source_type: SourceType::Bucket,
            source_uri: String::new(),
            preview_uri: String::new(),
            owned_by: "VL".to_owned(),
            created_by: Uuid::nil(),
            created_at: Timestamp::from(chrono::DateTime::UNIX_EPOCH),
            updated_at: None,
            filename: None,
            sample: None,
            status: "UPDATING".to_owned(),
            status_new: DatasetStatus::ReadOnly,
            progress: 100,
            n_images: 26,
            n_videos: 0,
            n_objects: 0,
            fatal_error_msg: None,
            source_dataset_id: None,
        };
        let nil = "00000000-0000-0000-0000-000000000000";
        let expected = format!(
            concat!(
                r#"{{"id":"{0}","display_name":"Road scenes","description":"","source_type":"BUCKET","source_uri":"","#,
                r#""preview_uri":"","owned_by":"VL","created_by":"{0}","created_at":"1970-01-01T00:00:00.000000","#,
                r#""updated_at":null,"filename":null,"sample":null,"status":"UPDATING","status_new":"READ ONLY","#,
                r#""progress":100,"n_images":26,"n_videos":0,"n_objects":0,"fatal_error_msg":null,"source_dataset_id":null}}"#
            ),
            nil
        );
        assert_eq!(serde_json::to_string(&info).unwrap(), expected);
    }
}
