//! One picture by itself (contract 10.1).

use lamina_types::IssueType;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{BoxInfo, TagInfo};

/// Answer of `GET /image/{id}`: a preview without scores, and what is known of the item beyond it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ImageInfo {
    /// `IMAGE` or `OBJECT`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The dataset it belongs to.
    pub dataset_id: Uuid,
    /// The media item, or the object.
    pub media_id: Uuid,
    /// The full picture; works without a header.
    pub media_uri: String,
    /// A WebP thumbnail; works without a header.
    pub media_thumb_uri: String,
    /// The picture: equal to `media_id` for pictures, the parent for objects.
    pub image_id: Uuid,
    /// The picture's address.
    pub image_uri: String,
    /// Its caption.
    pub caption: Option<String>,
    /// Base name.
    pub file_name: String,
    /// Path inside the source.
    pub original_uri: String,
    /// Where the object is; null for pictures.
    pub bounding_box: Option<BoxInfo>,
    /// Empty for stills.
    pub video_uri: String,
    /// Seconds; frames of videos only.
    pub frame_timestamp: Option<f64>,
    /// Labels; null when there are none.
    pub labels: Option<Vec<String>>,
    /// Tags; null when there are none.
    pub user_tags: Option<Vec<TagInfo>>,
    /// Pixels, of the turned picture.
    pub width: u32,
    /// Pixels, of the turned picture.
    pub height: u32,
    /// 0 = has very close neighbours, 1 = stands alone; null until indexed.
    pub uniqueness_score: Option<f32>,
    /// What is wrong with it; empty when nothing is.
    pub issues: Vec<ImageIssue>,
}

/// One issue of a picture (contract 22.5).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct ImageIssue {
    /// The number clients know the issue by.
    pub type_id: u8,
    /// `blur`, `dark`, ...
    #[schema(value_type = String)]
    pub issue_type: IssueType,
    /// 0 to 1, higher is surer.
    pub confidence: f32,
}

impl ImageIssue {
    /// An issue with its confidence.
    pub const fn new(issue_type: IssueType, confidence: f32) -> Self {
        Self {
            type_id: issue_type.number(),
            issue_type,
            confidence,
        }
    }
}
