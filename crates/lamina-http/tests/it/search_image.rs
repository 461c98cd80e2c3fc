//! The visual search upload.

use lamina_explore::Region;
use lamina_store::Role;
use lamina_types::{DatasetId, DatasetStatus, EntityType};
use sqlx::PgPool;

use crate::app::{PNG, PartOf, TestApp};

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_picture_becomes_an_anchor_at_once(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Viewer).await;
    let id = app.dataset(&ada, DatasetStatus::Ready).await;
    let path = format!("/api/v1/dataset/{id}/search-image-similarity");
    // As the SDK sends it: no entity type, a Python boolean, no useful part name.
    let answer = app
        .post_parts(
            &format!("{path}?allow_deleted=False&threshold=0"),
            Some(&ada),
            &[("file", Some("blob"), PNG)],
        )
        .await;
    assert_eq!(answer.code(), 200, "{}", answer.text());
    let body = answer.json();
    assert_eq!(body["anchor_type"], "UPLOAD");
    assert!(
        body["anchor_media_id"]
            .as_str()
            .unwrap()
            .parse::<uuid::Uuid>()
            .is_ok()
    );
    let seen = *app.read_side.region.lock().unwrap();
    assert_eq!(seen, Some((PNG.len(), EntityType::Images, Region::Whole)));

    // Parameters in the form; the query wins.
    let parts = [
        ("bounding_box", None, b"1,2,3,4".as_slice()),
        ("entity_type", None, b"OBJECTS"),
        ("file", Some("a"), PNG),
    ];
    assert_eq!(
        app.post_parts(&format!("{path}?entity_type=IMAGES"), Some(&ada), &parts)
            .await
            .code(),
        200
    );
    let seen = *app.read_side.region.lock().unwrap();
    assert_eq!(
        seen,
        Some((
            PNG.len(),
            EntityType::Images,
            Region::Pixels([1.0, 2.0, 3.0, 4.0])
        ))
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn what_cannot_be_searched_with_is_refused(pool: PgPool) {
    let app = TestApp::with(
        pool,
        |_| lamina_http::AuthMode::Jwt,
        |config| config.uploads.max_file_bytes = 10_000,
    )
    .await;
    let ada = app.user("ada", Role::Viewer).await;
    let ready = app.dataset(&ada, DatasetStatus::Ready).await;
    let path = format!("/api/v1/dataset/{ready}/search-image-similarity");
    let large = vec![0; 20_000];
    let cases: [(&str, &[PartOf<'_>], u16); 8] = [
        ("", &[], 400),
        ("", &[("picture", Some("a.png"), PNG)], 400),
        ("", &[("file", Some("a.png"), b"")], 400),
        ("", &[("file", Some("a.png"), b"no picture")], 400),
        ("", &[("file", Some("a.png"), &large)], 400),
        ("?entity_type=VIDEOS", &[("file", Some("a.png"), PNG)], 400),
        ("?bounding_box=", &[("file", Some("a.png"), PNG)], 400),
        ("?threshold=7", &[("file", Some("a.png"), PNG)], 422),
    ];
    for (query, parts, code) in cases {
        let answer = app
            .post_parts(&format!("{path}{query}"), Some(&ada), parts)
            .await;
        assert_eq!(answer.code(), code, "{query} {}", answer.text());
    }
    assert_eq!(
        app.call("POST", &path, Some(&ada)).await.code(),
        400,
        "no form at all"
    );
    for status in DatasetStatus::ALL
        .iter()
        .filter(|status| **status != DatasetStatus::Ready)
    {
        let id = app.dataset(&ada, *status).await;
        let path = format!("/api/v1/dataset/{id}/search-image-similarity");
        assert_eq!(
            app.post_parts(&path, Some(&ada), &[("file", Some("a"), PNG)])
                .await
                .code(),
            409,
            "{status}"
        );
        assert_eq!(
            app.get(&format!("/api/v1/explore/{id}"), &ada).await.code(),
            200,
            "explore works in {status}"
        );
    }
    let unknown = format!(
        "/api/v1/dataset/{}/search-image-similarity",
        DatasetId::new()
    );
    assert_eq!(
        app.post_parts(&unknown, Some(&ada), &[("file", Some("a"), PNG)])
            .await
            .code(),
        404
    );
}
