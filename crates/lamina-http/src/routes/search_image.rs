//! Visual search, step 1 (contract 5): a picture is sent and kept to be searched for.

use axum::Json;
use axum::extract::{Request, State};
use lamina_api::{AnchorAnswer, ErrorBody};

use crate::extract::{Fields, OpenDataset, Place};
use crate::state::AppState;
use crate::upload::Parts;
use crate::{ApiError, datasets, query_picture};

/// Parameters, in the query or in the form.
#[derive(utoipa::IntoParams)]
#[expect(
    dead_code,
    reason = "describes the interface; the values are read by name"
)]
pub(crate) struct SearchImageQuery {
    /// `IMAGES` (default) or `OBJECTS`.
    entity_type: Option<String>,
    /// 0 to 4; recorded by clients, decides nothing here.
    #[param(minimum = 0, maximum = 4)]
    threshold: Option<i64>,
    /// `{"x":0.1,"y":0.2,"width":0.5,"height":0.6}` as fractions, or `X,Y,WIDTH,HEIGHT` in pixels; the whole picture when absent.
    bounding_box: Option<String>,
    /// Accepted; this server keeps no deleted media.
    allow_deleted: Option<bool>,
}

/// Sends a picture to search for; the answer can be used with explore at once.
#[utoipa::path(post, path = "/dataset/{dataset_id}/search-image-similarity", tag = "explore",
    params(("dataset_id" = Uuid, Path, description = "The dataset"), SearchImageQuery),
    request_body(content = Object, content_type = "multipart/form-data", description = "`file`: a picture"),
    responses(
    (status = 200, description = "Ready to be searched with", body = AnchorAnswer),
    (status = 400, description = "No file, no picture, bad entity type or box", body = ErrorBody),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
    (status = 409, description = "The dataset is not READY", body = ErrorBody),
    (status = 422, description = "A parameter cannot be parsed", body = ErrorBody),
    (status = 429, description = "Too many searches at the moment", body = ErrorBody),
))]
pub(crate) async fn search_image_similarity(
    State(state): State<AppState>,
    open: OpenDataset,
    request: Request,
) -> Result<Json<AnchorAnswer>, ApiError> {
    let query = Fields::decode(
        Place::Query,
        request.uri().query().unwrap_or_default().as_bytes(),
    );
    let limits = &state.config.uploads;
    let parts = Parts::new(
        request,
        limits.max_file_bytes + limits.max_text_bytes * 8,
        limits,
        "file",
    )
    .map_err(|_| ApiError::bad_request("No file was sent"))?;
    let (file, form) = query_picture::receive(&state, parts).await?;
    let wanted = query_picture::wanted(query.with_fallback(form))?;
    datasets::must_be_ready(open.access.dataset())?;
    let id = query_picture::keep(&state, &open.access, file, wanted).await?;
    Ok(Json(AnchorAnswer::new(id.as_uuid())))
}
