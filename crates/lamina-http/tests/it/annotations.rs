//! Annotations brought to a dataset: begun, refused, watched, and seen by nobody else.

use lamina_store::Role;
use lamina_store::annotation_imports::{self, Taken};
use lamina_types::{DatasetId, DatasetStatus};
use sqlx::PgPool;
use uuid::Uuid;

use crate::app::{TestApp, TestUser};

const TABLE: &[u8] = b"filename,label\na.jpg,cat\n,dog\nb.jpg,dog\n";

async fn bring(
    app: &TestApp,
    id: DatasetId,
    caller: Option<&TestUser>,
    parts: &[crate::app::PartOf<'_>],
) -> crate::app::Answer {
    app.post_parts(&format!("/api/v1/dataset/{id}/annotations"), caller, parts)
        .await
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn annotations_are_begun_and_reported(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let bob = app.user("bob", Role::Editor).await;
    let id = app.dataset(&ada, DatasetStatus::Ready).await;
    let parts: [crate::app::PartOf<'_>; 2] = [
        ("files", Some("image_annotations.csv"), TABLE),
        ("files", Some("notes.doc"), b"?"),
    ];
    for (caller, code) in [(None, 401), (Some(&bob), 404)] {
        assert_eq!(bring(&app, id, caller, &parts).await.code(), code);
    }
    let other: [crate::app::PartOf<'_>; 1] = [("note", None, b"x")];
    assert_eq!(bring(&app, id, Some(&ada), &other).await.code(), 422);
    let begun = bring(&app, id, Some(&ada), &parts).await;
    assert_eq!(begun.code(), 200);
    let begun = begun.json();
    assert_eq!(begun["status"], "INIT");
    assert_eq!(begun["files"].as_array().unwrap().len(), 2);
    let status = format!("/api/v1/dataset/{id}");
    assert_eq!(
        app.get(&status, &ada).await.json()["status_new"],
        "READ ONLY"
    );
    let queued = "select count(*) from jobs where kind = 'annotate'";
    assert_eq!(app.count(queued).await, 1);
    // One at a time.
    assert_eq!(bring(&app, id, Some(&ada), &parts).await.code(), 409);
    assert_eq!(app.count(queued).await, 1);

    // As a worker would end it.
    let import: Uuid = begun["id"].as_str().unwrap().parse().unwrap();
    let mut conn = app.pool.acquire().await.unwrap();
    let taken = Taken {
        labels: 2,
        ..Taken::default()
    };
    annotation_imports::complete(&mut conn, import, taken)
        .await
        .unwrap();
    let path = format!("/api/v1/dataset/{id}/annotations");
    let report = app.get(&format!("{path}/{import}"), &ada).await.json();
    assert_eq!(
        (
            &report["status"],
            &report["labels"],
            &report["problems_count"]
        ),
        (&"COMPLETED".into(), &2.into(), &2.into())
    );
    let places: Vec<(&str, u64)> = report["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (
                row["file"].as_str().unwrap(),
                row["place"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(places, [("image_annotations.csv", 3), ("notes.doc", 0)]);
    let list = app.get(&path, &ada).await.json();
    assert_eq!(list[0]["id"], report["id"]);
    assert_eq!(app.get(&path, &bob).await.code(), 404);
    // An import of another dataset is one that never existed.
    let own = app.dataset(&bob, DatasetStatus::Ready).await;
    let foreign = app
        .get(&format!("/api/v1/dataset/{own}/annotations/{import}"), &bob)
        .await;
    let never = Uuid::now_v7();
    let missing = app
        .get(&format!("/api/v1/dataset/{own}/annotations/{never}"), &bob)
        .await;
    assert_eq!((foreign.code(), &foreign.body), (404, &missing.body));
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn annotation_files_may_come_with_the_pictures(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let draft = app.dataset(&ada, DatasetStatus::Draft).await;
    let opened = app
        .get(&format!("/api/v1/ingestion/{draft}/data_files"), &ada)
        .await
        .json();
    let transaction = opened["trans_id"].as_i64().unwrap();
    let path = format!("/api/v1/ingestion/{draft}/data_files/{transaction}");
    for (name, code) in [("annotations.json", 202), ("other.json", 400)] {
        let parts: [crate::app::PartOf<'_>; 2] = [
            ("files", Some("a.png"), crate::app::PNG),
            ("files", Some(name), b"{}"),
        ];
        let answer = app.post_parts(&path, Some(&ada), &parts).await;
        assert_eq!(answer.code(), code, "{name}: {}", answer.text());
    }
}
