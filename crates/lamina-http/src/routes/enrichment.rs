//! What has been applied to a dataset (contract 2.2).

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use lamina_api::{AppliedModels, EnrichmentContext, ErrorBody};
use lamina_store::enrichment;

use crate::ApiError;
use crate::extract::OpenDataset;
use crate::state::AppState;

/// What clients look for before they search pictures by text, and the model id they expect there. Here it stands for
/// whichever package made the dataset's vectors, if that reads text.
const PICTURE_TEXT_MODEL: (&str, &str) = (
    "MULTIMODEL_IMAGE_ENCODING",
    "DFN5B-CLIP-ViT-H-14-384-images",
);

/// Models applied to a dataset; for one that was never enriched only the one that compares its pictures with texts.
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
    let mut enrichment_models: BTreeMap<String, String> = applied
        .into_iter()
        .map(|model| (model.enrichment_type, model.slot))
        .collect();
    if state.explorer.abilities(&open.access).await?.meaning {
        let (kind, slot) = PICTURE_TEXT_MODEL;
        enrichment_models
            .entry(kind.to_owned())
            .or_insert_with(|| slot.to_owned());
    }
    Ok(Json(EnrichmentContext {
        enrichment_context_id: context.as_uuid(),
        status: status.to_string(),
        dataset_enrichment_models: AppliedModels { enrichment_models },
    }))
}
