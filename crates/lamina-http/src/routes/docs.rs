//! The interface described: for machines (`openapi.json`), for people (`docs`). The page is ours, has no script and needs no
//! network.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::{HeaderValue, header};

use crate::docs_page::DocsPage;
use crate::state::AppState;

/// The interface in the form machines read.
pub(crate) async fn get_openapi(Extension(page): Extension<DocsPage>) -> Response {
    Json(page.openapi()).into_response()
}

/// The interface in the form people read.
pub(crate) async fn get_docs(
    State(_): State<AppState>,
    Extension(page): Extension<DocsPage>,
) -> Response {
    let mut response = axum::response::Html(page.html()).into_response();
    if let Ok(policy) = HeaderValue::from_str(page.policy()) {
        response
            .headers_mut()
            .insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}
