//! Tags: list, make, rename, delete, put on and take off. An interface of our own.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use lamina_api::{DeletedTag, ErrorBody, TagChange, TagDetails};
use lamina_store::tags::list;

use crate::ApiError;
use crate::extract::{JsonFields, OpenDataset};
use crate::state::AppState;
use crate::tags::{self, TagName, TagPath};

/// All tags of a dataset, by name.
#[utoipa::path(get, path = "/dataset/{dataset_id}/tags", tag = "tags",
    params(("dataset_id" = Uuid, Path, description = "The dataset")), responses(
    (status = 200, description = "The tags", body = Vec<TagDetails>),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
))]
pub(crate) async fn list_tags(
    State(state): State<AppState>,
    open: OpenDataset,
) -> Result<Json<Vec<TagDetails>>, ApiError> {
    let found = list(&state.pool, open.access.id()).await?;
    Ok(Json(found.into_iter().map(tags::details).collect()))
}

/// Makes a tag.
#[utoipa::path(post, path = "/dataset/{dataset_id}/tags", tag = "tags",
    params(("dataset_id" = Uuid, Path, description = "The dataset")),
    request_body(content = Object, content_type = "application/json", description = "`{\"name\":\"review\"}`"),
    responses(
    (status = 201, description = "Made", body = TagDetails),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "You may only look", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
    (status = 409, description = "There is a tag of this name", body = ErrorBody),
    (status = 422, description = "No name, or none that can be used", body = ErrorBody),
))]
pub(crate) async fn create_tag(
    State(state): State<AppState>,
    open: OpenDataset,
    JsonFields(body): JsonFields,
) -> Result<(StatusCode, Json<TagDetails>), ApiError> {
    open.changer()?;
    let TagName(name) = body.read()?;
    let made = tags::create(&state, &open, name).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Gives a tag another name.
#[utoipa::path(patch, path = "/dataset/{dataset_id}/tags/{tag_id}", tag = "tags",
    params(("dataset_id" = Uuid, Path, description = "The dataset"), ("tag_id" = Uuid, Path, description = "The tag")),
    request_body(content = Object, content_type = "application/json", description = "`{\"name\":\"review\"}`"),
    responses(
    (status = 200, description = "Renamed", body = TagDetails),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "You may only look", body = ErrorBody),
    (status = 404, description = "Unknown dataset or tag", body = ErrorBody),
    (status = 409, description = "There is another tag of this name", body = ErrorBody),
    (status = 422, description = "No name, or none that can be used", body = ErrorBody),
))]
pub(crate) async fn rename_tag(
    State(state): State<AppState>,
    open: OpenDataset,
    TagPath(tag): TagPath,
    JsonFields(body): JsonFields,
) -> Result<Json<TagDetails>, ApiError> {
    open.changer()?;
    let TagName(name) = body.read()?;
    Ok(Json(tags::rename(&state, &open, tag, name).await?))
}

/// Deletes a tag and takes it off every picture.
#[utoipa::path(delete, path = "/dataset/{dataset_id}/tags/{tag_id}", tag = "tags",
    params(("dataset_id" = Uuid, Path, description = "The dataset"), ("tag_id" = Uuid, Path, description = "The tag")),
    responses(
    (status = 200, description = "Deleted", body = DeletedTag),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "You may only look", body = ErrorBody),
    (status = 404, description = "Unknown dataset or tag", body = ErrorBody),
))]
pub(crate) async fn delete_tag(
    State(state): State<AppState>,
    open: OpenDataset,
    TagPath(tag): TagPath,
) -> Result<Json<DeletedTag>, ApiError> {
    tags::delete(&state, &open, tag).await?;
    Ok(Json(DeletedTag {
        id: tag.as_uuid(),
        message: "Tag deleted".to_owned(),
    }))
}

/// Puts a tag on pictures: on media ids, on a cluster, or on everything that matches a query. Objects stand for the pictures they
/// are on.
#[utoipa::path(post, path = "/dataset/{dataset_id}/tags/{tag_id}/assign", tag = "tags",
    params(("dataset_id" = Uuid, Path, description = "The dataset"), ("tag_id" = Uuid, Path, description = "The tag")),
    request_body(content = Object, content_type = "application/json",
        description = "`{\"media_selection\":[{\"type\":\"media\",\"payload\":{\"media_ids\":[..]}}, {\"type\":\"cluster\",\"payload\":{\"cluster_id\":\"..\",\"cluster_filters\":{..},\"exclude_media_ids\":[..]}}, {\"type\":\"query\",\"payload\":{\"filters\":{..},\"exclude_media_ids\":[..]}}]}`; filters are parameters of explore"),
    responses(
    (status = 200, description = "How many got it", body = TagChange),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "You may only look", body = ErrorBody),
    (status = 404, description = "Unknown dataset, tag or anchor", body = ErrorBody),
    (status = 422, description = "No selection", body = ErrorBody),
))]
pub(crate) async fn assign_tag(
    State(state): State<AppState>,
    open: OpenDataset,
    TagPath(tag): TagPath,
    JsonFields(body): JsonFields,
) -> Result<Json<TagChange>, ApiError> {
    open.changer()?;
    let selection = body.read()?;
    Ok(Json(
        tags::change(&state, &open, tag, &selection, true).await?,
    ))
}

/// Takes a tag off pictures; the body is that of `assign`.
#[utoipa::path(post, path = "/dataset/{dataset_id}/tags/{tag_id}/unassign", tag = "tags",
    params(("dataset_id" = Uuid, Path, description = "The dataset"), ("tag_id" = Uuid, Path, description = "The tag")),
    request_body(content = Object, content_type = "application/json", description = "As for `assign`"),
    responses(
    (status = 200, description = "How many had it", body = TagChange),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "You may only look", body = ErrorBody),
    (status = 404, description = "Unknown dataset, tag or anchor", body = ErrorBody),
    (status = 422, description = "No selection", body = ErrorBody),
))]
pub(crate) async fn unassign_tag(
    State(state): State<AppState>,
    open: OpenDataset,
    TagPath(tag): TagPath,
    JsonFields(body): JsonFields,
) -> Result<Json<TagChange>, ApiError> {
    open.changer()?;
    let selection = body.read()?;
    Ok(Json(
        tags::change(&state, &open, tag, &selection, false).await?,
    ))
}
