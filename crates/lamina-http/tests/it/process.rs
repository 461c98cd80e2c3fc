//! `/process`: by GET and POST, below the roots only, failures in its own envelope.

use lamina_store::Role;
use serde_json::json;
use sqlx::PgPool;

use crate::app::TestApp;

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_folder_below_a_root_becomes_a_dataset_with_a_job(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let photos = app.photos.to_str().unwrap().to_owned();
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("path", photos.as_str()),
            ("name", "Road scenes"),
            ("serve_mode", "reduce_disk_space"),
        ])
        .finish();
    let answer = app.get(&format!("/api/v1/process?{query}"), &ada).await;
    let body = answer.json();
    let id = body["dataset_id"].as_str().unwrap().to_owned();
    assert_eq!(
        body,
        json!({"status": "success", "message": "Dataset processing started", "dataset_id": id, "name": "Road scenes"})
    );
    let dataset = app.get(&format!("/api/v1/dataset/{id}"), &ada).await.json();
    assert_eq!(
        (&dataset["status_new"], &dataset["source_type"]),
        (&json!("INDEXING"), &json!("FOLDER"))
    );
    let spec: serde_json::Value = sqlx::query_scalar("select spec from jobs")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    assert_eq!(
        spec,
        json!({"dataset_id": id, "source": {"type": "folder", "path": photos}, "roots": [photos], "serve_mode": "reduce_disk_space"})
    );
    assert_eq!(app.count("select count(*) from job_chunks").await, 1);

    let form = [("path", photos.as_str()), ("name", "By form")];
    let posted = app.post_form("/api/v1/process", &ada, &form).await;
    assert_eq!(
        (posted.code(), posted.json()["name"].as_str().unwrap()),
        (200, "By form")
    );
    assert_eq!(
        app.call("POST", &format!("/api/v1/process?{query}"), Some(&ada))
            .await
            .code(),
        200
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn failures_carry_status_message_and_detail(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let photos = app.photos.to_str().unwrap().to_owned();
    for query in [
        String::new(),
        "name=x".to_owned(),
        format!("path={photos}"),
        "path=&name=x".to_owned(),
        "path=/etc&name=x".to_owned(),
        "path=/does/not/exist&name=x".to_owned(),
        format!("path={photos}/../..&name=x"),
        "path=s3://bucket/folder&name=x".to_owned(),
        format!("path={photos}&name=x&serve_mode=everything"),
        format!("path={photos}%00&name=x"),
    ] {
        let answer = app.get(&format!("/api/v1/process?{query}"), &ada).await;
        let body = answer.json();
        assert_eq!(
            (answer.code(), &body["status"]),
            (400, &json!("error")),
            "{query}: {body}"
        );
        assert_eq!(body["message"], body["detail"]);
    }
    // What lies outside and what does not exist are answered alike.
    let outside = app.get("/api/v1/process?path=/etc&name=x", &ada).await;
    let absent = app
        .get("/api/v1/process?path=/does/not/exist&name=x", &ada)
        .await;
    assert_eq!(outside.text(), absent.text());
    assert_eq!(app.count("select count(*) from datasets").await, 0);
    assert_eq!(
        app.call(
            "GET",
            &format!("/api/v1/process?path={photos}&name=x"),
            None
        )
        .await
        .text(),
        r#"{"detail":"Not authenticated"}"#
    );
}
