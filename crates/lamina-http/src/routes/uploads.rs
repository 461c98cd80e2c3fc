//! One archive fills a dataset (contract 7.3).

use axum::Json;
use axum::extract::{Request, State};
use lamina_api::{ErrorBody, UploadedArchive};

use crate::extract::OpenDataset;
use crate::state::AppState;
use crate::upload::Parts;
use crate::{ApiError, archives};

/// Sends the archive of a dataset that was created with `uploaded_filename`, and starts indexing it.
#[utoipa::path(post, path = "/dataset/{dataset_id}/upload", tag = "datasets",
    params(("dataset_id" = Uuid, Path, description = "The dataset")),
    request_body(content = Object, content_type = "multipart/form-data",
        description = "`file`: a zip archive; `operations`: `READ`"),
    responses(
    (status = 200, description = "Started", body = UploadedArchive),
    (status = 400, description = "Not a zip archive, or too large", body = ErrorBody),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "No right to change this dataset", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
    (status = 409, description = "Already processed", body = ErrorBody),
))]
pub(crate) async fn upload_archive(
    State(state): State<AppState>,
    open: OpenDataset,
    request: Request,
) -> Result<Json<UploadedArchive>, ApiError> {
    open.changer()?;
    let limits = &state.config.uploads;
    let parts = Parts::new(request, limits.max_archive_bytes, limits, "file")?;
    let archive = archives::receive(&state, parts).await?;
    let dataset = archives::process(&state, &open.access, archive).await?;
    Ok(Json(UploadedArchive {
        dataset_id: dataset.id.as_uuid(),
        id: dataset.id.as_uuid(),
        status: dataset.status.legacy(false).to_owned(),
        message: "Processing started".to_owned(),
    }))
}
