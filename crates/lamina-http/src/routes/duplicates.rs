//! Single pictures by their path, and their near-copies (contract 12).

use axum::Json;
use axum::extract::{FromRequestParts, State};
use http::request::Parts;
use lamina_api::ErrorBody;
use lamina_store::media;
use lamina_types::MediaId;
use uuid::Uuid;

use crate::ApiError;
use crate::extract::{Fields, FromFields, OpenDataset, Query, path_parameter};
use crate::state::AppState;

/// Which picture is meant.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct UriQuery {
    /// Its path inside the source.
    #[param(required = true)]
    original_media_uri: String,
}

impl FromFields for UriQuery {
    fn from_fields(fields: &mut Fields) -> Self {
        let uri = fields.raw("original_media_uri").map(str::to_owned);
        if uri.as_deref().is_none_or(str::is_empty) {
            fields.missing("original_media_uri");
        }
        Self {
            original_media_uri: uri.unwrap_or_default(),
        }
    }
}

fn not_found() -> ApiError {
    ApiError::not_found("Media not found")
}

async fn id_of(state: &AppState, open: &OpenDataset, query: &UriQuery) -> Result<String, ApiError> {
    let found = media::by_uri(&state.pool, open.access.id(), &query.original_media_uri).await?;
    Ok(found.ok_or_else(not_found)?.to_string())
}

/// The id of a picture by its path inside the source, as plain text.
#[utoipa::path(get, path = "/dataset/{dataset_id}/search_media_metadata/id", tag = "media",
    params(("dataset_id" = Uuid, Path, description = "The dataset"), UriQuery), responses(
    (status = 200, description = "The media id", body = String, content_type = "text/plain"),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown or invisible dataset, no such picture", body = ErrorBody),
    (status = 422, description = "No path", body = ErrorBody),
))]
pub(crate) async fn search_media_id(
    State(state): State<AppState>,
    open: OpenDataset,
    Query(query): Query<UriQuery>,
) -> Result<String, ApiError> {
    id_of(&state, &open, &query).await
}

/// The same as `search_media_metadata/id`, under its other name.
#[utoipa::path(get, path = "/dataset/{dataset_id}/media/id", tag = "media",
    params(("dataset_id" = Uuid, Path, description = "The dataset"), UriQuery), responses(
    (status = 200, description = "The media id", body = String, content_type = "text/plain"),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown or invisible dataset, no such picture", body = ErrorBody),
    (status = 422, description = "No path", body = ErrorBody),
))]
pub(crate) async fn get_media_id(
    State(state): State<AppState>,
    open: OpenDataset,
    Query(query): Query<UriQuery>,
) -> Result<String, ApiError> {
    id_of(&state, &open, &query).await
}

/// The picture in the path; an id that is none is of nothing.
pub(crate) struct MediaPath(Option<MediaId>);

impl FromRequestParts<AppState> for MediaPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        Ok(Self(path_parameter(parts, "media_id").await))
    }
}

/// The ids of the near-copies of a picture: those that are in its group at a similarity of 0.96.
#[utoipa::path(get, path = "/dataset/{dataset_id}/media/{media_id}/duplicates", tag = "media",
    params(("dataset_id" = Uuid, Path, description = "The dataset"), ("media_id" = Uuid, Path, description = "The picture")),
    responses(
    (status = 200, description = "Media ids, without the picture itself", body = Vec<Uuid>),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown or invisible dataset or picture", body = ErrorBody),
))]
pub(crate) async fn list_duplicates(
    State(state): State<AppState>,
    open: OpenDataset,
    MediaPath(id): MediaPath,
) -> Result<Json<Vec<Uuid>>, ApiError> {
    let found = match id {
        Some(id) => state.explorer.duplicates_of(&open.access, id).await?,
        None => None,
    };
    let ids = found.ok_or_else(not_found)?;
    Ok(Json(ids.into_iter().map(|id| id.as_uuid()).collect()))
}
