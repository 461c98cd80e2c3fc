//! Custom metadata (contract 18).

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// A field was declared: the task that fills it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MetadataTask {
    /// The task.
    pub task_id: Uuid,
    /// `INIT`.
    pub status: String,
}

/// How far the task of a field is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct MetadataTaskStatus {
    /// The task.
    pub task_id: Uuid,
    /// `INIT`, `COMPLETED` or `COMPLETED_WITH_ERRORS`.
    pub status: String,
    /// 0 or 100: a file is taken by the request that sends it.
    pub progress: f64,
    /// Rows that were taken.
    pub inserted_rows: u64,
    /// Rows that were not.
    pub error_count: u64,
    /// The first of those: `reason` and `row_index`, from 0.
    #[schema(value_type = Vec<Object>)]
    pub sample_errors: Value,
}

/// A declared field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MetadataField {
    /// Unique in the dataset.
    pub field_name: String,
    /// `string`, `float`, `datetime`, `enum` or `link`.
    pub field_type: String,
    /// Of an enum; empty for other types.
    pub enum_options: Vec<String>,
    /// Whether a picture may have several options.
    pub is_multi: bool,
    /// The task that fills it.
    pub task_id: Uuid,
}

/// The value of a picture for one field.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct MetadataValue {
    /// The field.
    pub field_name: String,
    /// Its type.
    pub field_type: String,
    /// A string, a number, or an array of options.
    #[schema(value_type = Object)]
    pub value: Value,
}
