//! Datasets from a place the server can see (contract 7.4). Its failures carry `status` and `message` beside `detail`.

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::response::{IntoResponse, Response};
use lamina_api::{ErrorBody, ErrorCode, ProcessFailure, ProcessStarted};
use lamina_types::ServeMode;

use crate::auth::AuthUser;
use crate::extract::{Fields, Form, FromFields, Place};
use crate::state::AppState;
use crate::{ApiError, ingest, places};

/// What is to be processed.
#[derive(utoipa::IntoParams)]
pub(crate) struct ProcessQuery {
    /// Absolute path below an ingest root: a folder, a `.txt`, `.csv` or `.parquet` list of files, or a `.zip` archive. Or
    /// `s3://bucket/folder/`, or the `s3://` or `http(s)://` address of such a list, where the operator opened bucket or host.
    path: String,
    /// Name of the dataset, 1 to 255 characters.
    name: String,
    /// `reduce_disk_space`: originals stay where they are and are not copied.
    #[param(value_type = Option<String>)]
    serve_mode: ServeMode,
}

impl FromFields for ProcessQuery {
    fn from_fields(fields: &mut Fields) -> Self {
        let path = fields.text("path").unwrap_or_default();
        if fields.raw("path").is_none_or(str::is_empty) {
            fields.missing("path");
        }
        let name = fields.required_name("name");
        let modes = [
            ("reduce_disk_space", ServeMode::ReduceDiskSpace),
            ("copy", ServeMode::Copy),
            ("", ServeMode::Copy),
        ];
        let serve_mode = fields.word("serve_mode", &modes).unwrap_or(ServeMode::Copy);
        Self {
            path,
            name,
            serve_mode,
        }
    }
}

/// A failure in this endpoint's own envelope.
pub(crate) struct ProcessError(ApiError);

impl<E: Into<ApiError>> From<E> for ProcessError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for ProcessError {
    fn into_response(self) -> Response {
        if self.0.code().is_server_fault() {
            return self.0.into_response();
        }
        let failure = ProcessFailure::new(self.0.public_text());
        self.0.into_response_with(failure)
    }
}

/// Makes a dataset from a folder, a list of files or an archive on the server.
#[utoipa::path(get, path = "/process", operation_id = "process_path", tag = "ingestion", params(ProcessQuery), responses(
    (status = 200, description = "Started", body = ProcessStarted),
    (status = 400, description = "A parameter is missing, or the path is not allowed", body = ProcessFailure),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "This user may not create datasets", body = ProcessFailure),
))]
pub(crate) async fn process_path(
    state: State<AppState>,
    user: AuthUser,
    request: Request,
) -> Result<Json<ProcessStarted>, ProcessError> {
    start(state, user, request).await
}

/// The same, by POST; the parameters may be in the query or in a form.
#[utoipa::path(post, path = "/process", operation_id = "process_path_by_post", tag = "ingestion", params(ProcessQuery), responses(
    (status = 200, description = "Started", body = ProcessStarted),
    (status = 400, description = "A parameter is missing, or the path is not allowed", body = ProcessFailure),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "This user may not create datasets", body = ProcessFailure),
))]
pub(crate) async fn process_path_by_post(
    state: State<AppState>,
    user: AuthUser,
    request: Request,
) -> Result<Json<ProcessStarted>, ProcessError> {
    start(state, user, request).await
}

async fn start(
    State(state): State<AppState>,
    AuthUser(user): AuthUser,
    request: Request,
) -> Result<Json<ProcessStarted>, ProcessError> {
    ingest::may_create(&user)?;
    let query = Fields::decode(
        Place::Query,
        request.uri().query().unwrap_or_default().as_bytes(),
    );
    let form = Form::from_request(request, &()).await?.0;
    let wanted: Result<ProcessQuery, ApiError> = query.with_fallback(form).read();
    // This endpoint answers missing parameters with 400 (contract 7.4).
    let ProcessQuery {
        path,
        name,
        serve_mode,
    } = wanted.map_err(|error| {
        ApiError::new(
            ErrorCode::BadRequest,
            format!("path and name are required: {}", error.public_text()),
        )
    })?;
    let source = places::resolve(&state, path).await?;
    let dataset = ingest::create_from_path(&state, &user, name, source, serve_mode).await?;
    Ok(Json(ProcessStarted::new(
        dataset.id.as_uuid(),
        dataset.display_name,
    )))
}
