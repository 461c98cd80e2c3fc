//! Exports on the wire: the task object, its status, the download link, and who may have them.

use axum::body::Body;
use http::{Request, header};
use lamina_http::{AuthMode, HostList};
use lamina_store::Role;
use lamina_store::exports;
use lamina_types::{DatasetId, DatasetStatus, ExportId};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::app::{TestApp, TestUser, request};
use crate::fake::{CLUSTER, media_view};

async fn ready(app: &TestApp, owner: &TestUser) -> DatasetId {
    let id = app.dataset(owner, DatasetStatus::Ready).await;
    let members = (0..3).map(|_| media_view(Uuid::now_v7(), None)).collect();
    *app.read_side.members.lock().unwrap() = members;
    id
}

/// As a worker would.
async fn finish(app: &TestApp, dataset: DatasetId, export: &Value) {
    let id: ExportId = export["id"].as_str().unwrap().parse().unwrap();
    let file = app.photos.join("archive");
    fs_err::write(&file, b"PK-archive").unwrap();
    let key = app.blobs.put_export(dataset, id, &file).await.unwrap();
    exports::complete(&app.pool, id, &key).await.unwrap();
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn an_export_is_asked_for_watched_and_fetched(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let id = ready(&app, &ada).await;
    let path = format!(
        "/api/v1/dataset/{id}/export_context_async?export_format=json&include_images=False&file_name=my%20export&threshold=2"
    );
    let answer = app.get(&path, &ada).await;
    assert_eq!(answer.code(), 200);
    // Scripts look for these with grep: compact, one key of each name.
    for key in ["\"id\":\"", "\"status\":\"INIT\"", "\"download_uri\":null"] {
        assert_eq!(answer.text().matches(key).count(), 1, "{}", answer.text());
    }
    let export = answer.json();
    assert_eq!(
        (&export["entities_count"], &export["progress"]),
        (&json!(3), &json!(0.0))
    );
    assert!(export.get("error").is_none() && export["result_message"].is_null());
    let queued = "select count(*) from jobs where kind = 'export'";
    assert_eq!(app.count(queued).await, 1);

    let status = format!(
        "/api/v1/dataset/{id}/export_status?export_task_id={}",
        export["id"].as_str().unwrap()
    );
    assert_eq!(app.get(&status, &ada).await.json(), export);
    finish(&app, id, &export).await;
    let done = app.get(&status, &ada).await.json();
    assert_eq!(
        (&done["status"], &done["progress"]),
        (&json!("COMPLETED"), &json!(100.0))
    );
    let link = done["download_uri"].as_str().unwrap();
    let path = link.strip_prefix("http://lamina.test:2080").unwrap();
    let archive = app.call("GET", path, None).await;
    assert_eq!(archive.code(), 200);
    assert_eq!(archive.body, b"PK-archive");
    assert_eq!(archive.headers[header::CONTENT_TYPE], "application/zip");
    assert_eq!(
        archive.headers[header::CONTENT_DISPOSITION],
        "attachment; filename=\"my export.zip\""
    );
    // Nothing else opens it.
    let task = export["id"].as_str().unwrap();
    for wrong in [
        path.replace(task, &Uuid::now_v7().to_string()),
        path.replace("&s=", "&s=A"),
        path.replace("?e=", "?e=9"),
        path.split('?').next().unwrap().to_owned(),
    ] {
        assert_eq!(app.call("GET", &wrong, None).await.code(), 404, "{wrong}");
    }
    // Links of a dataset end together.
    sqlx::query("update datasets set link_epoch = link_epoch + 1")
        .execute(&app.pool)
        .await
        .unwrap();
    assert_eq!(app.call("GET", path, None).await.code(), 404);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn without_a_token_the_address_is_a_path(pool: PgPool) {
    let app = TestApp::with(
        pool,
        |first| AuthMode::None {
            user: first.implicit_principal(),
            hosts: HostList::default(),
        },
        |_| {},
    )
    .await;
    let first = app.user("second", Role::Editor).await;
    let id = ready(&app, &first).await;
    let get = async |path: &str, token: &str| {
        let request = Request::builder()
            .uri(path)
            .header(header::HOST, "127.0.0.1:2080")
            .header(header::AUTHORIZATION, token)
            .body(Body::empty())
            .unwrap();
        app.send(request).await
    };
    let asked = format!("/api/v1/dataset/{id}/export_context_async?export_format=parquet");
    let export = get(&asked, "").await.json();
    finish(&app, id, &export).await;
    let task = export["id"].as_str().unwrap();
    let status = format!("/api/v1/dataset/{id}/export_status?export_task_id={task}");
    let done = get(&status, "").await.json();
    let path = done["download_uri"].as_str().unwrap();
    assert!(
        path.starts_with(&format!("/cdn/{id}/images/{task}/{task}.zip?")),
        "{path}"
    );
    assert_eq!(get(path, "").await.body, b"PK-archive");
    // A token makes it absolute, here as well.
    let done = get(&status, "Bearer whatever").await.json();
    assert_eq!(
        done["download_uri"].as_str().unwrap(),
        format!("http://127.0.0.1:2080{path}")
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn nothing_selected_is_rejected_and_wrong_requests_are_refused(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let bob = app.user("bob", Role::Editor).await;
    let id = app.dataset(&ada, DatasetStatus::Ready).await;
    let asked = format!("/api/v1/dataset/{id}/export_context_async");
    let rejected = app.get(&asked, &ada).await;
    assert_eq!(rejected.code(), 200);
    let rejected = rejected.json();
    assert_eq!(rejected["status"], "REJECTED");
    assert!(rejected["result_message"].is_string() && rejected["download_uri"].is_null());
    assert_eq!(app.count("select count(*) from jobs").await, 0);
    let videos = app.get(&format!("{asked}?entity_type=VIDEOS"), &ada).await;
    assert_eq!(videos.json()["status"], "REJECTED");

    ready(&app, &ada).await;
    for (query, code) in [
        ("export_format=xml", 422),
        ("vql=[{]", 422),
        ("threshold=7", 422),
        ("limit=-1", 422),
        ("limit=0", 200),
        ("cluster_id=7", 422),
        (&format!("cluster_id={}", Uuid::now_v7()), 404),
        (&format!("cluster_id={CLUSTER}&offset=1&limit=1"), 200),
    ] {
        let answer = app.get(&format!("{asked}?{query}"), &ada).await;
        assert_eq!(answer.code(), code, "{query}");
        if query.contains("offset") {
            assert_eq!(answer.json()["entities_count"], 1);
        }
    }
    let entities = format!("/api/v1/dataset/{id}/export_entities_async?include_images=True");
    let selection =
        json!({"media_selection": [{"type": "cluster", "payload": {"cluster_id": CLUSTER}}]});
    let answer = app.post_json(&entities, &ada, &selection).await;
    assert_eq!(answer.json()["entities_count"], 2);
    let unknown =
        json!({"media_selection": [{"type": "media", "payload": {"media_ids": [Uuid::now_v7()]}}]});
    let answer = app.post_json(&entities, &ada, &unknown).await;
    assert_eq!(answer.json()["status"], "REJECTED");
    assert_eq!(app.post_json(&entities, &ada, &json!({})).await.code(), 422);

    let busy = app.dataset(&ada, DatasetStatus::Indexing).await;
    for path in ["export_context_async", "export"] {
        let answer = app
            .get(&format!("/api/v1/dataset/{busy}/{path}"), &ada)
            .await;
        assert_eq!(answer.code(), 409, "{path}");
    }
    // What belongs to others does not exist.
    let export = app.get(&asked, &ada).await.json();
    let task = export["id"].as_str().unwrap();
    let own = app.dataset(&bob, DatasetStatus::Ready).await;
    let foreign = app
        .get(
            &format!("/api/v1/dataset/{own}/export_status?export_task_id={task}"),
            &bob,
        )
        .await;
    let never = Uuid::now_v7();
    let missing = app
        .get(
            &format!("/api/v1/dataset/{own}/export_status?export_task_id={never}"),
            &bob,
        )
        .await;
    assert_eq!((foreign.code(), &foreign.body), (404, &missing.body));
    for path in ["export_context_async", "export", "export_media_id"] {
        let path = format!("/api/v1/dataset/{id}/{path}");
        assert_eq!(app.get(&path, &bob).await.code(), 404, "{path}");
        let nobody = app.send(request("GET", &path, None, Body::empty()));
        assert_eq!(nobody.await.code(), 401, "{path}");
    }
}
