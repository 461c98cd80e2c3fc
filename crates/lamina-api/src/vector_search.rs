//! Items near a text, one by one (contract 10.4).

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// What is near a text.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct VectorSearchAnswer {
    /// Nearest first.
    pub results: Vec<VectorSearchResult>,
}

/// One picture or object.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct VectorSearchResult {
    /// Id of the picture or object.
    pub media_id: Uuid,
    /// Opens without a token.
    pub media_uri: String,
    /// Text about it.
    pub caption: Option<String>,
    /// Cosine distance, 0 (the same) to 2.
    pub relevance_score: f32,
    /// `cosine_distance`.
    pub relevance_score_type: String,
}

/// What made the vectors of a dataset.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct EmbeddingModel {
    /// The model package.
    pub id: String,
    /// `MULTIMODEL_IMAGE_ENCODING`, `MULTIMODEL_OBJECT_ENCODING`, `CAPTION_TEXT` or `INDEX`.
    #[serde(rename = "type")]
    pub kind: String,
    /// For people.
    pub name: String,
    /// `IMAGES` or `OBJECTS`.
    pub entity_type: String,
}
