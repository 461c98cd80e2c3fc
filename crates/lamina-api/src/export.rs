//! Export tasks (contract 11.1, 11.2).

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::time::Timestamp;

/// How far an export is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ExportTask {
    /// To ask again with.
    pub id: Uuid,
    /// Of which dataset.
    pub dataset_id: Uuid,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// Where the archive is; null until `COMPLETED`. Absolute for callers with a token, a path for others.
    pub download_uri: Option<String>,
    /// 0 to 100.
    #[schema(minimum = 0, maximum = 100)]
    pub progress: f64,
    /// `INIT`, `IN_PROGRESS`, `COMPLETED`, `FAILED` or `REJECTED`.
    pub status: String,
    /// Number of selected media.
    pub entities_count: u64,
    /// Why it failed or was refused.
    pub result_message: Option<String>,
}
