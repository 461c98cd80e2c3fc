//! Answer of the visual search upload (contract 5).

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// The uploaded picture, ready to be searched with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AnchorAnswer {
    /// To be given to explore.
    pub anchor_media_id: Uuid,
    /// `UPLOAD`.
    pub anchor_type: String,
}

impl AnchorAnswer {
    /// The answer for a stored anchor.
    pub fn new(anchor_media_id: Uuid) -> Self {
        Self {
            anchor_media_id,
            anchor_type: "UPLOAD".to_owned(),
        }
    }
}
