//! Saved views (contract 14).

use axum::Json;
use axum::extract::{Request, State};
use lamina_api::{ErrorBody, SavedView, SavedViewList, ViewAlerting, ViewTrend};
use lamina_store::views::{self as store, ViewChange};
use serde_json::Value;

use crate::ApiError;
use crate::extract::{Fields, JsonBody, JsonFields, OpenDataset, Place};
use crate::routes::datasets::read_fields;
use crate::saved_views::{self, Change, ViewFilters, ViewName, ViewPath};
use crate::state::AppState;

/// Saves filters under a name: the name in the form, the filters in the query. From then on every batch of media that is added is
/// looked at.
#[utoipa::path(post, path = "/dataset/{dataset_id}/views", tag = "views",
    params(("dataset_id" = Uuid, Path, description = "The dataset"), ViewFilters),
    request_body(content = String, content_type = "application/x-www-form-urlencoded",
        description = "`name`; multipart/form-data is read too"),
    responses(
    (status = 200, description = "Saved", body = SavedView),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "You may only look", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
    (status = 409, description = "There is a view of this name", body = ErrorBody),
    (status = 422, description = "No name, or filters that are wrong", body = ErrorBody),
))]
pub(crate) async fn create_view(
    State(state): State<AppState>,
    open: OpenDataset,
    request: Request,
) -> Result<Json<SavedView>, ApiError> {
    open.changer()?;
    let query = request.uri().query().unwrap_or_default().to_owned();
    let filters: ViewFilters = Fields::decode(Place::Query, query.as_bytes()).read()?;
    let ViewName(name) = read_fields(&state, request, "name").await?.read()?;
    let made = saved_views::create(&state, &open, name, filters.stored()?).await?;
    Ok(Json(made))
}

/// The saved views of a dataset, newest first.
#[utoipa::path(get, path = "/dataset/{dataset_id}/views", tag = "views",
    params(("dataset_id" = Uuid, Path, description = "The dataset")), responses(
    (status = 200, description = "The views", body = SavedViewList),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "The dataset is public and not shared with the caller", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
))]
pub(crate) async fn list_views(
    State(state): State<AppState>,
    open: OpenDataset,
) -> Result<Json<SavedViewList>, ApiError> {
    open.member()?;
    let found = store::list(&state.pool, open.access.id()).await?;
    Ok(Json(SavedViewList {
        views: found.into_iter().map(saved_views::info).collect(),
    }))
}

/// Changes the name, the filters or the monitoring of a view. With other filters it begins anew. An interface of our own.
#[utoipa::path(patch, path = "/dataset/{dataset_id}/views/{view_id}", tag = "views",
    params(("dataset_id" = Uuid, Path, description = "The dataset"), ("view_id" = Uuid, Path, description = "The view")),
    request_body(content = Object, content_type = "application/json",
        description = "At least one of `{\"name\":\"Wet roads\",\"filters\":{\"entity_type\":\"IMAGES\",\"threshold\":0,\"caption\":null,\"vql\":[]},\"monitoring_enabled\":false}`"),
    responses(
    (status = 200, description = "As it is now", body = SavedView),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "You may only look", body = ErrorBody),
    (status = 404, description = "Unknown dataset or view", body = ErrorBody),
    (status = 409, description = "There is another view of this name", body = ErrorBody),
    (status = 422, description = "Nothing to change, or filters that are wrong", body = ErrorBody),
))]
pub(crate) async fn change_view(
    State(state): State<AppState>,
    open: OpenDataset,
    ViewPath(id): ViewPath,
    JsonFields(body): JsonFields,
) -> Result<Json<SavedView>, ApiError> {
    open.changer()?;
    let change: Change = body.read()?;
    let changed = saved_views::change(&state, &open, id, change.stored()?).await?;
    Ok(Json(changed))
}

/// Deletes a view.
#[utoipa::path(delete, path = "/dataset/{dataset_id}/views/{view_id}", tag = "views",
    params(("dataset_id" = Uuid, Path, description = "The dataset"), ("view_id" = Uuid, Path, description = "The view")),
    responses(
    (status = 200, description = "Deleted; the body is `null`"),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "You may only look", body = ErrorBody),
    (status = 404, description = "Unknown dataset or view", body = ErrorBody),
))]
pub(crate) async fn delete_view(
    State(state): State<AppState>,
    open: OpenDataset,
    ViewPath(id): ViewPath,
) -> Result<Json<()>, ApiError> {
    saved_views::delete(&state, &open, id).await?;
    Ok(Json(()))
}

/// What batch after batch had for a view, since it was made.
#[utoipa::path(get, path = "/dataset/{dataset_id}/views/{view_id}/trend", tag = "views",
    params(("dataset_id" = Uuid, Path, description = "The dataset"), ("view_id" = Uuid, Path, description = "The view")),
    responses(
    (status = 200, description = "Oldest first", body = ViewTrend),
    (status = 400, description = "Monitoring is off", body = ErrorBody),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "The dataset is public and not shared with the caller", body = ErrorBody),
    (status = 404, description = "Unknown dataset or view", body = ErrorBody),
))]
pub(crate) async fn get_view_trend(
    State(state): State<AppState>,
    open: OpenDataset,
    ViewPath(id): ViewPath,
) -> Result<Json<ViewTrend>, ApiError> {
    open.member()?;
    Ok(Json(
        saved_views::trend(&state, open.access.id(), id).await?,
    ))
}

/// Whether matches of a view are told to everybody who may see the dataset.
#[utoipa::path(post, path = "/dataset/{dataset_id}/views/{view_id}/alerting", tag = "views",
    params(("dataset_id" = Uuid, Path, description = "The dataset"), ("view_id" = Uuid, Path, description = "The view")),
    request_body(content = Object, content_type = "application/json", description = "`{\"request\":{\"enabled\":false}}`"),
    responses(
    (status = 200, description = "As it is now", body = ViewAlerting),
    (status = 400, description = "Monitoring is off", body = ErrorBody),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "You may only look", body = ErrorBody),
    (status = 404, description = "Unknown dataset or view", body = ErrorBody),
    (status = 422, description = "Neither true nor false", body = ErrorBody),
))]
pub(crate) async fn set_view_alerting(
    State(state): State<AppState>,
    open: OpenDataset,
    ViewPath(id): ViewPath,
    JsonBody(body): JsonBody,
) -> Result<Json<ViewAlerting>, ApiError> {
    open.changer()?;
    saved_views::monitored(&state, open.access.id(), id).await?;
    let enabled = body.pointer("/request/enabled").and_then(Value::as_bool);
    let Some(alerting_enabled) = enabled else {
        let mut fields = Fields::new(Place::Body, Vec::new());
        fields.missing("request");
        return Err(fields.refused());
    };
    let change = ViewChange {
        alerting_enabled: Some(alerting_enabled),
        ..ViewChange::default()
    };
    saved_views::change(&state, &open, id, change).await?;
    Ok(Json(ViewAlerting { alerting_enabled }))
}
