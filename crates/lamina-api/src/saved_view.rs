//! Saved views and notifications (contract 14, 15).

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Timestamp;

/// Who made a view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Creator {
    /// The user.
    pub user_id: Uuid,
    /// If known.
    pub email: Option<String>,
    /// For people.
    pub name: String,
}

/// What matched when the whole dataset was looked at last; -1 until then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct ViewStats {
    /// Pictures; of a view of objects those they are on.
    pub n_images: i64,
    /// Objects.
    pub n_objects: i64,
    /// Frames of videos.
    pub n_video_frames: i64,
}

/// A saved view.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SavedView {
    /// The view.
    pub id: Uuid,
    /// Its dataset.
    pub dataset_id: Uuid,
    /// Unique in the dataset.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: Creator,
    /// `entity_type`, `threshold` (a string), `caption` and `vql` (an array).
    #[schema(value_type = Object)]
    pub filters: Value,
    /// What matched in all.
    pub stats: ViewStats,
    /// Whether new batches of media are looked at.
    pub monitoring_enabled: bool,
    /// Only batches from then on are.
    pub monitoring_started_at: Timestamp,
    /// Whether matches are told.
    pub alerting_enabled: bool,
    /// Matches of all batches.
    pub total_results: u64,
    /// When the last batch with matches was looked at.
    pub last_results: Option<Timestamp>,
}

/// Answer of `GET /dataset/{dataset_id}/views`.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SavedViewList {
    /// Newest first.
    pub views: Vec<SavedView>,
}

/// What one batch had for a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct TrendPoint {
    /// When it was looked at.
    pub timestamp: Timestamp,
    /// The batch.
    pub batch_id: Uuid,
    /// Its matches.
    pub count: u64,
    /// Matches up to and with this batch.
    pub cumulative: u64,
}

/// Answer of `GET /dataset/{dataset_id}/views/{view_id}/trend`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ViewTrend {
    /// Oldest first.
    pub points: Vec<TrendPoint>,
    /// Matches of all batches.
    pub total_results: u64,
    /// When the last batch with matches was looked at.
    pub last_results: Option<Timestamp>,
}

/// Answer of `POST /dataset/{dataset_id}/views/{view_id}/alerting`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct ViewAlerting {
    /// Whether matches are told.
    pub alerting_enabled: bool,
}

/// A notification.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct NotificationInfo {
    /// The notification.
    pub id: Uuid,
    /// Who is told.
    pub user_id: Uuid,
    /// What it is about: `saved_view`.
    pub entity_type: String,
    /// Which one.
    pub entity_id: Uuid,
    /// One line.
    pub title: String,
    /// More, if there is more to say.
    pub message: Option<String>,
    /// For programs: `batch_id`, `is_alert`, `view_name`, `dataset_name`, `result_count`.
    #[schema(value_type = Object)]
    pub metadata: Value,
    /// The dataset, if it is about one.
    pub dataset_id: Option<Uuid>,
    /// When.
    pub created_at: Timestamp,
    /// When it was read.
    pub read_at: Option<Timestamp>,
}

/// Answer of `GET /notifications`.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct NotificationList {
    /// One page, newest first.
    pub notifications: Vec<NotificationInfo>,
    /// How many there are on all pages.
    pub total: u64,
    /// Whether there are more behind this page.
    pub has_more: bool,
}

/// Answer of `GET /notifications/unread-count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct UnreadCount {
    /// Not read yet.
    pub count: u64,
}

/// One event of `GET /notifications/stream`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct NotificationEvent {
    /// `notification`, `ping` or `error`.
    pub event: String,
    /// A notification, or what is wrong, as JSON; nothing in a ping.
    pub data: String,
}

/// Answer of `POST /notifications/{notification_id}/read`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct MarkedRead {
    /// Always true.
    pub ok: bool,
}

/// Answer of `POST /notifications/read-all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct AllMarkedRead {
    /// Always true.
    pub ok: bool,
    /// How many were marked.
    pub count: u64,
}
