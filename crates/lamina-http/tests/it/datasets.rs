//! Datasets: every field, the list, the statuses that forbid things.

use lamina_store::Role;
use lamina_types::{DatasetId, DatasetStatus};
use serde_json::json;
use sqlx::PgPool;

use crate::app::TestApp;

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_dataset_has_every_field_and_the_retired_status(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    for (status, legacy) in [
        (DatasetStatus::Draft, "NEW"),
        (DatasetStatus::Indexing, "INDEXING"),
        (DatasetStatus::ReadOnly, "UPDATING"),
        (DatasetStatus::PartialIndex, "READY"),
        (DatasetStatus::Ready, "READY"),
        (DatasetStatus::Error, "FATAL_ERROR"),
    ] {
        let id = app.dataset(&ada, status).await;
        let answer = app.get(&format!("/api/v1/dataset/{id}"), &ada).await;
        let mut body = answer.json();
        let created = body["created_at"].take();
        let created = created.as_str().unwrap();
        assert_eq!(
            (created.len(), &created[10..11], &created[19..20]),
            (26, "T", "."),
            "{created}"
        );
        let progress = if status == DatasetStatus::Ready {
            100
        } else {
            0
        };
        let expected = json!({
            "id": id.to_string(), "display_name": "Road scenes", "description": "", "source_type": "UPLOAD",
            "source_uri": "", "preview_uri": "", "owned_by": "VL", "created_by": ada.user.id.to_string(),
            "created_at": null, "updated_at": null, "filename": null, "sample": null, "status": legacy,
            "status_new": status.as_str(), "progress": progress, "n_images": 0, "n_videos": 0, "n_objects": 0,
            "fatal_error_msg": null, "source_dataset_id": null,
        });
        assert_eq!(body, expected);
        assert!(
            !answer.text().contains(": ") && !answer.text().contains(", "),
            "compact: {}",
            answer.text()
        );
        let status_answer = app
            .get(&format!("/api/v1/datasets/{id}/creation-status"), &ada)
            .await;
        assert_eq!(
            status_answer.json(),
            json!({"status": status.as_str(), "progress": progress})
        );
    }
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn the_list_is_newest_first_and_ones_own(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let (ada, bob) = (
        app.user("ada", Role::Editor).await,
        app.user("bob", Role::Editor).await,
    );
    let first = app.dataset(&ada, DatasetStatus::Ready).await;
    let second = app.dataset(&ada, DatasetStatus::Draft).await;
    app.dataset(&bob, DatasetStatus::Ready).await;
    let list = app.get("/api/v1/datasets", &ada).await;
    for query in [
        "sort_by=date&include_hidden=True&whatever=1",
        "sort_by=&include_hidden=",
        "sort_by=no%20such&include_hidden=no+such&sort_by=%00%FF",
    ] {
        let same = app.get(&format!("/api/v1/datasets?{query}"), &ada).await;
        assert_eq!(same.body, list.body, "{query}");
    }
    let list = list.json();
    let ids: Vec<&str> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, [second.to_string(), first.to_string()]);
    assert_eq!(
        app.get("/api/v1/datasets/sample_data", &ada).await.text(),
        "[]"
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn deleting_is_for_owners_of_datasets_at_rest(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    for status in [DatasetStatus::Indexing, DatasetStatus::ReadOnly] {
        let id = app.dataset(&ada, status).await;
        assert_eq!(
            app.call("DELETE", &format!("/api/v1/dataset/{id}"), Some(&ada))
                .await
                .code(),
            409
        );
        assert_eq!(
            app.get(&format!("/api/v1/dataset/{id}"), &ada).await.code(),
            200
        );
    }
    for status in [
        DatasetStatus::Draft,
        DatasetStatus::Ready,
        DatasetStatus::Error,
        DatasetStatus::PartialIndex,
    ] {
        let id = app.dataset(&ada, status).await;
        let path = format!("/api/v1/dataset/{id}");
        let answer = app.call("DELETE", &path, Some(&ada)).await;
        assert_eq!(
            answer.json(),
            json!({"id": id.to_string(), "message": "Dataset deleted"})
        );
        assert_eq!(app.get(&path, &ada).await.code(), 404);
        assert_eq!(app.call("DELETE", &path, Some(&ada)).await.code(), 404);
    }
    assert_eq!(
        app.count("select count(*) from jobs where kind = 'remove'")
            .await,
        4
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn the_context_of_a_plain_dataset_is_new_empty_and_stable(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let id = app.dataset(&ada, DatasetStatus::Ready).await;
    let path = format!("/api/v1/enrichment/{id}/context");
    let first = app.get(&path, &ada).await.json();
    assert_eq!(first["status"], "NEW");
    assert_eq!(
        first["dataset_enrichment_models"],
        json!({"enrichment_models": {}})
    );
    assert_eq!(app.get(&path, &ada).await.json(), first);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn user_config_mirrors_what_can_be_searched(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let id = app.dataset(&ada, DatasetStatus::Ready).await;
    let answer = app
        .get(&format!("/api/v1/user_config?dataset_id={id}"), &ada)
        .await
        .json();
    let options =
        json!({"labels_search": false, "captions_search": false, "semantic_search": false});
    assert_eq!(
        answer,
        json!({"features": [{"feature_key": "TEXTUAL_SEARCH_IMAGE", "feature_options": options}]})
    );
    assert_eq!(app.get("/api/v1/user_config", &ada).await.code(), 422);
    assert_eq!(
        app.get(
            &format!("/api/v1/user_config?dataset_id={}", DatasetId::new()),
            &ada
        )
        .await
        .code(),
        404
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn stats_are_counts(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let id = app.dataset(&ada, DatasetStatus::Ready).await;
    let answer = app
        .get(&format!("/api/v1/dataset/{id}/stats"), &ada)
        .await
        .json();
    assert_eq!(
        answer,
        json!({"n_images": 0, "n_videos": 0, "n_objects": 0, "n_clusters": 42, "n_labels": 3})
    );
}
