//! Health: for clients (`/healthcheck`), for supervisors (`/healthz`, `/readyz`). Nobody is asked who they are.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use lamina_api::{HealthAnswer, ReadyAnswer};

use crate::state::AppState;

/// What `version` says.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Whether the service can serve.
#[utoipa::path(get, path = "/healthcheck", tag = "health", security(()), responses(
    (status = 200, description = "It can", body = HealthAnswer),
    (status = 503, description = "Database or model are missing", body = HealthAnswer),
))]
pub(crate) async fn get_healthcheck(State(state): State<AppState>) -> Response {
    let problems = state.readiness.problems(&state.pool).await;
    if problems.is_empty() {
        return Json(HealthAnswer::green(VERSION)).into_response();
    }
    (
        StatusCode::SERVICE_UNAVAILABLE,
        Json(HealthAnswer::red(VERSION, &problems.join("; "))),
    )
        .into_response()
}

/// Whether the process lives; says nothing else.
pub(crate) async fn get_healthz() -> &'static str {
    "ok"
}

/// Whether requests should be sent here.
pub(crate) async fn get_readyz(State(state): State<AppState>) -> Response {
    let problems = state.readiness.problems(&state.pool).await;
    let status = if problems.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        status,
        Json(ReadyAnswer {
            ready: problems.is_empty(),
            problems,
        }),
    )
        .into_response()
}
