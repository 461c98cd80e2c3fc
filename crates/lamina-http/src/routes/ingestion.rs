//! The four-step upload flow (contract 7.2).

use axum::Json;
use axum::extract::{FromRequestParts, Request, State};
use http::StatusCode;
use http::request::Parts as RequestParts;
use lamina_api::{ErrorBody, NewDataset, OpenedTransaction};

use crate::auth::AuthUser;
use crate::extract::{Fields, FromFields, OpenDataset, Query, path_parameter};
use crate::state::AppState;
use crate::upload::Parts;
use crate::{ApiError, files, ingest};

/// Query of `new_dataset`.
#[derive(utoipa::IntoParams)]
pub(crate) struct NewDatasetQuery {
    /// Name of the dataset, 1 to 255 characters.
    dataset_name: String,
}

impl FromFields for NewDatasetQuery {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            dataset_name: fields.required_name("dataset_name"),
        }
    }
}

/// The upload transaction of a path; a number that is none is as unknown as one that was never given out.
pub(crate) struct TransactionId(i64);

impl FromRequestParts<AppState> for TransactionId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut RequestParts, _: &AppState) -> Result<Self, ApiError> {
        let id = path_parameter(parts, "trans_id").await;
        id.map(Self).ok_or_else(files::transaction_not_found)
    }
}

/// Step 1: an empty dataset, to be filled by uploads.
#[utoipa::path(get, path = "/ingestion/new_dataset", tag = "ingestion", params(NewDatasetQuery), responses(
    (status = 200, description = "Created", body = NewDataset),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "This user may not create datasets", body = ErrorBody),
    (status = 422, description = "The name is missing or too long", body = ErrorBody),
))]
pub(crate) async fn create_draft_dataset(
    State(state): State<AppState>,
    AuthUser(user): AuthUser,
    Query(query): Query<NewDatasetQuery>,
) -> Result<Json<NewDataset>, ApiError> {
    ingest::may_create(&user)?;
    let dataset = ingest::create_draft(&state, &user, query.dataset_name, None).await?;
    Ok(Json(NewDataset {
        dataset_id: dataset.id.as_uuid(),
    }))
}

/// Step 2: opens an upload transaction.
#[utoipa::path(get, path = "/ingestion/{dataset_id}/data_files", tag = "ingestion",
    params(("dataset_id" = Uuid, Path, description = "The dataset")), responses(
    (status = 200, description = "Opened", body = OpenedTransaction),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "No right to change this dataset", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
    (status = 409, description = "The dataset is no longer being filled", body = ErrorBody),
))]
pub(crate) async fn open_upload(
    State(state): State<AppState>,
    open: OpenDataset,
) -> Result<Json<OpenedTransaction>, ApiError> {
    open.changer()?;
    let trans_id = files::open_transaction(&state, &open.access).await?;
    Ok(Json(OpenedTransaction { trans_id }))
}

/// Step 3: sends pictures in the repeated field `files`, in any number of requests.
#[utoipa::path(post, path = "/ingestion/{dataset_id}/data_files/{trans_id}", tag = "ingestion",
    params(("dataset_id" = Uuid, Path, description = "The dataset"),
        ("trans_id" = i64, Path, description = "The upload transaction")),
    request_body(content = Object, content_type = "multipart/form-data", description = "`files`, repeated"),
    responses(
    (status = 202, description = "Stored"),
    (status = 400, description = "A file is no supported picture, or too large", body = ErrorBody),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "No right to change this dataset", body = ErrorBody),
    (status = 404, description = "Unknown dataset or transaction", body = ErrorBody),
    (status = 409, description = "Processing has started", body = ErrorBody),
    (status = 422, description = "No field `files`, or another one", body = ErrorBody),
))]
pub(crate) async fn upload_files(
    State(state): State<AppState>,
    open: OpenDataset,
    TransactionId(transaction): TransactionId,
    request: Request,
) -> Result<StatusCode, ApiError> {
    open.changer()?;
    files::must_exist(&state, &open.access, transaction).await?;
    let limits = &state.config.uploads;
    let parts = Parts::new(request, limits.max_request_bytes, limits, "files")?;
    let received = files::receive(&state, parts).await?;
    files::add(&state, &open.access, transaction, received).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Step 4: starts indexing what was sent.
#[utoipa::path(post, path = "/ingestion/{dataset_id}/process_files/{trans_id}", tag = "ingestion",
    params(("dataset_id" = Uuid, Path, description = "The dataset"),
        ("trans_id" = i64, Path, description = "The upload transaction")), responses(
    (status = 202, description = "Started"),
    (status = 400, description = "Nothing was sent", body = ErrorBody),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "No right to change this dataset", body = ErrorBody),
    (status = 404, description = "Unknown dataset or transaction", body = ErrorBody),
    (status = 409, description = "Processing has started before", body = ErrorBody),
))]
pub(crate) async fn process_files(
    State(state): State<AppState>,
    open: OpenDataset,
    TransactionId(transaction): TransactionId,
) -> Result<StatusCode, ApiError> {
    open.changer()?;
    ingest::process_upload(&state, open.access.id(), transaction).await?;
    Ok(StatusCode::ACCEPTED)
}
