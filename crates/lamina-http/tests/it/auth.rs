//! Tokens through the router: one answer for all failures, effect at once when a key or a user ends.

use axum::body::Body;
use http::{Request, header};
use lamina_store::{Role, keys, users};
use sqlx::PgPool;

use crate::app::TestApp;

const DATASETS: &str = "/api/v1/datasets";

fn with_header(values: &[&str]) -> Request<Body> {
    let mut builder = Request::builder().uri(DATASETS);
    for value in values {
        builder = builder.header(header::AUTHORIZATION, *value);
    }
    builder.body(Body::empty()).unwrap()
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn every_bad_token_gets_one_and_the_same_answer(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let user = app.user("ada", Role::Editor).await;
    let other = app.user("bob", Role::Editor).await;
    let token = user.token();
    assert_eq!(
        app.send(with_header(&[&format!("Bearer {token}")]))
            .await
            .code(),
        200
    );
    assert_eq!(
        app.send(with_header(&[&format!("bEARER {token}")]))
            .await
            .code(),
        200,
        "the scheme's case is free"
    );

    let crossed =
        lamina_http::issue_token(&user.key, &other.secret, std::time::Duration::from_secs(60))
            .unwrap();
    let unknown = lamina_http::issue_token(
        "unknown_key_0123456789",
        &user.secret,
        std::time::Duration::from_secs(60),
    )
    .unwrap();
    let bearer = |token: &str| format!("Bearer {token}");
    let wrong: Vec<Vec<String>> = vec![
        vec![],
        vec![String::new()],
        vec![bearer("")],
        vec![token.clone()],
        vec![format!("Basic {token}")],
        vec![format!("Bearer  {token}")],
        vec![format!("Bearer {token} x")],
        vec![bearer(&token), bearer(&token)],
        vec![bearer(&crossed)],
        vec![bearer(&unknown)],
        vec![bearer("not.a.token")],
        vec![bearer(&"a".repeat(5_000))],
    ];
    for values in &wrong {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let answer = app.send(with_header(&values)).await;
        assert_eq!(answer.code(), 401, "{values:?}");
        assert_eq!(answer.text(), r#"{"detail":"Not authenticated"}"#);
        assert_eq!(answer.headers[header::WWW_AUTHENTICATE], "Bearer");
    }
    let query = Request::builder()
        .uri(format!("{DATASETS}?token={token}"))
        .body(Body::empty())
        .unwrap();
    assert_eq!(
        app.send(query).await.code(),
        401,
        "a token in the query is no token"
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn revoked_keys_and_ended_users_stop_at_once(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let revoked = app.user("ada", Role::Editor).await;
    let ended = app.user("bob", Role::Editor).await;
    assert_eq!(app.get(DATASETS, &revoked).await.code(), 200);
    assert_eq!(app.get(DATASETS, &ended).await.code(), 200);
    keys::revoke(&app.pool, revoked.user.id, &revoked.key)
        .await
        .unwrap();
    users::mark_deleted(&app.pool, ended.user.id).await.unwrap();
    assert_eq!(app.get(DATASETS, &revoked).await.code(), 401);
    assert_eq!(app.get(DATASETS, &ended).await.code(), 401);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn viewers_look_but_do_not_create(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let viewer = app.user("eve", Role::Viewer).await;
    assert_eq!(app.get(DATASETS, &viewer).await.code(), 200);
    assert_eq!(
        app.get("/api/v1/ingestion/new_dataset?dataset_name=x", &viewer)
            .await
            .code(),
        403
    );
    assert_eq!(
        app.post_form(
            "/api/v1/dataset",
            &viewer,
            &[("dataset_name", "x"), ("uploaded_filename", "x.zip")]
        )
        .await
        .code(),
        403
    );
    let process = app.get("/api/v1/process?path=/x&name=x", &viewer).await;
    assert_eq!(
        (process.code(), process.json()["status"].as_str().unwrap()),
        (403, "error")
    );
    assert_eq!(app.count("select count(*) from datasets").await, 0);
}
