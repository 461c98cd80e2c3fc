//! Annotations brought to a dataset that is there already (ours).

use axum::Json;
use axum::extract::{FromRequestParts, Request, State};
use http::request::Parts as RequestParts;
use lamina_api::{AnnotationImport, ErrorBody};
use lamina_store::annotation_imports;
use uuid::Uuid;

use crate::ApiError;
use crate::annotations::{receive, report, shown, start};
use crate::extract::{OpenDataset, path_parameter};
use crate::state::AppState;
use crate::upload::Parts;

/// Brings annotations to a dataset that is `READY`: boxes become objects, labels and captions those of a user. Pictures are named by
/// their path inside the source, by their base name if only one is called so, or (in tables) by `media_id`. Kinds of files:
/// COCO (`.json`); tables (`.csv`, `.parquet`) with `filename`, `label`, `caption` or `filename`, `col_x`, `row_y`, `width`,
/// `height`, `label`; YOLO (`.txt` with `data.yaml` or `classes.txt`); Pascal VOC (`.xml`); zip archives of these. The dataset is
/// `READ ONLY` until they are taken over. What cannot be used is in the report and costs nothing else.
#[utoipa::path(post, path = "/dataset/{dataset_id}/annotations", tag = "annotations",
    params(("dataset_id" = Uuid, Path, description = "The dataset")),
    request_body(content = Object, content_type = "multipart/form-data", description = "`files`: annotation files"),
    responses(
    (status = 200, description = "Begun; ask for the report by its id", body = AnnotationImport),
    (status = 400, description = "A file is too large or the body is malformed", body = ErrorBody),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "You may only look", body = ErrorBody),
    (status = 404, description = "Unknown or invisible dataset", body = ErrorBody),
    (status = 409, description = "The dataset is not READY", body = ErrorBody),
    (status = 422, description = "No file was sent", body = ErrorBody),
))]
pub(crate) async fn add_annotations(
    State(state): State<AppState>,
    open: OpenDataset,
    request: Request,
) -> Result<Json<AnnotationImport>, ApiError> {
    open.changer()?;
    let limits = &state.config.uploads;
    let parts = Parts::new(request, limits.max_archive_bytes, limits, "files")?;
    let files = receive(&state, parts).await?;
    let import = start(&state, &open, files).await?;
    Ok(Json(shown(import, Vec::new())))
}

/// Annotations that were brought, newest first.
#[utoipa::path(get, path = "/dataset/{dataset_id}/annotations", tag = "annotations",
    params(("dataset_id" = Uuid, Path, description = "The dataset")), responses(
    (status = 200, description = "Without the rows that were not taken over", body = Vec<AnnotationImport>),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown or invisible dataset", body = ErrorBody),
))]
pub(crate) async fn list_annotations(
    State(state): State<AppState>,
    open: OpenDataset,
) -> Result<Json<Vec<AnnotationImport>>, ApiError> {
    let imports = annotation_imports::list(&state.pool, open.access.id()).await?;
    let imports = imports.into_iter().map(|import| shown(import, Vec::new()));
    Ok(Json(imports.collect()))
}

/// The id in the path; one that is none is of nothing.
pub(crate) struct ImportPath(Option<Uuid>);

impl FromRequestParts<AppState> for ImportPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut RequestParts, _: &AppState) -> Result<Self, ApiError> {
        Ok(Self(path_parameter(parts, "import_id").await))
    }
}

/// What became of annotations that were brought, with the rows that were not taken over.
#[utoipa::path(get, path = "/dataset/{dataset_id}/annotations/{import_id}", tag = "annotations",
    params(("dataset_id" = Uuid, Path, description = "The dataset"), ("import_id" = Uuid, Path, description = "What was brought")),
    responses(
    (status = 200, description = "The report", body = AnnotationImport),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
))]
pub(crate) async fn get_annotations(
    State(state): State<AppState>,
    open: OpenDataset,
    ImportPath(id): ImportPath,
) -> Result<Json<AnnotationImport>, ApiError> {
    Ok(Json(report(&state, &open, id).await?))
}
