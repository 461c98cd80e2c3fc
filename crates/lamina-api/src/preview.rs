//! One media item inside an answer (contract 4.1).

use lamina_types::BoundingBox;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A member of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Preview {
    /// What is shown.
    #[serde(flatten)]
    pub media: MediaInfo,
    /// Cosine distance to what was searched for, null when nothing was.
    pub relevance_score: Option<f32>,
    /// `cosine_distance`, null exactly when the score is.
    pub relevance_score_type: Option<String>,
}

/// A picture or an object, as every answer shows it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct MediaInfo {
    /// `IMAGE` or `OBJECT`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The media item, or the object.
    pub media_id: Uuid,
    /// The full picture, or the object cut out of it; works without a header.
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
    /// Where the object is, as fractions of the picture; null for pictures.
    pub bounding_box: Option<BoxInfo>,
    /// How sure the model was of the object, 0 to 1; null for pictures and for objects that no model found.
    pub confidence: Option<f32>,
    /// Empty for stills.
    pub video_uri: String,
    /// Seconds; frames of videos only.
    pub frame_timestamp: Option<f64>,
    /// Labels; null when there are none.
    pub labels: Option<Vec<String>>,
    /// Tags; null when there are none.
    pub user_tags: Option<Vec<TagInfo>>,
    /// Pixels, of the turned picture or of the object.
    pub width: u32,
    /// Pixels, of the turned picture or of the object.
    pub height: u32,
}

/// A box as fractions of width and height, origin at the top left.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct BoxInfo {
    /// Left edge, 0..1.
    pub x: f64,
    /// Top edge, 0..1.
    pub y: f64,
    /// Width, above 0.
    pub width: f64,
    /// Height, above 0.
    pub height: f64,
}

impl From<BoundingBox> for BoxInfo {
    fn from(area: BoundingBox) -> Self {
        Self {
            x: area.x,
            y: area.y,
            width: area.width,
            height: area.height,
        }
    }
}

/// A tag made by a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TagInfo {
    /// The tag.
    pub id: Uuid,
    /// Its name.
    pub name: String,
}
