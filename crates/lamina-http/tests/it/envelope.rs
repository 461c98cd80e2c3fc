//! One envelope for every kind of failure, and nothing of the cause in it.

use axum::body::Body;
use http::header;
use lamina_store::Role;
use lamina_types::DatasetStatus;
use sqlx::PgPool;

use crate::app::{TestApp, request};
use crate::fake::PANIC_ANCHOR;

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn every_kind_of_failure_is_in_the_envelope(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let id = app.dataset(&ada, DatasetStatus::Ready).await;
    let draft = app.dataset(&ada, DatasetStatus::Draft).await;
    let cases = [
        ("GET", "/api/v1/nothing".to_owned(), 404, "Not found"),
        ("GET", "/".to_owned(), 404, "Not found"),
        ("GET", "/api/v1/datasets/".to_owned(), 404, "Not found"),
        (
            "PATCH",
            "/api/v1/datasets".to_owned(),
            405,
            "Method not allowed",
        ),
        (
            "POST",
            format!("/media/{id}/{id}/thumb"),
            405,
            "Method not allowed",
        ),
        (
            "GET",
            format!("/api/v1/explore/{id}?anchor_media_id={PANIC_ANCHOR}"),
            500,
            "Internal server error",
        ),
        (
            "POST",
            format!("/api/v1/ingestion/{draft}/process_files/1"),
            404,
            "Upload transaction not found",
        ),
        (
            "GET",
            format!("/api/v1/ingestion/{id}/data_files"),
            409,
            "The dataset is READY, it must be DRAFT to take files",
        ),
        (
            "GET",
            format!("/media/{id}/{id}/thumb"),
            404,
            "Media not found",
        ),
    ];
    for (method, path, status, detail) in cases {
        let answer = app.call(method, &path, Some(&ada)).await;
        assert_eq!(
            (answer.code(), answer.detail().as_str()),
            (status, detail),
            "{method} {path}"
        );
        assert_eq!(
            answer.headers[header::CONTENT_TYPE],
            "application/json",
            "{path}"
        );
        assert_eq!(answer.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert!(answer.headers.contains_key("x-request-id"));
    }
    // The panic's text stays inside, and the server goes on.
    let answer = app
        .get(
            &format!("/api/v1/explore/{id}?anchor_media_id={PANIC_ANCHOR}"),
            &ada,
        )
        .await;
    assert!(!answer.text().contains("secret text"));
    assert_eq!(app.get("/api/v1/datasets", &ada).await.code(), 200);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn wrong_parameters_are_listed(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let id = app.dataset(&ada, DatasetStatus::Ready).await;
    let answer = app
        .get(
            &format!("/api/v1/explore/{id}?threshold=9&entity_type=images"),
            &ada,
        )
        .await;
    assert_eq!(answer.code(), 422);
    assert_eq!(
        answer.text(),
        r#"{"detail":[{"type":"enum","loc":["query","entity_type"],"msg":"Input should be 'IMAGES' or 'OBJECTS' or 'VIDEOS'","input":"images"},{"type":"less_than_equal","loc":["query","threshold"],"msg":"Input should be less than or equal to 4","input":"9"}]}"#
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn forms_that_are_too_large_or_no_forms_are_refused(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let long = "x".repeat(100_000);
    assert_eq!(
        app.post_form("/api/v1/dataset", &ada, &[("dataset_name", &long)])
            .await
            .code(),
        413
    );
    let json = request(
        "POST",
        "/api/v1/dataset",
        Some(&ada),
        Body::from(r#"{"dataset_name":"x"}"#),
    );
    assert_eq!(app.send(json).await.code(), 422);
}

/// Text that Postgres refuses, numbers that overflow: the caller's mistake, never ours (hardening P27).
#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn hostile_values_are_the_callers_mistake(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let id = app.dataset(&ada, DatasetStatus::Ready).await;
    for query in [
        "/api/v1/ingestion/new_dataset?dataset_name=a%00b".to_owned(),
        format!(
            "/api/v1/ingestion/new_dataset?dataset_name={}",
            "%F0%9F%98%80".repeat(256)
        ),
        "/api/v1/ingestion/new_dataset?dataset_name=%1b%5b31m".to_owned(),
        format!("/api/v1/explore/{id}?page_number=99999999999999999999"),
        format!("/api/v1/explore/{id}?page_number=-1"),
        format!("/api/v1/explore/{id}?page_number=1000001"),
        format!("/api/v1/explore/{id}?anchor_media_id=%00"),
        format!("/api/v1/explore/{id}?vql=%5B%7B%22a%22%3A%5C%22"),
    ] {
        assert_eq!(app.get(&query, &ada).await.code(), 422, "{query}");
    }
    // Four-byte characters count as one: 255 of them fit.
    let long = format!(
        "/api/v1/ingestion/new_dataset?dataset_name={}",
        "%F0%9F%98%80".repeat(255)
    );
    assert_eq!(app.get(&long, &ada).await.code(), 200);
    for trans in ["0", "-1", "9223372036854775808", "x", "%00", "1e3"] {
        let path = format!("/api/v1/ingestion/{id}/process_files/{trans}");
        assert_eq!(
            app.call("POST", &path, Some(&ada)).await.code(),
            404,
            "{trans}"
        );
    }
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_database_that_is_away_is_503_and_comes_back_to_nothing_worse(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    app.pool.close().await;
    let answer = app.get("/api/v1/datasets", &ada).await;
    assert_eq!(
        (answer.code(), answer.detail().as_str()),
        (
            503,
            "The service is not available at the moment, try again later"
        )
    );
    assert_eq!(app.call("GET", "/healthz", None).await.status, 200);
    assert_eq!(app.call("GET", "/readyz", None).await.status, 503);
}
