//! Enrichment (contract 2): the models, what is applied, and runs that apply more.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use http::HeaderMap;
use http::request::Parts;
use lamina_api::{
    AbortedEnrichment, AppliedModels, EnrichedDataset, EnrichmentContext, EnrichmentPreviews,
    EnrichmentProgress, ErrorBody, ModelInfo,
};
use lamina_store::enrichment;
use lamina_types::{ContextId, EnrichmentStatus, EnrichmentType, Slot};

use crate::ApiError;
use crate::enrich::{self, EnrichRequest, Standing, standing};
use crate::extract::{JsonBody, OpenDataset, path_parameter};
use crate::samples;
use crate::state::AppState;
use crate::views::Linker;

/// The models that may be applied. `Active` ones can be asked for now.
#[utoipa::path(get, path = "/enrichment/{dataset_id}/list_models", tag = "enrichment",
    params(("dataset_id" = Uuid, Path, description = "The dataset")), responses(
    (status = 200, description = "All models", body = Vec<ModelInfo>),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
))]
pub(crate) async fn list_models(
    State(state): State<AppState>,
    _: OpenDataset,
) -> Result<Json<Vec<ModelInfo>>, ApiError> {
    let mut models = Vec::with_capacity(Slot::ALL.len());
    for slot in Slot::ALL {
        let is_active = state.models.usable(slot.id).await?.is_some();
        models.push(model_info(slot, is_active));
    }
    Ok(Json(models))
}

fn model_info(slot: &Slot, is_active: bool) -> ModelInfo {
    let needed: Vec<String> = slot
        .enrichment_type
        .dependencies()
        .iter()
        .map(|kind| kind.as_str().to_owned())
        .collect();
    ModelInfo {
        id: slot.id.to_owned(),
        name: slot.name.to_owned(),
        enrichment_type: slot.enrichment_type.as_str().to_owned(),
        status: if is_active { "Active" } else { "Coming Soon" }.to_owned(),
        vendor: "VL".to_owned(),
        description: slot.description.to_owned(),
        dependencies: (!needed.is_empty()).then_some(needed),
    }
}

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
        // What clients look for before they search pictures by text; it stands for whichever package made the vectors.
        let kind = EnrichmentType::MultimodelImageEncoding;
        enrichment_models
            .entry(kind.as_str().to_owned())
            .or_insert_with(|| kind.slot().id.to_owned());
    }
    Ok(Json(EnrichmentContext {
        enrichment_context_id: context.as_uuid(),
        status: status.to_string(),
        dataset_enrichment_models: AppliedModels { enrichment_models },
    }))
}

/// Applies models to a copy of the dataset, which is named in the answer and can be polled.
#[utoipa::path(post, path = "/dataset/{dataset_id}/enrich_dataset", tag = "enrichment",
    params(("dataset_id" = Uuid, Path, description = "The dataset")),
    request_body(content = Object, content_type = "application/json",
        description = "`{\"enrichment_models\":{\"CAPTION_IMAGES\":\"vl_image_captioner_v00\"}}`; instead of an id also \
                       `{\"id\":\"...\",\"metadata\":{\"prompt\":\"...\"}}`"),
    responses(
    (status = 200, description = "The copy", body = EnrichedDataset),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "No right to change this dataset", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
    (status = 409, description = "Not READY, or a type needs another one", body = ErrorBody),
    (status = 422, description = "No such type or model, or one that is not available", body = ErrorBody),
))]
pub(crate) async fn enrich_dataset(
    State(state): State<AppState>,
    open: OpenDataset,
    body: Result<JsonBody, ApiError>,
) -> Result<Json<EnrichedDataset>, ApiError> {
    open.changer()?;
    let request = EnrichRequest::read(&body?.0)?;
    let plan = enrich::plan(state.models.as_ref(), &request).await?;
    let source = open.access.id();
    let (pool, models) = (state.pool.clone(), std::sync::Arc::clone(&state.models));
    let copy = state
        .run(async move { enrich::begin(&pool, models.as_ref(), source, plan).await })
        .await?;
    Ok(Json(EnrichedDataset {
        dataset_id: copy.id.as_uuid(),
    }))
}

/// The enrichment of a path: a dataset with its own context.
pub(crate) struct OpenEnrichment {
    open: OpenDataset,
    standing: Standing,
}

impl FromRequestParts<AppState> for OpenEnrichment {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let open = OpenDataset::from_request_parts(parts, state).await?;
        let wanted: Option<ContextId> = path_parameter(parts, "enrichment_context_id").await;
        let standing = standing(&state.pool, open.access.dataset()).await?;
        if wanted != Some(standing.context) {
            return Err(ApiError::not_found("Enrichment not found"));
        }
        Ok(Self { open, standing })
    }
}

/// How far an enrichment is.
#[utoipa::path(get, path = "/enrichment/{dataset_id}/{enrichment_context_id}/status", tag = "enrichment",
    params(("dataset_id" = Uuid, Path, description = "The dataset"),
        ("enrichment_context_id" = Uuid, Path, description = "Its context")), responses(
    (status = 200, description = "How far it is", body = EnrichmentProgress),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
))]
pub(crate) async fn get_enrichment_status(found: OpenEnrichment) -> Json<EnrichmentProgress> {
    Json(EnrichmentProgress {
        status: found.standing.status.to_string(),
        progress: found.standing.progress.clamp(0.0, 100.0).floor() as u8,
    })
}

/// Stops a running enrichment. The copy is left in `ERROR`, its source is `READY` again.
#[utoipa::path(delete, path = "/enrichment/{dataset_id}/{enrichment_context_id}/abort", tag = "enrichment",
    params(("dataset_id" = Uuid, Path, description = "The dataset"),
        ("enrichment_context_id" = Uuid, Path, description = "Its context")), responses(
    (status = 200, description = "Stopped", body = AbortedEnrichment),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "No right to change this dataset", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
    (status = 409, description = "Nothing is running", body = ErrorBody),
))]
pub(crate) async fn abort_enrichment(
    State(state): State<AppState>,
    found: OpenEnrichment,
) -> Result<Json<AbortedEnrichment>, ApiError> {
    found.open.changer()?;
    let Some(copy) = found.standing.running else {
        return Err(ApiError::conflict("No enrichment is running"));
    };
    let pool = state.pool.clone();
    state
        .run(async move { enrich::abort(&pool, copy).await })
        .await?;
    Ok(Json(AbortedEnrichment {
        status: EnrichmentStatus::Aborted.to_string(),
    }))
}

/// What models would say about the first few pictures, so that people can judge them. Nothing is kept.
#[utoipa::path(post, path = "/enrichment/{dataset_id}/{enrichment_context_id}/previews_enrichment_result", tag = "enrichment",
    params(("dataset_id" = Uuid, Path, description = "The dataset"),
        ("enrichment_context_id" = Uuid, Path, description = "Its context")),
    request_body(content = Object, content_type = "application/json", description = "As for enrich_dataset"),
    responses(
    (status = 200, description = "Samples", body = EnrichmentPreviews),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "No right to change this dataset", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
    (status = 409, description = "Nothing to show the models, or a type needs another one", body = ErrorBody),
    (status = 422, description = "No such type or model, or one that is not available", body = ErrorBody),
))]
pub(crate) async fn preview_enrichment(
    State(state): State<AppState>,
    found: OpenEnrichment,
    headers: HeaderMap,
    body: Result<JsonBody, ApiError>,
) -> Result<Json<EnrichmentPreviews>, ApiError> {
    // It costs as much as a change, so it takes the same right.
    found.open.changer()?;
    let request = EnrichRequest::read(&body?.0)?;
    let dataset = found.open.access.dataset();
    let linker = Linker::new(state.link_maker(&headers), dataset);
    Ok(Json(
        samples::take(&state, dataset, &request, &linker).await?,
    ))
}
