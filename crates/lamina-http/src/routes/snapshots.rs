//! Snapshots (contract 16).

use axum::Json;
use axum::extract::{FromRequestParts, State};
use http::StatusCode;
use http::request::Parts;
use lamina_api::{ErrorBody, FieldError, SnapshotInfo};
use lamina_store::settings::Switch;
use lamina_store::snapshots::list;
use lamina_types::DatasetId;
use serde_json::Value;
use uuid::Uuid;

use crate::ApiError;
use crate::extract::{JsonFields, OpenDataset, path_parameter};
use crate::snapshots::{self, SnapshotFields};
use crate::state::AppState;
use crate::switches;

/// The snapshot of a path. What is no id is none; `current` is told apart.
pub(crate) enum SnapshotPath {
    Current,
    Id(Option<DatasetId>),
}

impl SnapshotPath {
    /// For calls that name one by its id.
    fn id(self) -> Option<DatasetId> {
        match self {
            Self::Current => None,
            Self::Id(id) => id,
        }
    }
}

impl FromRequestParts<AppState> for SnapshotPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        let text: String = path_parameter(parts, "snapshot_id")
            .await
            .unwrap_or_default();
        if text == "current" {
            return Ok(Self::Current);
        }
        Ok(Self::Id(
            text.parse::<Uuid>().ok().map(DatasetId::from_uuid),
        ))
    }
}

/// The snapshots of a dataset, newest first.
#[utoipa::path(get, path = "/dataset/{dataset_id}/snapshot", operation_id = "list_snapshots", tag = "snapshots",
    params(("dataset_id" = Uuid, Path, description = "The dataset")), responses(
    (status = 200, description = "All of them", body = Vec<SnapshotInfo>),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "Switched off", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
))]
pub(crate) async fn list_snapshots(
    State(state): State<AppState>,
    open: OpenDataset,
) -> Result<Json<Vec<SnapshotInfo>>, ApiError> {
    switches::require(&state, Switch::Snapshots).await?;
    let found = list(&state.pool, open.access.id()).await?;
    Ok(Json(found.into_iter().map(snapshots::info).collect()))
}

/// Makes a snapshot: labels, captions, tags, objects and clusters as they are now. Pictures are shared, not copied.
#[utoipa::path(post, path = "/dataset/{dataset_id}/snapshot", operation_id = "create_snapshot", tag = "snapshots",
    params(("dataset_id" = Uuid, Path, description = "The dataset")),
    request_body(content = Object, content_type = "application/json",
        description = "`{\"name\":\"before captions\",\"description\":\"\"}`; both may be left out"),
    responses(
    (status = 200, description = "Made; it is the current one", body = SnapshotInfo),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "You may only look, or snapshots are switched off", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
    (status = 409, description = "The dataset is not READY", body = ErrorBody),
    (status = 422, description = "A name or description that cannot be used", body = ErrorBody),
))]
pub(crate) async fn create_snapshot(
    State(state): State<AppState>,
    open: OpenDataset,
    JsonFields(body): JsonFields,
) -> Result<Json<SnapshotInfo>, ApiError> {
    let user = open.changer()?.clone();
    switches::require(&state, Switch::Snapshots).await?;
    let wanted: SnapshotFields = body.read()?;
    Ok(Json(
        snapshots::create(&state, &open.access, &user, wanted).await?,
    ))
}

/// Gives a snapshot another name or description.
#[utoipa::path(patch, path = "/dataset/{dataset_id}/snapshot/{snapshot_id}", operation_id = "change_snapshot", tag = "snapshots",
    params(("dataset_id" = Uuid, Path, description = "The dataset"), ("snapshot_id" = Uuid, Path, description = "The snapshot")),
    request_body(content = Object, content_type = "application/json", description = "`name`, `description` or both"),
    responses(
    (status = 200, description = "Changed", body = SnapshotInfo),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "You may only look, or snapshots are switched off", body = ErrorBody),
    (status = 404, description = "Unknown dataset or snapshot", body = ErrorBody),
    (status = 422, description = "Neither is given, or one cannot be used", body = ErrorBody),
))]
pub(crate) async fn change_snapshot(
    State(state): State<AppState>,
    open: OpenDataset,
    path: SnapshotPath,
    JsonFields(body): JsonFields,
) -> Result<Json<SnapshotInfo>, ApiError> {
    open.changer()?;
    switches::require(&state, Switch::Snapshots).await?;
    let wanted: SnapshotFields = body.read()?;
    if wanted.name.is_none() && wanted.description.is_none() {
        return Err(ApiError::fields(vec![FieldError::new(
            "missing",
            "body",
            "name",
            "At least one of name and description is required",
            Value::Null,
        )]));
    }
    let changed = snapshots::change(&state, &open.access, path.id(), wanted).await?;
    Ok(Json(changed))
}

/// Makes the dataset what it was at a snapshot (`current`: the one it was last made into). Media that came later are taken away,
/// those that stay keep their ids. The old content can be read until it is done.
#[utoipa::path(post, path = "/dataset/{dataset_id}/snapshot/{snapshot_id}/restore", operation_id = "restore_snapshot", tag = "snapshots",
    params(("dataset_id" = Uuid, Path, description = "The dataset"),
        ("snapshot_id" = String, Path, description = "The snapshot, or `current`")), responses(
    (status = 202, description = "Started"),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "You may only look, or snapshots are switched off", body = ErrorBody),
    (status = 404, description = "Unknown dataset or snapshot", body = ErrorBody),
    (status = 409, description = "An operation is running", body = ErrorBody),
))]
pub(crate) async fn restore_snapshot(
    State(state): State<AppState>,
    open: OpenDataset,
    path: SnapshotPath,
) -> Result<StatusCode, ApiError> {
    open.changer()?;
    switches::require(&state, Switch::Snapshots).await?;
    let id = match path {
        SnapshotPath::Current => None,
        SnapshotPath::Id(id) => Some(id.ok_or_else(snapshots::not_found)?),
    };
    snapshots::restore(&state, &open.access, id).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Makes another dataset of a snapshot, `{name} (cloned)`.
#[utoipa::path(post, path = "/dataset/{dataset_id}/snapshot/{snapshot_id}/clone", operation_id = "clone_snapshot", tag = "snapshots",
    params(("dataset_id" = Uuid, Path, description = "The dataset"), ("snapshot_id" = Uuid, Path, description = "The snapshot")), responses(
    (status = 202, description = "Started"),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "You may only look, or snapshots are switched off", body = ErrorBody),
    (status = 404, description = "Unknown dataset or snapshot", body = ErrorBody),
    (status = 409, description = "An operation is running", body = ErrorBody),
))]
pub(crate) async fn clone_snapshot(
    State(state): State<AppState>,
    open: OpenDataset,
    path: SnapshotPath,
) -> Result<StatusCode, ApiError> {
    let user = open.changer()?.clone();
    switches::require(&state, Switch::Snapshots).await?;
    snapshots::clone(&state, &open.access, &user, path.id()).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Takes a snapshot away. Pictures that nothing else shows go with it.
#[utoipa::path(delete, path = "/dataset/{dataset_id}/snapshot/{snapshot_id}", operation_id = "delete_snapshot", tag = "snapshots",
    params(("dataset_id" = Uuid, Path, description = "The dataset"), ("snapshot_id" = Uuid, Path, description = "The snapshot")), responses(
    (status = 200, description = "Gone"),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "You may only look, or snapshots are switched off", body = ErrorBody),
    (status = 404, description = "Unknown dataset or snapshot", body = ErrorBody),
    (status = 409, description = "It is the current one, or in use", body = ErrorBody),
))]
pub(crate) async fn delete_snapshot(
    State(state): State<AppState>,
    open: OpenDataset,
    path: SnapshotPath,
) -> Result<StatusCode, ApiError> {
    open.changer()?;
    switches::require(&state, Switch::Snapshots).await?;
    snapshots::delete(&state, &open.access, path.id()).await?;
    Ok(StatusCode::OK)
}
