//! Explore: the shape of the contract, what reaches the read side, what is refused.

use lamina_explore::{AnchorKind, AnchorQuery};
use lamina_store::Role;
use lamina_types::DatasetStatus;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::app::TestApp;
use crate::fake::{CLUSTER, UNKNOWN_ANCHOR, media_view};

const PICTURE: Uuid = Uuid::from_u128(0xa1);

/// Replaces the signed parts of links, which differ from run to run.
fn unsigned(mut value: Value) -> Value {
    match &mut value {
        Value::String(text) if text.contains("/media/") => {
            *text = text.split('?').next().unwrap().to_owned();
        }
        Value::Array(list) => list
            .iter_mut()
            .for_each(|item| *item = unsigned(item.take())),
        Value::Object(map) => map
            .values_mut()
            .for_each(|item| *item = unsigned(item.take())),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    value
}

fn expected_preview(dataset: &str, score: Value) -> Value {
    let original = format!("http://lamina.test:2080/media/{dataset}/{PICTURE}/original");
    let kind = if score.is_null() {
        Value::Null
    } else {
        json!("cosine_distance")
    };
    json!({
        "type": "IMAGE", "media_id": PICTURE.to_string(), "media_uri": original,
        "media_thumb_uri": format!("http://lamina.test:2080/media/{dataset}/{PICTURE}/thumb"),
        "image_id": PICTURE.to_string(), "image_uri": original, "caption": null, "file_name": "00046.jpg",
        "original_uri": "trucks/00046.jpg", "bounding_box": null, "confidence": null, "video_uri": "", "frame_timestamp": null,
        "labels": null, "user_tags": null, "width": 786, "height": 492, "relevance_score": score,
        "relevance_score_type": kind,
    })
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_page_has_the_shape_of_the_contract(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Viewer).await;
    let id = app.dataset(&ada, DatasetStatus::Ready).await;
    let path = format!("/api/v1/explore/{id}");
    let empty = app.get(&path, &ada).await;
    assert_eq!(
        empty.text(),
        r#"{"clusters":[],"metadata":{"used_duckdb":true},"total_pages":0,"current_page":0}"#
    );

    for (score, sent) in [
        (None, Value::Null),
        (Some(0.5), json!(0.5)),
        (Some(0.0), json!(0.0)),
    ] {
        *app.read_side.members.lock().unwrap() = vec![media_view(PICTURE, score)];
        let answer = unsigned(app.get(&format!("{path}?threshold=2"), &ada).await.json());
        let kind = if sent.is_null() {
            Value::Null
        } else {
            json!("cosine_distance")
        };
        let cluster = json!({
            "cluster_id": CLUSTER.to_string(), "type": "IMAGES", "n_images": 1, "n_objects": 0, "n_videos": 0,
            "n_frames": 0, "size_display_value": "1.5KB", "similarity_threshold": "2", "relevance_score": sent,
            "relevance_score_type": kind, "formed_by": "SIMILARITY", "captions": null, "labels": null,
            "user_tags": null, "previews": [expected_preview(&id.to_string(), sent.clone())],
        });
        let expected = json!({"clusters": [cluster], "metadata": {"used_duckdb": true}, "total_pages": 1, "current_page": 0});
        assert_eq!(answer, expected);
    }
    // Clients loop until a page is empty.
    let past = app.get(&format!("{path}?page_number=1"), &ada).await.json();
    assert_eq!(
        (&past["clusters"], &past["current_page"]),
        (&json!([]), &json!(1))
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn parameters_reach_the_read_side(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Viewer).await;
    let id = app.dataset(&ada, DatasetStatus::Ready).await;
    let anchor = Uuid::now_v7();
    let path = format!(
        "/api/v1/explore/{id}?anchor_media_id={anchor}&anchor_type=UPLOAD&entity_type=OBJECTS&threshold=3&page_number=2&dataset_id=x"
    );
    assert_eq!(app.get(&path, &ada).await.code(), 200);
    let plan = app.read_side.asked.lock().unwrap().clone().unwrap();
    assert_eq!(
        plan.anchor,
        Some(AnchorQuery {
            id: anchor,
            kind: Some(AnchorKind::Upload),
            max_distance: None
        })
    );
    assert_eq!(
        (
            plan.entity_type.as_str(),
            i64::from(plan.threshold),
            plan.page_number
        ),
        ("OBJECTS", 3, 2)
    );

    let unknown = app
        .get(
            &format!("/api/v1/explore/{id}?anchor_media_id={UNKNOWN_ANCHOR}"),
            &ada,
        )
        .await;
    assert_eq!(
        (unknown.code(), unknown.detail().as_str()),
        (404, "Anchor media not found")
    );
    let filter = app
        .get(&format!("/api/v1/explore/{id}?vql=%5B%7B%7D%5D"), &ada)
        .await;
    let wrong = &filter.json()["detail"][0];
    assert_eq!(
        (filter.code(), wrong["type"].as_str()),
        (422, Some("missing"))
    );
    assert_eq!(wrong["loc"], json!(["query", "vql"]));
    assert_eq!(wrong["msg"], "vql[0]: has no filter");
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn members_metadata_and_a_single_picture(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Viewer).await;
    let id = app.dataset(&ada, DatasetStatus::Ready).await;
    *app.read_side.members.lock().unwrap() = vec![media_view(PICTURE, None)];
    let path = format!("/api/v1/explore/{id}/similarity_cluster/{CLUSTER}");
    let members = unsigned(app.get(&path, &ada).await.json());
    assert_eq!(
        members,
        json!({"previews": [expected_preview(&id.to_string(), Value::Null)]})
    );
    assert_eq!(
        app.get(&format!("{path}?page_number=1"), &ada).await.text(),
        r#"{"previews":[]}"#
    );
    for unknown in [Uuid::now_v7().to_string(), "x".to_owned()] {
        let path = format!("/api/v1/explore/{id}/similarity_cluster/{unknown}");
        let answer = app.get(&path, &ada).await;
        assert_eq!(
            (answer.code(), answer.detail().as_str()),
            (404, "Cluster not found")
        );
    }

    let metadata = app
        .get(
            &format!("/api/v1/explore/{id}/exploration_metadata?threshold=1"),
            &ada,
        )
        .await;
    assert_eq!(
        metadata.text(),
        r#"{"dataset_name":"Road scenes","clusters_count":42,"media_count":1250,"labels":[{"name":"car","count":870},{"name":"bus","count":2},{"name":"cat","count":2}]}"#
    );
}
