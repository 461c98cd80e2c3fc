//! Custom metadata (contract 18).

use axum::Json;
use axum::extract::{Request, State};
use lamina_api::{
    ErrorBody, Message, MetadataField, MetadataTask, MetadataTaskStatus, MetadataValue,
};

use crate::ApiError;
use crate::custom_metadata::{self, FieldPath, NewField, NewValue, PicturePath};
use crate::extract::{JsonFields, OpenDataset};
use crate::state::AppState;

/// Declares a field. Its task takes the values.
#[utoipa::path(post, path = "/datasets/{dataset_id}/custom_metadata/tasks", tag = "custom metadata",
    params(("dataset_id" = Uuid, Path, description = "The dataset")),
    request_body(content = Object, content_type = "application/json",
        description = "`{\"field_name\":\"weather\",\"field_type\":\"string\"}`; types are `string`, `float`, `datetime`, `enum` (with `enum_options`, up to 100 texts of up to 20 characters, and `is_multi`) and `link`"),
    responses(
    (status = 200, description = "Declared", body = MetadataTask),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "You may only look", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
    (status = 409, description = "A field of this name already exists, or the dataset is not READY", body = ErrorBody),
    (status = 422, description = "A member is missing or cannot be used", body = ErrorBody),
))]
pub(crate) async fn create_metadata_field(
    State(state): State<AppState>,
    open: OpenDataset,
    JsonFields(body): JsonFields,
) -> Result<Json<MetadataTask>, ApiError> {
    open.changer()?;
    let task_id = custom_metadata::declare(&state, &open, body.read::<NewField>()?).await?;
    Ok(Json(MetadataTask {
        task_id,
        status: "INIT".to_owned(),
    }))
}

/// Takes values of a field from a JSON array `[{"media_id":"..","value":..}]`. Rows that are wrong fail alone; values that are there
/// are replaced, by this file or a later one.
#[utoipa::path(post, path = "/datasets/{dataset_id}/custom_metadata/tasks/{task_id}", tag = "custom metadata",
    params(("dataset_id" = Uuid, Path, description = "The dataset"), ("task_id" = Uuid, Path, description = "The task of the field")),
    request_body(content = String, content_type = "multipart/form-data", description = "`file`: the JSON file"),
    responses(
    (status = 200, description = "Taken", body = MetadataTaskStatus),
    (status = 400, description = "The file is too large, or the body malformed", body = ErrorBody),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "You may only look", body = ErrorBody),
    (status = 404, description = "Unknown dataset or task", body = ErrorBody),
    (status = 409, description = "The dataset is not READY", body = ErrorBody),
    (status = 422, description = "No file, or none that is a JSON array", body = ErrorBody),
))]
pub(crate) async fn fill_metadata_field(
    State(state): State<AppState>,
    open: OpenDataset,
    path: FieldPath,
    request: Request,
) -> Result<Json<MetadataTaskStatus>, ApiError> {
    let field = custom_metadata::fill(&state, &open, path, request).await?;
    Ok(Json(custom_metadata::status(field)))
}

/// Deletes a field with its values. An interface of our own.
#[utoipa::path(delete, path = "/datasets/{dataset_id}/custom_metadata/tasks/{task_id}", tag = "custom metadata",
    params(("dataset_id" = Uuid, Path, description = "The dataset"), ("task_id" = Uuid, Path, description = "The task of the field")),
    responses(
    (status = 200, description = "Deleted", body = Message),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "You may only look", body = ErrorBody),
    (status = 404, description = "Unknown dataset or task", body = ErrorBody),
))]
pub(crate) async fn delete_metadata_field(
    State(state): State<AppState>,
    open: OpenDataset,
    path: FieldPath,
) -> Result<Json<Message>, ApiError> {
    custom_metadata::delete(&state, &open, path).await?;
    Ok(Json(Message::new("Field deleted")))
}

/// How far the task of a field is.
#[utoipa::path(get, path = "/datasets/{dataset_id}/custom_metadata/tasks/{task_id}/status", tag = "custom metadata",
    params(("dataset_id" = Uuid, Path, description = "The dataset"), ("task_id" = Uuid, Path, description = "The task of the field")),
    responses(
    (status = 200, description = "Status, rows taken, rows that were wrong", body = MetadataTaskStatus),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown dataset or task", body = ErrorBody),
))]
pub(crate) async fn get_metadata_task(
    State(state): State<AppState>,
    open: OpenDataset,
    path: FieldPath,
) -> Result<Json<MetadataTaskStatus>, ApiError> {
    let field = custom_metadata::one(&state, &open, path).await?;
    Ok(Json(custom_metadata::status(field)))
}

/// The declared fields, oldest first.
#[utoipa::path(get, path = "/datasets/{dataset_id}/custom_metadata/schema", tag = "custom metadata",
    params(("dataset_id" = Uuid, Path, description = "The dataset")), responses(
    (status = 200, description = "The fields", body = Vec<MetadataField>),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
))]
pub(crate) async fn get_metadata_schema(
    State(state): State<AppState>,
    open: OpenDataset,
) -> Result<Json<Vec<MetadataField>>, ApiError> {
    Ok(Json(custom_metadata::schema(&state, &open).await?))
}

/// The values of a picture, those it has.
#[utoipa::path(get, path = "/datasets/{dataset_id}/image/{image_id}/custom_metadata", tag = "custom metadata",
    params(("dataset_id" = Uuid, Path, description = "The dataset"), ("image_id" = Uuid, Path, description = "The picture")),
    responses(
    (status = 200, description = "In the order of the fields", body = Vec<MetadataValue>),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown dataset or picture", body = ErrorBody),
))]
pub(crate) async fn get_image_metadata(
    State(state): State<AppState>,
    open: OpenDataset,
    path: PicturePath,
) -> Result<Json<Vec<MetadataValue>>, ApiError> {
    Ok(Json(
        custom_metadata::of_picture(&state, &open, path).await?,
    ))
}

/// Changes the value of a picture for one field; without `value`, or with null, takes it away. An interface of our own.
#[utoipa::path(put, path = "/datasets/{dataset_id}/image/{image_id}/custom_metadata", tag = "custom metadata",
    params(("dataset_id" = Uuid, Path, description = "The dataset"), ("image_id" = Uuid, Path, description = "The picture")),
    request_body(content = Object, content_type = "application/json", description = "`{\"field_name\":\"weather\",\"value\":\"rain\"}`"),
    responses(
    (status = 200, description = "The values it has now", body = Vec<MetadataValue>),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "You may only look", body = ErrorBody),
    (status = 404, description = "Unknown dataset, picture or field", body = ErrorBody),
    (status = 409, description = "The dataset is not READY", body = ErrorBody),
    (status = 422, description = "A value of another type", body = ErrorBody),
))]
pub(crate) async fn set_image_metadata(
    State(state): State<AppState>,
    open: OpenDataset,
    path: PicturePath,
    JsonFields(body): JsonFields,
) -> Result<Json<Vec<MetadataValue>>, ApiError> {
    open.changer()?;
    let change: NewValue = body.read()?;
    Ok(Json(
        custom_metadata::set(&state, &open, path, change).await?,
    ))
}
