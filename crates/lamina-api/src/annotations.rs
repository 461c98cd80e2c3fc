//! Annotations that people bring (ours; contract 7.5 has them at creation only).

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::time::Timestamp;

/// Annotation files that were sent, and what became of them.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AnnotationImport {
    /// To ask again with.
    pub id: Uuid,
    /// Of which dataset.
    pub dataset_id: Uuid,
    /// `INIT`, `IN_PROGRESS`, `COMPLETED` or `FAILED`.
    pub status: String,
    /// When they were sent.
    pub created_at: Timestamp,
    /// When it was over.
    pub finished_at: Option<Timestamp>,
    /// Names of the files, the first hundred.
    pub files: Vec<String>,
    /// Boxes that became objects.
    pub boxes: u64,
    /// Labels of whole pictures.
    pub labels: u64,
    /// Captions.
    pub captions: u64,
    /// Rows that were not taken over; known when it is over.
    pub problems_count: u64,
    /// The first thousand of them, where one import is asked for.
    pub problems: Vec<AnnotationProblem>,
    /// Why it failed as a whole.
    pub result_message: Option<String>,
}

/// A row that was not taken over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AnnotationProblem {
    /// Name of the file.
    pub file: String,
    /// Line, record or number of the entry in its list, from 1; 0 for the file as a whole.
    pub place: u64,
    /// How the file names the picture.
    pub picture: Option<String>,
    /// What is wrong.
    pub problem: String,
}
