//! Small bodies: form-encoded text, read whole under a limit and a time.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use http::{HeaderMap, header};
use http_body_util::{BodyExt, Limited};
use lamina_api::ErrorCode;

use super::{Fields, Place};
use crate::ApiError;

/// Largest form or JSON, in bytes: names and paths, no files.
const MAX_FORM_BYTES: usize = 64 * 1024;

/// How long a form may take to arrive.
const FORM_TIMEOUT: Duration = Duration::from_secs(30);

/// The fields of a form-encoded body; empty when the body is of another kind.
#[derive(Debug)]
pub(crate) struct Form(pub(crate) Fields);

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        if !is_form(request.headers()) {
            return Ok(Self(Fields::new(Place::Body, Vec::new())));
        }
        let bytes = read_whole(request.into_body(), MAX_FORM_BYTES).await?;
        Ok(Self(Fields::decode(Place::Body, &bytes)))
    }
}

/// Whether the body is said to be form-encoded.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// The whole body.
///
/// # Errors
/// Too large, too slow, or cut off.
pub(super) async fn read_whole(body: Body, max_bytes: usize) -> Result<bytes::Bytes, ApiError> {
    let limited = Limited::new(body, max_bytes);
    let collected = tokio::time::timeout(FORM_TIMEOUT, limited.collect()).await;
    match collected {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            Err(ApiError::plain(ErrorCode::TooLarge))
        }
        Ok(Err(_)) => Err(ApiError::bad_request("The request body could not be read")),
        Err(_) => Err(ApiError::plain(ErrorCode::RequestTimeout)),
    }
}
