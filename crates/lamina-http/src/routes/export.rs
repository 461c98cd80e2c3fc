//! Exports (contract 11): asked for, watched, fetched; and two documents that come at once.

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use lamina_api::{ErrorBody, ExportTask};
use lamina_store::exports;
use lamina_types::{DatasetId, DatasetStatus, ExportFormat, ExportId};

use crate::ApiError;
use crate::explore_query::ExploreQuery;
use crate::export_query::{ExportOptions, ExportQuery};
use crate::exports::{chosen, select, start, task};
use crate::extract::{Fields, FromFields, JsonFields, OpenDataset, Place, Query, path_parameter};
use crate::filter_query::FilterQuery;
use crate::state::AppState;
use crate::{documents, now};

/// Exports are made of complete datasets only.
fn ready(open: &OpenDataset) -> Result<(), ApiError> {
    if open.access.dataset().status == DatasetStatus::Ready {
        Ok(())
    } else {
        Err(ApiError::conflict("The dataset is not READY"))
    }
}

/// Whether the request carries a bearer token, looked at or not.
fn has_token(headers: &HeaderMap) -> bool {
    let value = headers
        .get(header::AUTHORIZATION)
        .map(HeaderValue::as_bytes);
    let scheme = value.and_then(|value| value.split(|byte| *byte == b' ').next());
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer"))
}

/// Starts an export of everything that matches the filters.
#[utoipa::path(get, path = "/dataset/{dataset_id}/export_context_async", tag = "export",
    params(("dataset_id" = Uuid, Path, description = "The dataset"), ExportOptions, ExportQuery, ExploreQuery, FilterQuery),
    responses(
    (status = 200, description = "The export; REJECTED when nothing matches", body = ExportTask),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown or invisible dataset, unknown cluster or anchor", body = ErrorBody),
    (status = 409, description = "The dataset is not READY", body = ErrorBody),
    (status = 422, description = "A parameter cannot be parsed or is out of range", body = ErrorBody),
))]
pub(crate) async fn export_context_async(
    State(state): State<AppState>,
    open: OpenDataset,
    Query(query): Query<ExportQuery>,
    headers: HeaderMap,
) -> Result<Json<ExportTask>, ApiError> {
    let user = open.reader()?.clone();
    ready(&open)?;
    let selected = select(&state, &open, &query).await?;
    let maker = state.link_maker(&headers);
    let export = start(&state, &open, &user, query.options, selected, &maker).await?;
    let epoch = open.access.dataset().link_epoch;
    Ok(Json(task(export, epoch, &maker, has_token(&headers))))
}

/// Starts an export of chosen media and clusters.
#[utoipa::path(post, path = "/dataset/{dataset_id}/export_entities_async", tag = "export",
    params(("dataset_id" = Uuid, Path, description = "The dataset"), ExportOptions),
    request_body(content = Object, content_type = "application/json",
        description = "`{\"media_selection\":[{\"type\":\"media\",\"payload\":{\"media_ids\":[..]}}, \
                       {\"type\":\"cluster\",\"payload\":{\"cluster_id\":\"..\",\"cluster_filters\":{},\"exclude_media_ids\":[]}}]}`"),
    responses(
    (status = 200, description = "The export; REJECTED when nothing is left", body = ExportTask),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
    (status = 409, description = "The dataset is not READY", body = ErrorBody),
    (status = 422, description = "The body cannot be read", body = ErrorBody),
))]
pub(crate) async fn export_entities_async(
    State(state): State<AppState>,
    open: OpenDataset,
    Query(options): Query<ExportOptions>,
    headers: HeaderMap,
    JsonFields(body): JsonFields,
) -> Result<Json<ExportTask>, ApiError> {
    let user = open.reader()?.clone();
    let selection = body.read()?;
    ready(&open)?;
    let selected = chosen(&state, &open, &selection).await?;
    let maker = state.link_maker(&headers);
    let export = start(&state, &open, &user, options, selected, &maker).await?;
    let epoch = open.access.dataset().link_epoch;
    Ok(Json(task(export, epoch, &maker, has_token(&headers))))
}

/// Which export is meant.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct StatusQuery {
    /// The id of an export.
    #[param(value_type = uuid::Uuid)]
    export_task_id: Option<ExportId>,
}

impl FromFields for StatusQuery {
    fn from_fields(fields: &mut Fields) -> Self {
        if fields.raw("export_task_id").is_none_or(str::is_empty) {
            fields.missing("export_task_id");
        }
        // An id that is none is an unknown export.
        let export_task_id = fields.raw("export_task_id").and_then(|id| id.parse().ok());
        Self { export_task_id }
    }
}

/// How far an export is, and where its archive lies.
#[utoipa::path(get, path = "/dataset/{dataset_id}/export_status", tag = "export",
    params(("dataset_id" = Uuid, Path, description = "The dataset"), StatusQuery), responses(
    (status = 200, description = "The export", body = ExportTask),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown or invisible dataset, unknown export", body = ErrorBody),
    (status = 422, description = "No export named", body = ErrorBody),
))]
pub(crate) async fn get_export_status(
    State(state): State<AppState>,
    open: OpenDataset,
    Query(query): Query<StatusQuery>,
    headers: HeaderMap,
) -> Result<Json<ExportTask>, ApiError> {
    open.reader()?;
    let found = match query.export_task_id {
        Some(id) => exports::find(&state.pool, id).await?,
        None => None,
    };
    let export = found
        .filter(|export| export.dataset_id == open.access.id())
        .ok_or_else(|| ApiError::not_found("Export not found"))?;
    let maker = state.link_maker(&headers);
    let epoch = open.access.dataset().link_epoch;
    Ok(Json(task(export, epoch, &maker, has_token(&headers))))
}

/// Format of the document that comes at once.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DocumentQuery {
    /// `json` (default) only; other formats are archives, see `export_context_async`.
    #[param(value_type = Option<String>)]
    #[expect(
        dead_code,
        reason = "there is one format; another one is refused when it is read"
    )]
    export_format: ExportFormat,
}

impl FromFields for DocumentQuery {
    fn from_fields(fields: &mut Fields) -> Self {
        let json = [("json", ExportFormat::Json)];
        let export_format = fields
            .word("export_format", &json)
            .unwrap_or(ExportFormat::Json);
        Self { export_format }
    }
}

/// The whole dataset as one JSON document, streamed.
#[utoipa::path(get, path = "/dataset/{dataset_id}/export", tag = "export",
    params(("dataset_id" = Uuid, Path, description = "The dataset"), DocumentQuery), responses(
    (status = 200, description = "The export document, schema 1.1", body = Object),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
    (status = 409, description = "The dataset is not READY", body = ErrorBody),
    (status = 422, description = "Another format than json", body = ErrorBody),
))]
pub(crate) async fn export_document(
    State(state): State<AppState>,
    open: OpenDataset,
    Query(_): Query<DocumentQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let user = open.reader()?.clone();
    ready(&open)?;
    let body = documents::json(&state, open.access, user, &state.link_maker(&headers)).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// Names and ids of all media.
#[utoipa::path(get, path = "/dataset/{dataset_id}/export_media_id", tag = "export",
    params(("dataset_id" = Uuid, Path, description = "The dataset")), responses(
    (status = 200, description = "`filename,media_id`, a line a media item", body = String, content_type = "text/csv"),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
))]
pub(crate) async fn export_media_id(
    State(state): State<AppState>,
    open: OpenDataset,
) -> Result<Response, ApiError> {
    let body = documents::media_ids(&state, open.access.id());
    let name = HeaderValue::from_static("attachment; filename=\"media_ids.csv\"");
    let mut response = ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], body).into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_DISPOSITION, name);
    Ok(response)
}

/// A link to an archive as it was sent.
pub(crate) struct SentArchiveLink {
    dataset: DatasetId,
    export: ExportId,
    expiry: i64,
    signature: String,
}

impl FromRequestParts<AppState> for SentArchiveLink {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        let dataset: Option<DatasetId> = path_parameter(parts, "dataset_id").await;
        let export: Option<ExportId> = path_parameter(parts, "export_id").await;
        let query = parts.uri.query().unwrap_or_default();
        let fields = Fields::decode(Place::Query, query.as_bytes());
        let link = || {
            Some(Self {
                dataset: dataset?,
                export: export?,
                expiry: fields.raw("e")?.parse().ok()?,
                signature: fields.raw("s")?.to_owned(),
            })
        };
        link().ok_or_else(no_archive)
    }
}

fn no_archive() -> ApiError {
    ApiError::not_found("Export not found")
}

/// The archive behind a signed link. No token is asked for: the signature is the right to read.
pub(crate) async fn get_archive(
    State(state): State<AppState>,
    link: SentArchiveLink,
) -> Result<Response, ApiError> {
    if link.expiry < now::unix_seconds() {
        return Err(no_archive());
    }
    let dataset = lamina_store::datasets::find(&state.pool, link.dataset)
        .await?
        .ok_or_else(no_archive)?;
    let is_ours = state.links.verify_archive(
        link.dataset,
        link.export,
        dataset.link_epoch,
        link.expiry,
        &link.signature,
    );
    let export = exports::find(&state.pool, link.export).await?;
    let found = export.filter(|export| is_ours && export.dataset_id == link.dataset);
    let Some((export, key)) = found.and_then(|export| {
        let key = export.blob_key.clone()?;
        Some((export, key))
    }) else {
        return Err(no_archive());
    };
    let (bytes, stream) = state.blobs.stream(&key).await?;
    let mut response = Response::new(Body::from_stream(stream));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/zip"),
    );
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-store"),
    );
    // The name was made plain when the export was asked for.
    if let Ok(value) =
        HeaderValue::from_str(&format!("attachment; filename=\"{}\"", export.file_name))
    {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}
