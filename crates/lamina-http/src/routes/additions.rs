//! More media for a dataset, and its clusters anew (contract 8).

use axum::extract::{Request, State};
use http::StatusCode;
use lamina_api::ErrorBody;
use lamina_store::settings::Switch;
use lamina_types::DatasetId;
use uuid::Uuid;

use crate::auth::AuthUser;
use crate::extract::{Fields, FromFields, OpenDataset, Query};
use crate::state::AppState;
use crate::upload::Parts;
use crate::{ApiError, additions, places, switches};

/// Adds media: `files`, repeated; or `s3_uri`, a folder of a bucket or a list of files in one; or `archive`, a `.zip`, `.tar` or
/// `.tar.gz`. The dataset can be read meanwhile; the new media are in its clusters when it is `PARTIAL INDEX`, or, with
/// `auto_reindex`, `READY`. Those of an enriched dataset are shown to the models it was enriched with first. An addition that
/// fails leaves the dataset as it was, and its task says why.
#[utoipa::path(post, path = "/dataset/{dataset_id}/add_media", operation_id = "add_media", tag = "datasets",
    params(("dataset_id" = Uuid, Path, description = "The dataset")),
    request_body(content = Object, content_type = "multipart/form-data",
        description = "Exactly one of `files`, `s3_uri`, `archive`; `auto_reindex`: `true` or `false`"),
    responses(
    (status = 202, description = "Started"),
    (status = 400, description = "No source, several, or nothing behind it", body = ErrorBody),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "No right to change this dataset", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
    (status = 409, description = "The dataset is neither READY nor PARTIAL INDEX", body = ErrorBody),
))]
pub(crate) async fn add_media(
    State(state): State<AppState>,
    open: OpenDataset,
    request: Request,
) -> Result<StatusCode, ApiError> {
    open.changer()?;
    switches::require(&state, Switch::AddMedia).await?;
    let limits = &state.config.uploads;
    let most = limits.max_archive_bytes.max(limits.max_request_bytes);
    let parts = Parts::new(request, most, limits, "files")?;
    let sent = additions::receive(&state, parts).await?;
    additions::begin(&state, &open.access, sent).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Where more media lie.
#[derive(utoipa::IntoParams)]
pub(crate) struct AddFromPath {
    /// The dataset.
    #[param(value_type = Uuid)]
    dataset_id: Option<Uuid>,
    /// As for `/process`.
    path: String,
}

impl FromFields for AddFromPath {
    fn from_fields(fields: &mut Fields) -> Self {
        let dataset_id = fields.text("dataset_id");
        let path = fields.text("path");
        for (name, value) in [("dataset_id", &dataset_id), ("path", &path)] {
            if value.is_none() {
                fields.missing(name);
            }
        }
        Self {
            // What is no id is no dataset.
            dataset_id: dataset_id.and_then(|id| id.parse().ok()),
            path: path.unwrap_or_default(),
        }
    }
}

/// Adds media from a place that the server can read.
#[utoipa::path(get, path = "/process/add_media", operation_id = "add_media_from_path", tag = "ingestion", params(AddFromPath), responses(
    (status = 202, description = "Started"),
    (status = 400, description = "The path is not allowed", body = ErrorBody),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "No right to change this dataset", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
    (status = 409, description = "The dataset is neither READY nor PARTIAL INDEX", body = ErrorBody),
    (status = 422, description = "A parameter is missing", body = ErrorBody),
))]
pub(crate) async fn add_media_from_path(
    State(state): State<AppState>,
    AuthUser(user): AuthUser,
    Query(wanted): Query<AddFromPath>,
) -> Result<StatusCode, ApiError> {
    let id = wanted.dataset_id.map(DatasetId::from_uuid);
    let open = OpenDataset::by_id(&state, Some(user), id).await?;
    open.changer()?;
    switches::require(&state, Switch::AddMedia).await?;
    let source = places::resolve(&state, wanted.path).await?;
    let roots = state.config.ingest_roots.texts();
    additions::begin_from(&state, open.access.into_dataset(), source, roots, false).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Derives the clusters of a dataset anew, as in a fresh build.
#[utoipa::path(post, path = "/dataset/{dataset_id}/reindex", operation_id = "reindex_dataset", tag = "datasets",
    params(("dataset_id" = Uuid, Path, description = "The dataset")), responses(
    (status = 202, description = "Started"),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "No right to change this dataset", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
    (status = 409, description = "The dataset is not PARTIAL INDEX", body = ErrorBody),
))]
pub(crate) async fn reindex_dataset(
    State(state): State<AppState>,
    open: OpenDataset,
) -> Result<StatusCode, ApiError> {
    open.changer()?;
    additions::reindex(&state, &open.access).await?;
    Ok(StatusCode::ACCEPTED)
}
