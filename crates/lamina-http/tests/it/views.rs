//! Saved views and notifications (contract 14, 15).

use axum::body::Body;
use http::header;
use http_body_util::BodyExt;
use lamina_store::views::{self, Found};
use lamina_store::{Role, batches, datasets, shares, users};
use lamina_types::{DatasetId, DatasetStatus};
use serde_json::{Value, json};
use sqlx::PgPool;
use tower::ServiceExt;
use uuid::Uuid;

use crate::app::{Answer, TestApp, TestUser, request};

async fn change(app: &TestApp, path: &str, caller: &TestUser, body: Value) -> Answer {
    app.send(request(
        "PATCH",
        path,
        Some(caller),
        Body::from(body.to_string()),
    ))
    .await
}

/// A view of a fresh dataset: its dataset, its path, and the view.
async fn saved(app: &TestApp, owner: &TestUser) -> (DatasetId, String, Value) {
    let dataset = app.dataset(owner, DatasetStatus::Ready).await;
    let path = format!("/api/v1/dataset/{dataset}/views");
    let made = app.post_form(&path, owner, &[("name", "Wet roads")]).await;
    assert_eq!(made.code(), 200);
    let view = made.json();
    (
        dataset,
        format!("{path}/{}", view["id"].as_str().unwrap()),
        view,
    )
}

/// What the worker writes when it has looked at a batch.
async fn batch(app: &TestApp, dataset: DatasetId, number: i32, count: u64) -> Uuid {
    let id = Uuid::now_v7();
    batches::record(&app.pool, dataset, id, number)
        .await
        .unwrap();
    for (view, _) in views::waiting_for(&app.pool, dataset, id).await.unwrap() {
        let found = Found {
            count,
            images: 40,
            objects: 0,
        };
        let mut tx = app.pool.begin().await.unwrap();
        views::record(&mut tx, view, id, found).await.unwrap();
        // A worker that was ended and comes again tells nobody twice.
        assert_eq!(views::record(&mut tx, view, id, found).await.unwrap(), 0);
        tx.commit().await.unwrap();
    }
    id
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_view_is_saved_shown_changed_and_deleted(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let (dataset, path, view) = saved(&app, &ada).await;
    assert_eq!(
        view["filters"],
        json!({"entity_type": "IMAGES", "threshold": "0", "caption": null, "vql": []})
    );
    assert_eq!(
        view["stats"],
        json!({"n_images": -1, "n_objects": -1, "n_video_frames": -1})
    );
    assert_eq!(
        (
            &view["monitoring_enabled"],
            &view["total_results"],
            &view["last_results"]
        ),
        (&json!(true), &json!(0), &Value::Null)
    );
    assert_eq!(view["created_by"]["name"], "ada");
    assert_eq!(view.as_object().unwrap().len(), 12);
    let all = format!("/api/v1/dataset/{dataset}/views");
    assert_eq!(app.get(&all, &ada).await.json(), json!({"views": [view]}));

    let taken = app.post_form(&all, &ada, &[("name", "Wet roads")]).await;
    assert_eq!(taken.code(), 409);
    assert_eq!(app.post_form(&all, &ada, &[]).await.code(), 422);
    let query = "?entity_type=OBJECTS&threshold=2&caption=wet+road&labels=[car,bus]&vql=[{%22uniqueness%22:{%22op%22:%22uniqueness%22,%22value%22:0.5}}]";
    let full = app
        .post_form(&format!("{all}{query}"), &ada, &[("name", "Cars")])
        .await
        .json();
    assert_eq!(
        full["filters"],
        json!({"entity_type": "OBJECTS", "threshold": "2", "caption": "wet road", "vql": [
            {"uniqueness": {"op": "uniqueness", "value": 0.5}}, {"labels": {"op": "one_of", "value": ["car", "bus"]}}]})
    );
    for wrong in [
        "?entity_type=x",
        "?threshold=5",
        "?vql={}",
        "?vql=[{%22no%22:{}}]",
    ] {
        let answer = app
            .post_form(&format!("{all}{wrong}"), &ada, &[("name", "Wrong")])
            .await;
        assert_eq!(answer.code(), 422, "{wrong}");
    }

    batch(&app, dataset, 1, 12).await;
    let renamed = change(&app, &path, &ada, json!({"name": "Dry roads"}))
        .await
        .json();
    assert_eq!(
        (&renamed["name"], &renamed["total_results"]),
        (&json!("Dry roads"), &json!(12))
    );
    assert_eq!(
        change(&app, &path, &ada, json!({"name": "Cars"}))
            .await
            .code(),
        409
    );
    assert_eq!(change(&app, &path, &ada, json!({})).await.code(), 422);
    assert_eq!(
        change(&app, &path, &ada, json!({"filters": {"threshold": 9}}))
            .await
            .code(),
        422
    );
    let filters = json!({"filters": {"entity_type": "IMAGES", "threshold": "1", "vql": []}});
    let anew = change(&app, &path, &ada, filters).await.json();
    assert_eq!(
        (
            &anew["filters"]["threshold"],
            &anew["total_results"],
            &anew["stats"]["n_images"]
        ),
        (&json!("1"), &json!(0), &json!(-1))
    );

    let gone = app.call("DELETE", &path, Some(&ada)).await;
    assert_eq!((gone.code(), gone.text()), (200, "null"));
    assert_eq!(app.call("DELETE", &path, Some(&ada)).await.code(), 404);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn batches_add_up_and_what_is_not_monitored_has_no_trend(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let (dataset, path, _) = saved(&app, &ada).await;
    let batches = [
        batch(&app, dataset, 1, 12).await,
        batch(&app, dataset, 2, 0).await,
        batch(&app, dataset, 3, 28).await,
    ];
    let trend = app.get(&format!("{path}/trend"), &ada).await.json();
    let points = trend["points"].as_array().unwrap();
    let shown: Vec<Value> = points
        .iter()
        .map(|point| json!([point["batch_id"], point["count"], point["cumulative"]]))
        .collect();
    assert_eq!(
        shown,
        [
            json!([batches[0], 12, 12]),
            json!([batches[1], 0, 12]),
            json!([batches[2], 28, 40])
        ]
    );
    assert_eq!(trend["total_results"], 40);
    assert_eq!(trend["last_results"], points[2]["timestamp"]);
    let view = app
        .get(&format!("/api/v1/dataset/{dataset}/views"), &ada)
        .await
        .json();
    assert_eq!(view["views"][0]["stats"]["n_images"], 40);

    // A view of another dataset is none of this one.
    let other = app.dataset(&ada, DatasetStatus::Ready).await;
    let crossed = path.replace(&dataset.to_string(), &other.to_string());
    assert_eq!(app.get(&format!("{crossed}/trend"), &ada).await.code(), 404);

    change(&app, &path, &ada, json!({"monitoring_enabled": false})).await;
    batch(&app, dataset, 4, 5).await;
    assert_eq!(app.get(&format!("{path}/trend"), &ada).await.code(), 400);
    let alerting = json!({"request": {"enabled": false}});
    assert_eq!(
        app.post_json(&format!("{path}/alerting"), &ada, &alerting)
            .await
            .code(),
        400
    );
    change(&app, &path, &ada, json!({"monitoring_enabled": true})).await;
    batch(&app, dataset, 5, 2).await;
    let trend = app.get(&format!("{path}/trend"), &ada).await.json();
    assert_eq!(
        trend["total_results"], 42,
        "batches that came meanwhile are never looked at"
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn matches_are_told_to_everybody_who_may_see_the_dataset(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let (ada, bob, eve) = (
        app.user("ada", Role::Editor).await,
        app.user("bob", Role::Viewer).await,
        app.user("eve", Role::Editor).await,
    );
    let (dataset, path, view) = saved(&app, &ada).await;
    let access = datasets::access(&app.pool, Some(&ada.user.principal()), dataset)
        .await
        .unwrap()
        .unwrap();
    shares::put(&app.pool, &access, bob.user.id, shares::ShareRole::Viewer)
        .await
        .unwrap();
    batch(&app, dataset, 1, 0).await;
    let first = batch(&app, dataset, 2, 12).await;
    let list = "/api/v1/notifications";
    for user in [&ada, &bob] {
        let page = app.get(list, user).await.json();
        assert_eq!(
            (&page["total"], &page["has_more"]),
            (&json!(1), &json!(false))
        );
        let one = &page["notifications"][0];
        assert_eq!(
            (&one["entity_type"], &one["entity_id"], &one["user_id"]),
            (
                &json!("saved_view"),
                &view["id"],
                &json!(user.user.id.as_uuid())
            )
        );
        assert_eq!(
            one["metadata"],
            json!({"batch_id": first, "is_alert": true, "view_name": "Wet roads", "dataset_name": "Road scenes", "result_count": 12})
        );
        assert_eq!(
            (&one["message"], &one["read_at"]),
            (&Value::Null, &Value::Null)
        );
    }
    assert_eq!(app.get(list, &eve).await.json()["total"], 0);

    let off = app
        .post_json(
            &format!("{path}/alerting"),
            &ada,
            &json!({"request": {"enabled": false}}),
        )
        .await;
    assert_eq!(off.json(), json!({"alerting_enabled": false}));
    assert_eq!(
        app.post_json(&format!("{path}/alerting"), &ada, &json!({"enabled": true}))
            .await
            .code(),
        422
    );
    batch(&app, dataset, 3, 7).await;
    assert_eq!(
        app.get(list, &ada).await.json()["total"],
        1,
        "alerting is off"
    );
    app.post_json(
        &format!("{path}/alerting"),
        &ada,
        &json!({"request": {"enabled": true}}),
    )
    .await;
    for number in 4..7 {
        batch(&app, dataset, number, 1).await;
    }
    let page = app
        .get(&format!("{list}?limit=3&offset=0"), &ada)
        .await
        .json();
    assert_eq!(
        (&page["total"], &page["has_more"]),
        (&json!(4), &json!(true))
    );
    let rest = app
        .get(&format!("{list}?limit=3&offset=3"), &ada)
        .await
        .json();
    assert_eq!(
        (
            rest["notifications"].as_array().unwrap().len(),
            &rest["has_more"]
        ),
        (1, &json!(false))
    );
    for wrong in ["limit=0", "limit=101", "offset=-1", "dataset_id=x"] {
        assert_eq!(
            app.get(&format!("{list}?{wrong}"), &ada).await.code(),
            422,
            "{wrong}"
        );
    }
    let id = rest["notifications"][0]["id"].as_str().unwrap();
    let read = format!("{list}/{id}/read");
    assert_eq!(app.call("POST", &read, Some(&eve)).await.code(), 404);
    assert_eq!(
        app.call("POST", &read, Some(&ada)).await.json(),
        json!({"ok": true})
    );
    assert_eq!(
        app.call("POST", &read, Some(&ada)).await.code(),
        404,
        "already read"
    );
    let count = format!("{list}/unread-count?dataset_id={dataset}");
    assert_eq!(app.get(&count, &ada).await.json(), json!({"count": 3}));
    assert_eq!(
        app.get(&format!("{list}?unread_only=True"), &ada)
            .await
            .json()["total"],
        3
    );
    assert_eq!(
        app.call("POST", &format!("{list}/read-all"), Some(&ada))
            .await
            .json(),
        json!({"ok": true, "count": 3})
    );
    assert_eq!(app.get(&count, &ada).await.json(), json!({"count": 0}));
    // Who may not see the dataset any more is not told what they were told before.
    shares::remove(&app.pool, &access, bob.user.id)
        .await
        .unwrap();
    assert_eq!(app.get(list, &bob).await.json()["total"], 0);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn the_stream_pings_tells_what_is_new_and_ends_with_the_account(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let (dataset, _, _) = saved(&app, &ada).await;
    batch(&app, dataset, 1, 12).await;
    let stream = request(
        "GET",
        "/api/v1/notifications/stream",
        Some(&ada),
        Body::empty(),
    );
    let answer = app.router.clone().oneshot(stream).await.unwrap();
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/event-stream");
    let mut body = answer.into_body();
    let mut next = async || {
        let frame = body.frame().await?.unwrap();
        Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
    };
    assert_eq!(next().await.unwrap(), "event: ping\ndata:\n\n");
    let fresh = batch(&app, dataset, 2, 7).await;
    let mut told = next().await.unwrap();
    while told.starts_with("event: ping") {
        told = next().await.unwrap();
    }
    let data = told
        .strip_prefix("event: notification\ndata: ")
        .unwrap()
        .strip_suffix("\n\n")
        .unwrap();
    assert!(!data.contains('\n'));
    let data: Value = serde_json::from_str(data).unwrap();
    assert_eq!(
        data["metadata"]["batch_id"],
        json!(fresh),
        "what was there before is not told again"
    );
    users::mark_deleted(&app.pool, ada.user.id).await.unwrap();
    let mut rest = 0;
    while let Some(event) = next().await {
        assert!(event.starts_with("event: ping"), "{event}");
        rest += 1;
        assert!(rest < 3, "the stream goes on for an account that has ended");
    }
}
