//! Other people's things and things that never existed are answered alike, byte for byte (hardening E4).

use axum::body::Body;
use lamina_store::shares::{self, ShareRole};
use lamina_store::{Role, datasets};
use lamina_types::{DatasetId, DatasetStatus};
use sqlx::PgPool;
use uuid::Uuid;

use crate::app::{Answer, PNG, TestApp, TestUser, request};

const TAG: &str = "/api/v1/dataset/{}/tags/00000000-0000-0000-0000-0000000000c2";
const ROUTES: [(&str, &str); 22] = [
    ("GET", "/api/v1/dataset/{}"),
    ("GET", "/api/v1/datasets/{}/creation-status"),
    ("GET", "/api/v1/dataset/{}/stats"),
    ("GET", "/api/v1/explore/{}"),
    ("GET", "/api/v1/explore/{}/exploration_metadata"),
    (
        "GET",
        "/api/v1/explore/{}/similarity_cluster/00000000-0000-0000-0000-0000000000c1",
    ),
    ("GET", "/api/v1/enrichment/{}/list_models"),
    ("GET", "/api/v1/enrichment/{}/context"),
    ("POST", "/api/v1/dataset/{}/enrich_dataset"),
    (
        "GET",
        "/api/v1/enrichment/{}/00000000-0000-0000-0000-0000000000c1/status",
    ),
    (
        "DELETE",
        "/api/v1/enrichment/{}/00000000-0000-0000-0000-0000000000c1/abort",
    ),
    (
        "POST",
        "/api/v1/enrichment/{}/00000000-0000-0000-0000-0000000000c1/previews_enrichment_result",
    ),
    ("GET", "/api/v1/ingestion/{}/data_files"),
    ("POST", "/api/v1/ingestion/{}/process_files/1"),
    ("GET", "/api/v1/user_config?dataset_id={}"),
    ("GET", "/api/v1/dataset/{}/tags"),
    ("POST", "/api/v1/dataset/{}/tags"),
    ("PATCH", TAG),
    ("DELETE", TAG),
    (
        "POST",
        "/api/v1/dataset/{}/tags/00000000-0000-0000-0000-0000000000c2/assign",
    ),
    (
        "POST",
        "/api/v1/dataset/{}/tags/00000000-0000-0000-0000-0000000000c2/unassign",
    ),
    ("DELETE", "/api/v1/dataset/{}"),
];

fn seen(answer: &Answer) -> (u16, Vec<String>, Vec<u8>) {
    let masked = answer
        .headers
        .iter()
        .filter(|(name, _)| name.as_str() != "x-request-id");
    let headers = masked
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    (answer.status.as_u16(), headers, answer.body.clone())
}

async fn all(
    app: &TestApp,
    id: &str,
    caller: Option<&TestUser>,
) -> Vec<(u16, Vec<String>, Vec<u8>)> {
    let mut answers = Vec::new();
    for (method, route) in ROUTES {
        answers.push(seen(
            &app.send(request(
                method,
                &route.replace("{}", id),
                caller,
                Body::empty(),
            ))
            .await,
        ));
    }
    for path in ["search-image-similarity", "upload"] {
        let path = format!("/api/v1/dataset/{id}/{path}");
        answers.push(seen(
            &app.post_parts(&path, caller, &[("file", Some("a"), PNG)])
                .await,
        ));
    }
    let path = format!("/api/v1/ingestion/{id}/data_files/1");
    answers.push(seen(
        &app.post_parts(&path, caller, &[("files", Some("a"), PNG)])
            .await,
    ));
    answers
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn foreign_unknown_deleted_and_impossible_ids_are_alike(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let (ada, bob, admin) = (
        app.user("ada", Role::Editor).await,
        app.user("bob", Role::Editor).await,
        app.user("root", Role::Admin).await,
    );
    let theirs = app.dataset(&ada, DatasetStatus::Ready).await.to_string();
    let deleted = app.dataset(&bob, DatasetStatus::Ready).await.to_string();
    app.call("DELETE", &format!("/api/v1/dataset/{deleted}"), Some(&bob))
        .await;
    let never = DatasetId::new().to_string();
    let upper = theirs.to_uppercase();
    let bare = theirs.replace('-', "");

    let nothing = all(&app, &never, Some(&bob)).await;
    assert!(nothing.iter().all(|answer| answer.0 == 404), "{nothing:?}");
    for id in [
        theirs.as_str(),
        &deleted,
        "not-a-uuid",
        "%00",
        "..%2f..",
        &bare,
        "0",
    ] {
        assert_eq!(all(&app, id, Some(&bob)).await, nothing, "{id}");
    }
    assert_eq!(all(&app, &upper, Some(&bob)).await, nothing);
    assert_eq!(
        all(&app, &theirs, Some(&admin)).await,
        nothing,
        "an admin is a stranger, too"
    );

    let stranger = all(&app, &never, None).await;
    assert!(stranger.iter().all(|answer| answer.0 == 401));
    assert_eq!(all(&app, &theirs, None).await, stranger);
    assert_eq!(
        app.count("select count(*) from datasets where deleted_at is null")
            .await,
        1
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn shares_give_what_they_say_and_public_ones_are_for_looking(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let (ada, bob) = (
        app.user("ada", Role::Editor).await,
        app.user("bob", Role::Editor).await,
    );
    let id = app.dataset(&ada, DatasetStatus::Draft).await;
    let access = datasets::access(&app.pool, Some(&ada.user.principal()), id)
        .await
        .unwrap()
        .unwrap();
    let look = format!("/api/v1/dataset/{id}");
    let change = format!("/api/v1/ingestion/{id}/data_files");

    shares::put(&app.pool, &access, bob.user.id, ShareRole::Viewer)
        .await
        .unwrap();
    assert_eq!(
        (
            app.get(&look, &bob).await.code(),
            app.get(&change, &bob).await.code()
        ),
        (200, 403)
    );
    shares::put(&app.pool, &access, bob.user.id, ShareRole::Editor)
        .await
        .unwrap();
    assert_eq!(app.get(&change, &bob).await.code(), 200);
    assert_eq!(app.call("DELETE", &look, Some(&bob)).await.code(), 403);
    shares::remove(&app.pool, &access, bob.user.id)
        .await
        .unwrap();
    assert_eq!(app.get(&look, &bob).await.code(), 404);

    datasets::set_public(&app.pool, &access, true)
        .await
        .unwrap();
    assert_eq!(app.call("GET", &look, None).await.code(), 200);
    assert_eq!(
        app.call("GET", &format!("/api/v1/explore/{id}"), None)
            .await
            .code(),
        200
    );
    assert_eq!(app.call("GET", &change, None).await.code(), 401);
    assert_eq!(app.get(&change, &bob).await.code(), 403);
    assert_eq!(app.call("DELETE", &look, None).await.code(), 401);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_transaction_works_in_its_own_dataset_only(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let (one, two) = (
        app.dataset(&ada, DatasetStatus::Draft).await,
        app.dataset(&ada, DatasetStatus::Draft).await,
    );
    let opened = app
        .get(&format!("/api/v1/ingestion/{one}/data_files"), &ada)
        .await
        .json();
    let trans = opened["trans_id"].as_i64().unwrap();
    for wrong in [trans + 1, trans - 1, 1, 3_610] {
        let path = format!("/api/v1/ingestion/{one}/process_files/{wrong}");
        assert_eq!(app.call("POST", &path, Some(&ada)).await.code(), 404);
    }
    let crossed = format!("/api/v1/ingestion/{two}/data_files/{trans}");
    assert_eq!(
        app.post_parts(&crossed, Some(&ada), &[("files", Some("a.png"), PNG)])
            .await
            .code(),
        404
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn pictures_of_others_are_unknown(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let (ada, bob) = (
        app.user("ada", Role::Editor).await,
        app.user("bob", Role::Editor).await,
    );
    let (_, media) = crate::media::picture(&app, &ada).await;
    let own = app.get(&format!("/api/v1/image/{media}"), &ada).await;
    assert_eq!(own.code(), 200);
    let body = own.json();
    assert!(
        body["image_uri"]
            .as_str()
            .unwrap()
            .starts_with("http://lamina.test:2080/media/")
    );
    assert_eq!(
        (&body["uniqueness_score"], &body["issues"][0]["issue_type"]),
        (&serde_json::json!(0.25), &serde_json::json!("blur"))
    );
    assert!(body.get("relevance_score").is_none());
    let unknown = seen(
        &app.get(&format!("/api/v1/image/{}", Uuid::now_v7()), &bob)
            .await,
    );
    assert_eq!(unknown.0, 404);
    assert_eq!(
        seen(&app.get(&format!("/api/v1/image/{media}"), &bob).await),
        unknown
    );
    assert_eq!(seen(&app.get("/api/v1/image/x", &bob).await), unknown);
    assert_eq!(
        app.call("GET", &format!("/api/v1/image/{media}"), None)
            .await
            .code(),
        401
    );
}
