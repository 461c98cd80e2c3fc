//! What has been applied to a dataset (contract 2.2).

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use lamina_api::{AppliedModels, EnrichmentContext, ErrorBody};
use lamina_store::enrichment;

use crate::ApiError;
use crate::extract::OpenDataset;
use crate::state::AppState;

/// Models applied to a dataset; none for one that was never enriched.
#[utoipa::path(get, path = "/enrichment/{dataset_id}/context", tag = "enrichment",
    params(("dataset_id" = Uuid, Path, description = "The dataset")), responses(
    (status = 200, description = "What is applied", body = EnrichmentContext),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
))]
pub(crate) async fn get_enrichment_context(
    State(state): State<AppState>,
    open: OpenDataset,
) -> Result<Json<EnrichmentContext>, ApiError> {
    let id = open.access.id();
    let pool = state.pool.clone();
    let (context, status) = state
        .run(async move { Ok(enrichment::context(&pool, id).await?) })
        .await?;
    let applied = enrichment::applied(&state.pool, id).await?;
    let enrichment_models: BTreeMap<String, String> = applied
        .into_iter()
        .map(|model| (model.enrichment_type, model.slot))
        .collect();
    Ok(Json(EnrichmentContext {
        enrichment_context_id: context.as_uuid(),
        status,
        dataset_enrichment_models: AppliedModels { enrichment_models },
    }))
}
