//! Single items: near a text, near-copies, by path.

use lamina_store::Role;
use lamina_types::DatasetStatus;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::app::TestApp;
use crate::fake::media_view;

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_text_finds_items_nearest_first(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let bob = app.user("bob", Role::Editor).await;
    let id = app.dataset(&ada, DatasetStatus::Ready).await;
    let ids: Vec<Uuid> = (0..3).map(|_| Uuid::now_v7()).collect();
    let views = ids.iter().map(|id| media_view(*id, Some(0.25))).collect();
    *app.read_side.members.lock().unwrap() = views;
    let path = format!("/api/v1/vector_search/{id}");
    let body = json!({"text": "person wearing a hat", "entity_type": "IMAGES", "limit": 2});
    let answer = app.post_json(&path, &ada, &body).await;
    assert_eq!(answer.code(), 200);
    let results = answer.json()["results"].as_array().unwrap().clone();
    assert_eq!(results.len(), 2);
    assert_eq!(results[0]["media_id"], json!(ids[0]));
    assert_eq!(results[0]["relevance_score"], 0.25);
    assert_eq!(results[0]["relevance_score_type"], "cosine_distance");
    let link = results[0]["media_uri"].as_str().unwrap();
    assert!(link.starts_with("http://lamina.test:2080/media/"), "{link}");
    let plan = app.read_side.asked.lock().unwrap().clone().unwrap();
    assert_eq!((plan.filters.len(), plan.score_kind().is_some()), (1, true));
    for wrong in [
        json!({}),
        json!({"text": " "}),
        json!({"text": "a", "limit": 0}),
        json!({"text": "a", "limit": 1_001}),
        json!({"text": "a", "entity_type": "VIDEOS"}),
    ] {
        assert_eq!(
            app.post_json(&path, &ada, &wrong).await.code(),
            422,
            "{wrong}"
        );
    }
    assert_eq!(app.post_json(&path, &bob, &body).await.code(), 404);
    let models = app.get(&format!("{path}/embedding_models"), &ada).await;
    assert_eq!(models.json(), json!([]));
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn near_copies_are_listed_without_the_picture_itself(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let id = app.dataset(&ada, DatasetStatus::Ready).await;
    let ids: Vec<Uuid> = (0..2).map(|_| Uuid::now_v7()).collect();
    let views = ids.iter().map(|id| media_view(*id, None)).collect();
    *app.read_side.members.lock().unwrap() = views;
    let path = |media: &str| format!("/api/v1/dataset/{id}/media/{media}/duplicates");
    let answer = app.get(&path(&ids[0].to_string()), &ada).await;
    assert_eq!(answer.json(), json!([ids[1]]));
    for unknown in [Uuid::now_v7().to_string(), "7".to_owned()] {
        assert_eq!(
            app.get(&path(&unknown), &ada).await.code(),
            404,
            "{unknown}"
        );
    }
    for name in ["search_media_metadata/id", "media/id"] {
        let path = format!("/api/v1/dataset/{id}/{name}");
        assert_eq!(app.get(&path, &ada).await.code(), 422);
        let unknown = app
            .get(&format!("{path}?original_media_uri=a%00.jpg"), &ada)
            .await;
        assert_eq!(unknown.code(), 404);
    }
}
