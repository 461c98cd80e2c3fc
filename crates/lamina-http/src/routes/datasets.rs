//! Datasets: look, list, create, delete, count.

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use lamina_api::{
    CreatedDataset, CreationStatus, DatasetInfo, DatasetStats, DeletedDataset, ErrorBody,
    SampleDataset,
};
use lamina_store::datasets::list_visible;
use lamina_store::settings::Switch;
use lamina_types::ServeMode;

use crate::ApiError;
use crate::auth::AuthUser;
use crate::extract::{Fields, Form, FromFields, OpenDataset, Place, is_form};
use crate::state::AppState;
use crate::upload::Parts;
use crate::{datasets, ingest, places, stats, switches};

/// A dataset, to look at and to poll.
#[utoipa::path(get, path = "/dataset/{dataset_id}", tag = "datasets",
    params(("dataset_id" = Uuid, Path, description = "The dataset")), responses(
    (status = 200, description = "The dataset", body = DatasetInfo),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
))]
pub(crate) async fn get_dataset(open: OpenDataset) -> Json<DatasetInfo> {
    Json(datasets::info(open.access.into_dataset()))
}

/// Status and progress of a dataset that is being created.
#[utoipa::path(get, path = "/datasets/{dataset_id}/creation-status", tag = "datasets",
    params(("dataset_id" = Uuid, Path, description = "The dataset")), responses(
    (status = 200, description = "How far it is", body = CreationStatus),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
))]
pub(crate) async fn get_creation_status(open: OpenDataset) -> Json<CreationStatus> {
    Json(datasets::creation_status(open.access.dataset()))
}

/// The datasets of the caller and those shared with them, newest first.
#[utoipa::path(get, path = "/datasets", tag = "datasets",
    params(
        ("sort_by" = Option<String>, Query,
            description = "`date`: newest first. There is no other order, and another word changes nothing"),
        ("include_hidden" = Option<String>, Query,
            description = "No dataset is hidden from those who may see it: true and false are answered alike"),
    ), responses(
    (status = 200, description = "All of them", body = Vec<DatasetInfo>),
    (status = 401, description = "No or bad token", body = ErrorBody),
))]
pub(crate) async fn list_datasets(
    State(state): State<AppState>,
    AuthUser(user): AuthUser,
) -> Result<Json<Vec<DatasetInfo>>, ApiError> {
    let visible = list_visible(&state.pool, &user).await?;
    Ok(Json(
        visible
            .into_iter()
            .map(|access| datasets::info(access.into_dataset()))
            .collect(),
    ))
}

/// Sample datasets; this server has none.
#[utoipa::path(get, path = "/datasets/sample_data", tag = "datasets", responses(
    (status = 200, description = "An empty list", body = Vec<SampleDataset>),
    (status = 401, description = "No or bad token", body = ErrorBody),
))]
pub(crate) async fn list_sample_data(AuthUser(_): AuthUser) -> Json<Vec<SampleDataset>> {
    Json(Vec::new())
}

/// Fields of `POST /dataset`; an empty value is an absent one.
struct CreateDataset {
    name: String,
    bucket_path: Option<String>,
    uploaded_filename: Option<String>,
    vl_dataset_id: Option<String>,
}

impl FromFields for CreateDataset {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            name: fields
                .text("dataset_name")
                .map_or_else(String::new, |_| fields.required_name("dataset_name")),
            bucket_path: fields.text("bucket_path"),
            uploaded_filename: fields.text("uploaded_filename"),
            vl_dataset_id: fields.text("vl_dataset_id"),
        }
    }
}

/// Creates a dataset: from a bucket (`bucket_path`, such as `s3://photos/trip/`), or from an archive that is uploaded next
/// (`uploaded_filename`).
#[utoipa::path(post, path = "/dataset", tag = "datasets",
    request_body(content = Object, content_type = "application/x-www-form-urlencoded",
        description = "`dataset_name`, and `bucket_path` or `uploaded_filename`; multipart/form-data is read too"),
    responses(
    (status = 200, description = "Created, to be filled", body = CreatedDataset),
    (status = 400, description = "Name or source missing, or a source that is not supported", body = ErrorBody),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "This user may not create datasets", body = ErrorBody),
))]
pub(crate) async fn create_dataset(
    State(state): State<AppState>,
    AuthUser(user): AuthUser,
    request: Request,
) -> Result<Json<CreatedDataset>, ApiError> {
    ingest::may_create(&user)?;
    let wanted: CreateDataset = read_fields(&state, request, "dataset_name").await?.read()?;
    if wanted.name.is_empty() {
        return Err(ApiError::bad_request("dataset_name is required"));
    }
    if wanted.vl_dataset_id.is_some() {
        return Err(ApiError::bad_request("vl_dataset_id is not supported"));
    }
    let archive = match (wanted.bucket_path, wanted.uploaded_filename) {
        (None, Some(archive)) => archive,
        (None, None) => {
            return Err(ApiError::bad_request(
                "A source is required: bucket_path or uploaded_filename",
            ));
        }
        (Some(_), Some(_)) => {
            return Err(ApiError::bad_request(
                "Only one source is possible: bucket_path or uploaded_filename",
            ));
        }
        (Some(bucket), None) => {
            let source = places::in_bucket(&state.config.remotes, &bucket)?;
            let dataset =
                ingest::create_from_path(&state, &user, wanted.name, source, ServeMode::Copy)
                    .await?;
            return Ok(Json(datasets::created(&dataset)));
        }
    };
    if archive.chars().count() > 255 {
        return Err(ApiError::bad_request("uploaded_filename is too long"));
    }
    let dataset = ingest::create_draft(&state, &user, wanted.name, Some(archive)).await?;
    Ok(Json(datasets::created(&dataset)))
}

/// The text fields of a form in either encoding.
pub(crate) async fn read_fields(
    state: &AppState,
    request: Request,
    wanted: &str,
) -> Result<Fields, ApiError> {
    const MAX_BYTES: u64 = 1024 * 1024;
    if is_form(request.headers()) {
        return Ok(Form::from_request(request, &()).await?.0);
    }
    let mut parts = Parts::new(request, MAX_BYTES, &state.config.uploads, wanted)?;
    let mut pairs = Vec::new();
    while let Some(part) = parts.next().await? {
        let name = part.name().to_owned();
        pairs.push((name, part.text(parts.limits()).await?));
    }
    Ok(Fields::new(Place::Body, pairs))
}

/// Deletes a dataset. It is gone for everybody at once.
#[utoipa::path(delete, path = "/dataset/{dataset_id}", tag = "datasets",
    params(("dataset_id" = Uuid, Path, description = "The dataset")), responses(
    (status = 200, description = "Deleted", body = DeletedDataset),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "Not the owner, or deleting is switched off", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
    (status = 409, description = "An operation is running", body = ErrorBody),
))]
pub(crate) async fn delete_dataset(
    State(state): State<AppState>,
    open: OpenDataset,
) -> Result<Json<DeletedDataset>, ApiError> {
    open.owner()?;
    switches::require(&state, Switch::DeleteDataset).await?;
    let id = open.access.id().as_uuid();
    datasets::delete(&state, open.access).await?;
    Ok(Json(DeletedDataset {
        id,
        message: "Dataset deleted".to_owned(),
    }))
}

/// Numbers about a dataset.
#[utoipa::path(get, path = "/dataset/{dataset_id}/stats", tag = "datasets",
    params(("dataset_id" = Uuid, Path, description = "The dataset")), responses(
    (status = 200, description = "Counts", body = DatasetStats),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
))]
pub(crate) async fn get_dataset_stats(
    State(state): State<AppState>,
    open: OpenDataset,
) -> Result<Json<DatasetStats>, ApiError> {
    Ok(Json(stats::of_dataset(&state, &open.access).await?))
}
