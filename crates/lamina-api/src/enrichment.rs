//! Models, what has been applied to a dataset, and runs that apply more (contract 2).

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::BoxInfo;

/// A row of `GET /enrichment/{id}/list_models`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ModelInfo {
    /// The value to put into a request.
    pub id: String,
    /// For people.
    pub name: String,
    /// What it adds; the key in a request.
    #[serde(rename = "type")]
    pub enrichment_type: String,
    /// `Active` or `Coming Soon`.
    pub status: String,
    /// `VL`.
    pub vendor: String,
    /// For people.
    pub description: String,
    /// Types that must be applied first; null when there are none.
    pub dependencies: Option<Vec<String>>,
}

/// Answer of `POST /dataset/{id}/enrich_dataset`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EnrichedDataset {
    /// The copy that is being made.
    pub dataset_id: Uuid,
}

/// Answer of `GET /enrichment/{id}/{context}/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EnrichmentProgress {
    /// `NEW`, `IN_PROGRESS`, `COMPLETED`, `FAILED`, `ABORTED`.
    pub status: String,
    /// 0 to 100.
    pub progress: u8,
}

/// Answer of `DELETE /enrichment/{id}/{context}/abort`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AbortedEnrichment {
    /// `ABORTED`.
    pub status: String,
}

/// Answer of `POST /enrichment/{id}/{context}/previews_enrichment_result`.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct EnrichmentPreviews {
    /// A few pictures with what the models say.
    pub previews: Vec<EnrichmentPreview>,
}

/// One picture with what the models say.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct EnrichmentPreview {
    /// The picture.
    pub media_id: Uuid,
    /// Its original.
    pub media_uri: String,
    /// By enrichment type.
    #[schema(value_type = Object)]
    pub results: BTreeMap<String, SampleResult>,
}

/// What a model says about one picture.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum SampleResult {
    /// A sentence.
    Caption {
        /// The sentence.
        caption: String,
    },
    /// Boxes.
    Objects(Vec<SampleObject>),
    /// Sentences about objects.
    ObjectCaptions(Vec<SampleObjectCaption>),
    /// Labels.
    Labels(Vec<SampleLabel>),
    /// A vector, of which only the length is shown.
    Vector {
        /// Number of values.
        dimension: usize,
    },
}

/// A box with its name.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SampleObject {
    /// What it is.
    pub label: String,
    /// 0 to 1.
    pub confidence: f32,
    /// Where it is, as fractions of the picture.
    pub bounding_box: BoxInfo,
}

/// A sentence about an object.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SampleObjectCaption {
    /// The sentence.
    pub caption: String,
    /// Where the object is, as fractions of the picture.
    pub bounding_box: BoxInfo,
}

/// A label of a whole picture.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SampleLabel {
    /// What it is.
    pub label: String,
    /// 0 to 1.
    pub confidence: f32,
}

/// Answer of `GET /enrichment/{id}/context`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EnrichmentContext {
    /// Stable for the dataset.
    pub enrichment_context_id: Uuid,
    /// `NEW`, `IN_PROGRESS`, `COMPLETED`, `FAILED`, `ABORTED`.
    pub status: String,
    /// What is applied.
    pub dataset_enrichment_models: AppliedModels,
}

/// Enrichment type to model id; empty when nothing is applied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct AppliedModels {
    /// Enrichment type to model id.
    pub enrichment_models: BTreeMap<String, String>,
}
