//! Tags through the router: who may make them, what selections mean, what an explore request then finds.

use axum::body::Body;
use http::header;
use lamina_store::shares::{self, ShareRole};
use lamina_store::{Role, datasets};
use lamina_types::{DatasetId, MediaId};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::app::{Answer, TestApp, TestUser, request};
use crate::fake::CLUSTER;
use crate::media::picture;

async fn send(app: &TestApp, method: &str, path: &str, caller: &TestUser, body: &Value) -> Answer {
    let mut request = request(method, path, Some(caller), Body::from(body.to_string()));
    let kind = "application/json".parse().unwrap();
    request.headers_mut().insert(header::CONTENT_TYPE, kind);
    app.send(request).await
}

/// Four more pictures of the same content, with ordinals 1 to 4; their ids.
async fn more_pictures(app: &TestApp, dataset: DatasetId) -> Vec<MediaId> {
    let mut ids = Vec::new();
    for ordinal in 1..=4 {
        let id = MediaId::new();
        sqlx::query(
            "insert into media (id, dataset_id, ordinal, content_id, file_name, original_uri) \
             select $1, dataset_id, $3, content_id, 'a', 'a' from media where dataset_id = $2 and ordinal = 0",
        )
        .bind(id.as_uuid())
        .bind(dataset.as_uuid())
        .bind(ordinal)
        .execute(&app.pool)
        .await
        .unwrap();
        ids.push(id);
    }
    ids
}

async fn tagged(app: &TestApp) -> i64 {
    app.count("select count(*) from media_tags").await
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn tags_are_made_renamed_and_deleted(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let (dataset, _) = picture(&app, &ada).await;
    let path = format!("/api/v1/dataset/{dataset}/tags");
    assert_eq!(app.get(&path, &ada).await.text(), "[]");
    let made = send(&app, "POST", &path, &ada, &json!({"name": "review"})).await;
    assert_eq!(made.code(), 201);
    let tag = made.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(made.json()["media_count"], 0);
    let again = send(&app, "POST", &path, &ada, &json!({"name": "review"})).await;
    assert_eq!(again.code(), 409);
    for wrong in [
        json!({}),
        json!({"name": " "}),
        json!({"name": null}),
        json!([]),
        json!({"name": "x".repeat(256)}),
    ] {
        let refused = send(&app, "POST", &path, &ada, &wrong).await;
        assert_eq!(refused.code(), 422, "{wrong}");
        assert!(refused.json()["detail"].is_array());
    }
    let one = format!("{path}/{tag}");
    let renamed = send(&app, "PATCH", &one, &ada, &json!({"name": "keep"})).await;
    assert_eq!(renamed.json()["name"], "keep");
    let unknown = format!("{path}/{}", Uuid::now_v7());
    for (method, path) in [("PATCH", &unknown), ("DELETE", &unknown)] {
        let answer = send(&app, method, path, &ada, &json!({"name": "a"})).await;
        assert_eq!(
            (answer.code(), answer.detail().as_str()),
            (404, "Tag not found")
        );
    }
    assert_eq!(app.call("DELETE", &one, Some(&ada)).await.code(), 200);
    assert_eq!(app.get(&path, &ada).await.text(), "[]");
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_selection_is_the_union_of_its_entries(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let (dataset, first) = picture(&app, &ada).await;
    let more = more_pictures(&app, dataset).await;
    let path = format!("/api/v1/dataset/{dataset}/tags");
    let made = send(&app, "POST", &path, &ada, &json!({"name": "review"})).await;
    let tag = made.json()["id"].as_str().unwrap().to_owned();
    let (on, off) = (
        format!("{path}/{tag}/assign"),
        format!("{path}/{tag}/unassign"),
    );

    let some = json!({"media_selection": [{"type": "media", "payload": {"media_ids": [first.as_uuid(), more[0].as_uuid(), Uuid::now_v7()]}}]});
    let answer = send(&app, "POST", &on, &ada, &some).await;
    assert_eq!(
        answer.json(),
        json!({"id": tag, "selected": 2, "changed": 2})
    );
    // The read side says that ordinals 1 and 2 match.
    let matching = json!({"media_selection": [
        {"type": "cluster", "payload": {"cluster_id": CLUSTER, "cluster_filters": {"threshold": 3}}},
        {"type": "query", "payload": {"filters": {"labels": ["car"]}, "exclude_media_ids": []}}]});
    let answer = send(&app, "POST", &on, &ada, &matching).await;
    assert_eq!(
        answer.json(),
        json!({"id": tag, "selected": 2, "changed": 1})
    );
    let asked = app.read_side.asked.lock().unwrap().clone().unwrap();
    assert_eq!(asked.filters.len(), 1);
    assert_eq!(tagged(&app).await, 3);
    let listed = app.get(&path, &ada).await.json();
    assert_eq!(listed[0]["media_count"], 3);

    let except = json!({"media_selection": [{"type": "query", "payload": {"exclude_media_ids": [more[1].as_uuid()]}}]});
    let answer = send(&app, "POST", &off, &ada, &except).await;
    assert_eq!(answer.json()["changed"], 1);
    let unknown = json!({"media_selection": [{"type": "cluster", "payload": {"cluster_id": Uuid::now_v7()}}]});
    let answer = send(&app, "POST", &off, &ada, &unknown).await;
    assert_eq!(answer.json()["selected"], 0);
    assert_eq!(tagged(&app).await, 2);
    for wrong in [
        json!({}),
        json!({"media_selection": 7}),
        json!({"media_selection": [{"type": "query", "payload": {"filters": {"threshold": 9}}}]}),
    ] {
        let refused = send(&app, "POST", &on, &ada, &wrong).await;
        assert_eq!(refused.code(), 422, "{wrong}");
    }
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn who_may_only_look_changes_no_tag(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let (ada, bob) = (
        app.user("ada", Role::Editor).await,
        app.user("bob", Role::Editor).await,
    );
    let (dataset, _) = picture(&app, &ada).await;
    let owner = ada.user.principal();
    let access = datasets::access(&app.pool, Some(&owner), dataset);
    let access = access.await.unwrap().unwrap();
    let shared = shares::put(&app.pool, &access, bob.user.id, ShareRole::Viewer);
    shared.await.unwrap();
    let path = format!("/api/v1/dataset/{dataset}/tags");
    assert_eq!(app.get(&path, &bob).await.code(), 200);
    let name = json!({"name": "mine"});
    assert_eq!(send(&app, "POST", &path, &bob, &name).await.code(), 403);
    let made = send(&app, "POST", &path, &ada, &name).await.json();
    let tag = made["id"].as_str().unwrap();
    for (method, path) in [
        ("PATCH", format!("{path}/{tag}")),
        ("DELETE", format!("{path}/{tag}")),
        ("POST", format!("{path}/{tag}/assign")),
        ("POST", format!("{path}/{tag}/unassign")),
    ] {
        assert_eq!(
            send(&app, method, &path, &bob, &name).await.code(),
            403,
            "{method} {path}"
        );
    }
}
