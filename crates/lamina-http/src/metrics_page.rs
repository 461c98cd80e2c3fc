//! The Prometheus page: one route, on a port of its own.

use axum::Router;
use axum::routing::get;
use http::header::CONTENT_TYPE;

/// A router with `/metrics`, whose text `render` makes at each request.
pub fn metrics_router(render: impl Fn() -> String + Clone + Send + Sync + 'static) -> Router {
    let page = move || {
        let text = render();
        async move { ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text) }
    };
    Router::new().route("/metrics", get(page))
}
