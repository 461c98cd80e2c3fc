//! Answers of `/process` (contract 7.4).

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// Processing has started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProcessStarted {
    /// `success`.
    pub status: String,
    /// For people.
    pub message: String,
    /// The new dataset.
    pub dataset_id: Uuid,
    /// Its name.
    pub name: String,
}

impl ProcessStarted {
    /// The answer for a new dataset.
    pub fn new(dataset_id: Uuid, name: String) -> Self {
        Self {
            status: "success".to_owned(),
            message: "Dataset processing started".to_owned(),
            dataset_id,
            name,
        }
    }
}

/// Processing cannot start. The envelope of this endpoint has two fields more than others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProcessFailure {
    /// `error`.
    pub status: String,
    /// Why.
    pub message: String,
    /// Why, as in every other error.
    pub detail: String,
}

impl ProcessFailure {
    /// A failure with its reason.
    pub fn new(reason: impl Into<String>) -> Self {
        let message = reason.into();
        Self {
            status: "error".to_owned(),
            detail: message.clone(),
            message,
        }
    }
}
