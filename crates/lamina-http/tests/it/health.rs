//! Health: exact shape, no token needed, truth about database and model.

use http::header;
use lamina_store::Role;
use serde_json::json;
use sqlx::PgPool;

use crate::app::{TestApp, request};

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn health_has_the_shape_clients_check_and_ignores_tokens(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let expected = format!(
        r#"{{"status":"Green","service-health-message":"none","version":"{}"}}"#,
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(
        app.call("GET", "/api/v1/healthcheck", None).await.text(),
        expected
    );
    let mut wrong = request(
        "GET",
        "/api/v1/healthcheck",
        None,
        axum::body::Body::empty(),
    );
    wrong.headers_mut().insert(
        header::AUTHORIZATION,
        "Bearer invented.by.somebody".parse().unwrap(),
    );
    assert_eq!(app.send(wrong).await.text(), expected);
    let ada = app.user("ada", Role::Viewer).await;
    assert_eq!(app.get("/api/v1/healthcheck", &ada).await.text(), expected);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_missing_model_and_a_shutdown_are_said(pool: PgPool) {
    let app = TestApp::new(pool).await;
    assert_eq!(app.call("GET", "/healthz", None).await.text(), "ok");
    assert_eq!(
        app.call("GET", "/readyz", None).await.json(),
        json!({"ready": true, "problems": []})
    );

    app.readiness
        .set_model(Err("the model is not loaded yet".to_owned()));
    let answer = app.call("GET", "/api/v1/healthcheck", None).await;
    assert_eq!(
        (answer.code(), answer.json()["status"].as_str().unwrap()),
        (503, "Red")
    );
    assert_eq!(
        answer.json()["service-health-message"],
        "the model is not loaded yet"
    );

    app.readiness.set_model(Ok(()));
    app.readiness.begin_shutdown();
    let answer = app.call("GET", "/readyz", None).await;
    assert_eq!(answer.status, 503);
    assert_eq!(
        answer.json(),
        json!({"ready": false, "problems": ["the server is shutting down"]})
    );
    assert_eq!(app.call("GET", "/healthz", None).await.status, 200);
}
