//! What has been applied to a dataset (contract 2.2).

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

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
