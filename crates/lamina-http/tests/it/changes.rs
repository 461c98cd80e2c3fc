//! Additions, reindexing and snapshots as far as the API decides: what is taken, what is refused and in which words.

use lamina_store::Role;
use lamina_types::DatasetStatus;
use serde_json::json;
use sqlx::PgPool;

use crate::app::{PartOf, TestApp};

/// The beginning of a PNG file is all that is looked at.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0";

const ONE_SOURCE: &str = "Exactly one media source must be provided: files[], s3_uri, or archive";

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn exactly_one_source_begins_an_addition_and_only_one_runs(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let id = app.dataset(&ada, DatasetStatus::Ready).await;
    let path = format!("/api/v1/dataset/{id}/add_media");
    let file: PartOf<'_> = ("files", Some("a.png"), PNG);
    let uri: PartOf<'_> = ("s3_uri", None, b"s3://photos/july/");
    let refused: [(&[PartOf<'_>], &str); 5] = [
        (&[("auto_reindex", None, b"true")], ONE_SOURCE),
        (&[file, uri], ONE_SOURCE),
        (
            &[uri],
            "Invalid S3 URI or no media files found at s3://photos/july/",
        ),
        (
            &[("archive", Some("a.rar"), b"Rar!")],
            "\"a.rar\" is not a .zip, .tar or .tar.gz archive",
        ),
        (
            &[file, ("assume_role", None, b"arn:aws:iam::1:role/x")],
            "assume_role is not supported: the operator of this server configures the keys of buckets",
        ),
    ];
    for (parts, detail) in refused {
        let answer = app.post_parts(&path, Some(&ada), parts).await;
        assert_eq!(answer.code(), 400);
        assert_eq!(answer.json()["detail"], detail);
    }
    assert_eq!(app.count("select count(*) from jobs").await, 0);

    let begun = app
        .post_parts(
            &path,
            Some(&ada),
            &[
                file,
                ("auto_reindex", None, b"true"),
                ("use_spot", None, b"true"),
            ],
        )
        .await;
    assert_eq!((begun.code(), begun.body.len()), (202, 0));
    let spec: serde_json::Value = sqlx::query_scalar("select spec from jobs where kind = 'add'")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    assert_eq!(
        (
            &spec["auto_reindex"],
            &spec["batch"],
            &spec["previous"],
            &spec["source"]["type"]
        ),
        (&json!(true), &json!(1), &json!("READY"), &json!("upload"))
    );
    let again = app.post_parts(&path, Some(&ada), &[file]).await;
    assert_eq!(again.code(), 409);
    let blocked = "Operation 'add_media' is blocked while MEDIA_ADDITION task is running";
    assert_eq!(again.json()["detail"], blocked);
    let snapshot = app
        .post_json(&format!("/api/v1/dataset/{id}/snapshot"), &ada, &json!({}))
        .await;
    assert_eq!(
        (snapshot.code(), &snapshot.json()["detail"]),
        (
            409,
            &json!("Operation 'create_snapshot' is blocked while MEDIA_ADDITION task is running")
        )
    );
    let status = app.get(&format!("/api/v1/dataset/{id}"), &ada).await.json();
    assert_eq!(
        (&status["status_new"], &status["status"]),
        (&json!("READ ONLY"), &json!("UPDATING"))
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn statuses_rights_and_strangers_are_told_apart(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let (ada, bob, eve) = (
        app.user("ada", Role::Editor).await,
        app.user("bob", Role::Editor).await,
        app.user("eve", Role::Editor).await,
    );
    let id = app.dataset(&ada, DatasetStatus::PartialIndex).await;
    sqlx::query("insert into dataset_shares (dataset_id, user_id, role) values ($1, $2, 'viewer')")
        .bind(id.as_uuid())
        .bind(bob.user.id.as_uuid())
        .execute(&app.pool)
        .await
        .unwrap();
    let file: PartOf<'_> = ("files", Some("a.png"), PNG);
    let never = lamina_types::DatasetId::new();
    for path in ["reindex", "snapshot", "snapshot/current/restore"] {
        let call = |id, user| {
            app.call(
                "POST",
                format!("/api/v1/dataset/{id}/{path}").leak(),
                Some(user),
            )
        };
        assert_eq!(call(id, &bob).await.code(), 403, "{path}");
        let (other, none) = (call(id, &eve).await, call(never, &eve).await);
        assert_eq!((other.code(), &other.body), (404, &none.body), "{path}");
    }
    for (user, expected) in [(&bob, 403), (&eve, 404)] {
        let answer = app
            .post_parts(
                &format!("/api/v1/dataset/{id}/add_media"),
                Some(user),
                &[file],
            )
            .await;
        assert_eq!(answer.code(), expected);
        let photos = app.photos.to_str().unwrap();
        let query = format!("/api/v1/process/add_media?dataset_id={id}&path={photos}");
        assert_eq!(app.get(&query, user).await.code(), expected);
    }
    assert_eq!(
        app.get("/api/v1/process/add_media?path=/x", &ada)
            .await
            .code(),
        422
    );
    let draft = app.dataset(&ada, DatasetStatus::Draft).await;
    let refused = app
        .post_parts(
            &format!("/api/v1/dataset/{draft}/add_media"),
            Some(&ada),
            &[file],
        )
        .await;
    assert_eq!(
        (refused.code(), &refused.json()["detail"]),
        (
            409,
            &json!("Operation 'add_media' is not possible while the dataset is DRAFT")
        )
    );
    assert_eq!(
        app.call("POST", &format!("/api/v1/dataset/{id}/reindex"), Some(&ada))
            .await
            .code(),
        202
    );
    let refused = app
        .call("POST", &format!("/api/v1/dataset/{id}/reindex"), Some(&ada))
        .await;
    assert_eq!(
        (refused.code(), &refused.json()["detail"]),
        (
            409,
            &json!("Operation 'reindex' is blocked while REINDEX task is running")
        )
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn snapshots_are_made_listed_renamed_and_hidden(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let id = app.dataset(&ada, DatasetStatus::Ready).await;
    let path = format!("/api/v1/dataset/{id}/snapshot");
    let first = app.post_json(&path, &ada, &json!({})).await;
    assert_eq!(first.code(), 200, "{}", first.text());
    let first = first.json();
    assert!(
        first["snapshot_name"]
            .as_str()
            .unwrap()
            .starts_with("Road scenes_snapshot_")
    );
    let keys: Vec<&String> = first.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "created_at",
            "created_by",
            "description",
            "is_current",
            "is_restoring",
            "n_images",
            "n_videos",
            "reason",
            "snapshot_id",
            "snapshot_name",
            "source_dataset_name",
            "training_model_id",
            "training_model_name"
        ]
    );
    let second = app
        .post_json(
            &path,
            &ada,
            &json!({"name": "before captions", "description": "x"}),
        )
        .await
        .json();
    let all = app.get(&path, &ada).await.json();
    assert_eq!(
        (all[0]["snapshot_id"].clone(), all[0]["is_current"].clone()),
        (second["snapshot_id"].clone(), json!(true))
    );
    assert_eq!(
        (all[1]["is_current"].clone(), all[1]["reason"].clone()),
        (json!(false), json!("manual"))
    );
    let (old, new) = (
        first["snapshot_id"].as_str().unwrap(),
        second["snapshot_id"].as_str().unwrap(),
    );

    let kind = "application/json".parse::<http::HeaderValue>().unwrap();
    let patch = |body: serde_json::Value| {
        let mut request = crate::app::request(
            "PATCH",
            format!("{path}/{old}").leak(),
            Some(&ada),
            body.to_string().into(),
        );
        request
            .headers_mut()
            .insert(http::header::CONTENT_TYPE, kind.clone());
        app.send(request)
    };
    assert_eq!(patch(json!({})).await.code(), 422);
    assert_eq!(
        patch(json!({"name": "older"})).await.json()["snapshot_name"],
        "older"
    );
    assert_eq!(
        app.call("DELETE", &format!("{path}/{new}"), Some(&ada))
            .await
            .code(),
        409
    );
    assert_eq!(
        app.call("DELETE", &format!("{path}/{old}"), Some(&ada))
            .await
            .code(),
        200
    );
    assert_eq!(
        app.call("DELETE", &format!("{path}/{old}"), Some(&ada))
            .await
            .code(),
        404
    );
    for gone in [old, "no-id", "current/x"] {
        assert_eq!(
            app.call("POST", &format!("{path}/{gone}/restore"), Some(&ada))
                .await
                .code(),
            404
        );
    }
    // What is behind a snapshot is no dataset to anybody.
    assert_eq!(
        app.get("/api/v1/datasets", &ada)
            .await
            .json()
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        app.get(&format!("/api/v1/dataset/{new}"), &ada)
            .await
            .code(),
        404
    );
    assert_eq!(
        app.call("POST", &format!("{path}/{new}/clone"), Some(&ada))
            .await
            .code(),
        202
    );
    assert_eq!(
        app.get("/api/v1/datasets", &ada).await.json()[0]["display_name"],
        "Road scenes (cloned)"
    );
}
