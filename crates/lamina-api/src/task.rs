//! Tasks (contract 17).

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::WholeSeconds;

/// A piece of work about a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TaskInfo {
    /// The task.
    pub task_id: Uuid,
    /// What it is about.
    pub dataset_id: Uuid,
    /// Its name.
    pub dataset_name: String,
    /// Its status, with underscores: `READ_ONLY`.
    pub dataset_status: String,
    /// Mail address of who asked for it, or their name.
    pub created_by: String,
    /// `DATASET_CREATION`, `ENRICHMENT`, ...
    pub task_type: String,
    /// `INITIALIZING`, `RUNNING`, `COMPLETED`, `FAILED`, `ABORTED`.
    pub status: String,
    /// One sentence for people.
    pub status_message: String,
    /// 0 to 100.
    pub progress_percentage: Option<u8>,
    /// Why it failed.
    pub error_message: Option<String>,
    /// When it was asked for.
    pub start_time: WholeSeconds,
    /// When it ended.
    pub end_time: Option<WholeSeconds>,
}

/// Answer of `GET /tasks/filters`: what the tasks of the caller can be filtered by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct TaskFilters {
    /// By name.
    pub dataset_names: Vec<String>,
    /// In any order.
    pub dataset_ids: Vec<Uuid>,
    /// `DATASET_CREATION`, ...
    pub task_types: Vec<String>,
    /// Mail addresses, or names.
    pub created_by: Vec<String>,
}

/// Answer of `GET /tasks`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TaskList {
    /// One page.
    pub tasks: Vec<TaskInfo>,
    /// How many there are on all pages.
    pub total: u64,
    /// This page, from 1.
    pub page: u32,
    /// Tasks of a full page.
    pub page_size: u32,
}
