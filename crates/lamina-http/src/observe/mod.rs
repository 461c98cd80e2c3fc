//! One span, one log line for a failure, one metric sample per request; and the headers every answer carries.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, Method, header};
use lamina_api::ErrorCode;
use tracing::Instrument;
use uuid::Uuid;

use crate::ApiError;
use crate::error::Failure;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Outermost layer. Logs the route template, never the query: links carry their signature there.
pub(crate) async fn observe(request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched", MatchedPath::as_str)
        .to_owned();
    let method = known_method(request.method());
    let id = Uuid::now_v7();
    let span = tracing::info_span!("http.request", request.id = %id, http.method = method, http.route = route);
    let started = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let elapsed = started.elapsed();

    let status = response.status().as_u16();
    let _in_span = span.enter();
    log_failure(&response, status);
    tracing::debug!(
        http.status = status,
        duration_ms = elapsed.as_secs_f64() * 1_000.0,
        "answered"
    );
    let labels = [
        ("route", route),
        ("method", method.to_owned()),
        ("status", status.to_string()),
    ];
    metrics::counter!("lamina_http_requests_total", &labels).increment(1);
    metrics::histogram!("lamina_http_request_seconds", &labels[..2]).record(elapsed.as_secs_f64());

    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
        headers.insert(REQUEST_ID.clone(), id);
    }
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers
        .entry(header::REFERRER_POLICY)
        .or_insert(HeaderValue::from_static("no-referrer"));
    response
}

/// The one place where failures are logged.
fn log_failure(response: &Response, status: u16) {
    let Some(failure) = response.extensions().get::<Failure>() else {
        return;
    };
    let cause = failure.cause.as_ref().map(|cause| chain(cause.as_ref()));
    let cause = cause.as_deref().unwrap_or("none");
    if failure.code.is_server_fault() {
        tracing::error!(http.status = status, cause, "request failed");
    } else {
        tracing::debug!(http.status = status, cause, "request refused");
    }
}

/// An error and what is behind it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

/// A closed set, so that an inventive client cannot fill the metrics.
fn known_method(method: &Method) -> &'static str {
    [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
    ]
    .iter()
    .position(|known| known == method)
    .map_or("OTHER", |place| {
        ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"][place]
    })
}

/// What a panic in a handler becomes. The message goes to the log only.
pub(crate) fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    #[derive(Debug, thiserror::Error)]
    #[error("a handler panicked: {0}")]
    struct Panicked(String);

    let message = panic.downcast_ref::<String>().cloned();
    let message = message
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_default();
    ApiError::internal(Panicked(message)).into_response()
}

/// Answer for a path that does not exist.
pub(crate) async fn no_such_path() -> ApiError {
    ApiError::plain(ErrorCode::NotFound)
}

/// Answer for a method that the path does not have.
pub(crate) async fn no_such_method() -> ApiError {
    ApiError::plain(ErrorCode::MethodNotAllowed)
}
