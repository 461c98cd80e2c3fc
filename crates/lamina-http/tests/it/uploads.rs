//! The four-step upload flow and the archive flow.

use axum::body::Body;
use http::header;
use lamina_store::Role;
use lamina_types::{DatasetId, DatasetStatus};
use serde_json::json;
use sqlx::PgPool;

use crate::app::{PNG, PartOf, TestApp, TestUser, request};

async fn draft(app: &TestApp, user: &TestUser) -> (DatasetId, i64) {
    let made = app
        .get(
            "/api/v1/ingestion/new_dataset?dataset_name=Road+scenes",
            user,
        )
        .await
        .json();
    let id: DatasetId = made["dataset_id"].as_str().unwrap().parse().unwrap();
    let opened = app
        .get(&format!("/api/v1/ingestion/{id}/data_files"), user)
        .await
        .json();
    let trans = opened["trans_id"].as_i64().unwrap();
    assert!(trans > 0);
    (id, trans)
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn four_steps_from_nothing_to_indexing(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let (id, trans) = draft(&app, &ada).await;
    let files = format!("/api/v1/ingestion/{id}/data_files/{trans}");
    let process = format!("/api/v1/ingestion/{id}/process_files/{trans}");
    assert_eq!(
        app.call("POST", &process, Some(&ada)).await.code(),
        400,
        "nothing was sent yet"
    );

    let gif = b"GIF89a\x01\x00\x01\x00\x00\x00\x00;";
    let parts = [
        ("files", Some("a.png"), PNG),
        ("files", Some("a.png"), PNG),
        ("files", Some("../b\\c.gif"), gif.as_slice()),
    ];
    let sent = app.post_parts(&files, Some(&ada), &parts).await;
    assert_eq!(
        (sent.status.as_u16(), sent.body.len()),
        (202, 0),
        "{}",
        sent.text()
    );
    assert_eq!(
        app.post_parts(&files, Some(&ada), &[("files", None, PNG)])
            .await
            .status,
        202
    );
    let names: Vec<String> =
        sqlx::query_scalar("select file_name from upload_files order by position")
            .fetch_all(&app.pool)
            .await
            .unwrap();
    assert_eq!(names, ["a.png", "a.png", "c.gif", "unnamed"]);
    let hash = lamina_media::content_hash(PNG);
    assert_eq!(
        app.blobs
            .get_content_checked(ada.user.id, hash)
            .await
            .unwrap(),
        PNG
    );
    let left: Vec<_> = std::fs::read_dir(app.blobs.staging_dir())
        .unwrap()
        .collect();
    assert!(left.is_empty(), "{left:?}");

    let started = app.call("POST", &process, Some(&ada)).await;
    assert_eq!((started.status.as_u16(), started.body.len()), (202, 0));
    assert_eq!(
        app.get(&format!("/api/v1/dataset/{id}"), &ada).await.json()["status_new"],
        "INDEXING"
    );
    let spec: serde_json::Value = sqlx::query_scalar("select spec from jobs")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    assert_eq!(
        spec["source"],
        json!({"type": "upload", "transaction": trans})
    );

    assert_eq!(
        app.call("POST", &process, Some(&ada)).await.code(),
        409,
        "a second time"
    );
    assert_eq!(
        app.post_parts(&files, Some(&ada), &[("files", Some("late.png"), PNG)])
            .await
            .code(),
        409
    );
    assert_eq!(
        app.get(&format!("/api/v1/ingestion/{id}/data_files"), &ada)
            .await
            .code(),
        409
    );
    assert_eq!(app.count("select count(*) from jobs").await, 1);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn processing_starts_exactly_once_however_many_ask(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let (id, trans) = draft(&app, &ada).await;
    app.post_parts(
        &format!("/api/v1/ingestion/{id}/data_files/{trans}"),
        Some(&ada),
        &[("files", Some("a.png"), PNG)],
    )
    .await;
    let process = format!("/api/v1/ingestion/{id}/process_files/{trans}");
    let calls = (0..12).map(|_| app.call("POST", &process, Some(&ada)));
    let mut codes: Vec<u16> = futures::future::join_all(calls)
        .await
        .iter()
        .map(|answer| answer.status.as_u16())
        .collect();
    codes.sort_unstable();
    assert_eq!(codes[0], 202);
    assert!(codes[1..].iter().all(|code| *code == 409), "{codes:?}");
    assert_eq!(app.count("select count(*) from jobs").await, 1);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn wrong_fields_and_wrong_files_are_refused_and_leave_nothing(pool: PgPool) {
    let app = TestApp::with(
        pool,
        |_| lamina_http::AuthMode::Jwt,
        |config| {
            config.uploads.max_file_bytes = 1_000;
            config.uploads.max_files = 3;
        },
    )
    .await;
    let ada = app.user("ada", Role::Editor).await;
    let (id, trans) = draft(&app, &ada).await;
    let path = format!("/api/v1/ingestion/{id}/data_files/{trans}");
    let large = [PNG, &[0; 2_000]].concat();
    let many = vec![("files", Some("a.png"), PNG); 4];
    let cases: [(&[PartOf<'_>], u16); 9] = [
        (&[("files[]", Some("a.png"), PNG)], 422),
        (&[("file", Some("a.png"), PNG)], 422),
        (&[], 422),
        (&[("files", Some("a.png"), PNG), ("other", None, b"x")], 422),
        (&[("files", Some("a.jpg"), b"<svg onload=alert(1)>")], 400),
        (&[("files", Some("a.zip"), b"PK\x03\x04rest")], 400),
        (&[("files", Some("a.png"), b"")], 400),
        (&[("files", Some("a.png"), &large)], 400),
        (&many, 400),
    ];
    for (parts, code) in cases {
        let answer = app.post_parts(&path, Some(&ada), parts).await;
        assert_eq!(answer.code(), code, "{}", answer.text());
    }
    // One bad file refuses the whole request.
    assert_eq!(
        app.post_parts(
            &path,
            Some(&ada),
            &[("files", Some("a.png"), PNG), ("files", Some("b"), b"text")]
        )
        .await
        .code(),
        400
    );
    let mut cut = request(
        "POST",
        &path,
        Some(&ada),
        Body::from("--x\r\nContent-Disposition: form-data; name=\"files\"\r\n\r\nabc"),
    );
    cut.headers_mut().insert(
        header::CONTENT_TYPE,
        "multipart/form-data; boundary=x".parse().unwrap(),
    );
    assert_eq!(app.send(cut).await.code(), 400);
    let none = request("POST", &path, Some(&ada), Body::from("x"));
    assert_eq!(app.send(none).await.code(), 422);
    assert_eq!(app.count("select count(*) from upload_files").await, 0);
    let left: Vec<_> = std::fs::read_dir(app.blobs.staging_dir())
        .unwrap()
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn an_endless_part_header_is_cut_off(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let (id, trans) = draft(&app, &ada).await;
    let pieces = futures::stream::iter(
        std::iter::once(Ok::<_, std::io::Error>(bytes::Bytes::from_static(
            b"--x\r\nX-Long: ",
        )))
        .chain((0..200).map(|_| Ok(bytes::Bytes::from(vec![b'a'; 64 * 1024])))),
    );
    let mut endless = request(
        "POST",
        &format!("/api/v1/ingestion/{id}/data_files/{trans}"),
        Some(&ada),
        Body::from_stream(pieces),
    );
    endless.headers_mut().insert(
        header::CONTENT_TYPE,
        "multipart/form-data; boundary=x".parse().unwrap(),
    );
    let answer = app.send(endless).await;
    assert_eq!(
        (answer.code(), answer.detail().contains("headers")),
        (400, true),
        "{}",
        answer.text()
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn an_archive_fills_a_dataset_made_for_one(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    // As the SDK sends it: everything else present but empty.
    let form = [
        ("dataset_name", "Pets"),
        ("bucket_path", ""),
        ("uploaded_filename", "pets.zip"),
        ("vl_dataset_id", ""),
        ("config_url", ""),
        ("pipeline_type", ""),
    ];
    let made = app.post_form("/api/v1/dataset", &ada, &form).await.json();
    let id = made["id"].as_str().unwrap().to_owned();
    assert_eq!(
        made,
        json!({"id": id, "dataset_id": id, "display_name": "Pets", "status": "NEW", "status_new": "DRAFT"})
    );
    assert_eq!(
        app.get(&format!("/api/v1/dataset/{id}"), &ada).await.json()["filename"],
        "pets.zip"
    );

    let path = format!("/api/v1/dataset/{id}/upload");
    let zip: &[u8] = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    for (parts, code) in [
        (vec![("file", Some("pets.zip"), PNG)], 400),
        (vec![("operations", None, b"READ".as_slice())], 400),
        (
            vec![
                ("file", Some("a.zip"), zip),
                ("operations", None, b"DELETE"),
            ],
            400,
        ),
        (
            vec![("file", Some("a.zip"), zip), ("file", Some("b.zip"), zip)],
            400,
        ),
    ] {
        assert_eq!(app.post_parts(&path, Some(&ada), &parts).await.code(), code);
    }
    let parts = [
        ("file", Some("pets.zip"), zip),
        ("operations", None, b"READ".as_slice()),
    ];
    let sent = app.post_parts(&path, Some(&ada), &parts).await;
    assert_eq!(sent.code(), 200);
    assert_eq!(sent.json()["dataset_id"], id.as_str());
    assert_eq!(
        app.get(&format!("/api/v1/dataset/{id}"), &ada).await.json()["status_new"],
        "INDEXING"
    );
    let spec: serde_json::Value = sqlx::query_scalar("select spec from jobs")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    let hash = lamina_media::content_hash(zip).to_hex();
    assert_eq!(
        spec["source"],
        json!({"type": "archive_blob", "content": hash, "file_name": "pets.zip"})
    );
    assert_eq!(app.post_parts(&path, Some(&ada), &parts).await.code(), 409);

    let other = app.dataset(&ada, DatasetStatus::Draft).await;
    assert_eq!(
        app.post_parts(
            &format!("/api/v1/dataset/{other}/upload"),
            Some(&ada),
            &parts
        )
        .await
        .code(),
        409
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn creating_a_dataset_needs_a_name_and_one_supported_source(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let bucket = ("bucket_path", "s3://bucket/folder/");
    let archive = ("uploaded_filename", "a.zip");
    let name = ("dataset_name", "x");
    for (form, text) in [
        (vec![], "dataset_name is required"),
        (
            vec![("dataset_name", ""), archive],
            "dataset_name is required",
        ),
        (vec![name], "A source is required"),
        (
            vec![name, bucket],
            "The bucket \"bucket\" is not open to this server",
        ),
        (vec![name, bucket, archive], "Only one source"),
        (
            vec![name, archive, ("vl_dataset_id", "x")],
            "vl_dataset_id is not supported",
        ),
    ] {
        let answer = app.post_form("/api/v1/dataset", &ada, &form).await;
        assert_eq!(answer.code(), 400, "{form:?}");
        assert!(answer.detail().starts_with(text), "{}", answer.text());
    }
    let parts = [
        ("dataset_name", None, b"By parts".as_slice()),
        ("uploaded_filename", None, b"a.zip"),
    ];
    assert_eq!(
        app.post_parts("/api/v1/dataset", Some(&ada), &parts)
            .await
            .code(),
        200
    );
    assert_eq!(app.count("select count(*) from datasets").await, 1);
}
