//! Contract 17: what is being done, for whom, how far.

use lamina_store::Role;
use lamina_types::DatasetStatus;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::app::{TestApp, TestUser};

async fn enriched(app: &TestApp, owner: &TestUser) -> String {
    let source = app.dataset(owner, DatasetStatus::Ready).await;
    let body = json!({"enrichment_models": {"CAPTION_IMAGES": "vl_image_captioner_v00"}});
    let path = format!("/api/v1/dataset/{source}/enrich_dataset");
    let answer = app.post_json(&path, owner, &body).await.json();
    answer["dataset_id"].as_str().unwrap().to_owned()
}

async fn tasks(app: &TestApp, caller: &TestUser, query: &str) -> Value {
    let answer = app.get(&format!("/api/v1/tasks?{query}"), caller).await;
    assert_eq!(answer.code(), 200, "{query}");
    answer.json()
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn an_enrichment_is_a_task_of_its_copy(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let (ada, bob) = (
        app.user("ada", Role::Editor).await,
        app.user("bob", Role::Editor).await,
    );
    let copy = enriched(&app, &ada).await;
    let page = tasks(&app, &ada, "").await;
    assert_eq!(
        (&page["total"], &page["page"], &page["page_size"]),
        (&json!(1), &json!(1), &json!(20))
    );
    let task = &page["tasks"][0];
    assert_eq!(task["dataset_id"], copy);
    assert_eq!(task["task_type"], "ENRICHMENT");
    assert_eq!(task["status"], "INITIALIZING");
    assert_eq!(task["dataset_status"], "INDEXING");
    assert_eq!(task["created_by"], "ada");
    assert_eq!(task["end_time"], Value::Null);
    assert!(task["start_time"].as_str().unwrap().ends_with('Z'));
    assert_eq!(task.as_object().unwrap().len(), 12);

    let path = format!("/api/v1/tasks/{}", task["task_id"].as_str().unwrap());
    assert_eq!(&app.get(&path, &ada).await.json(), task);
    // Somebody else's task does not exist.
    assert_eq!(tasks(&app, &bob, "").await["total"], 0);
    let foreign = app.get(&path, &bob).await;
    assert_eq!(foreign.code(), 404);
    let never = app.get("/api/v1/tasks/nonsense", &bob).await;
    assert_eq!(foreign.body, never.body);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_running_task_says_how_fast_it_is_and_a_failed_one_why(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let copy = enriched(&app, &ada).await;
    let id: uuid::Uuid = copy.parse().unwrap();
    sqlx::query("insert into enrichment_steps (dataset_id, position, enrichment_type, slot, package, parameters, units_total, units_done) \
                 values ($1, 0, 'CAPTION_IMAGES', 's', 'p', '', 400, 100)")
        .bind(id)
        .execute(&app.pool)
        .await
        .unwrap();
    sqlx::query(
        "update job_states set state = 'running', started_at = now() - interval '50 seconds'",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    sqlx::query("update datasets set progress = 25 where id = $1")
        .bind(id)
        .execute(&app.pool)
        .await
        .unwrap();
    let page = tasks(&app, &ada, "task_status=RUNNING").await;
    let task = &page["tasks"][0];
    let message = task["status_message"].as_str().unwrap();
    assert!(message.contains("CAPTION_IMAGES 100 of 400"), "{message}");
    assert!(
        message.contains("a second") && message.contains("s left"),
        "{message}"
    );
    assert_eq!(task["progress_percentage"], 25);

    sqlx::query(
        "update job_states set state = 'failed', error_message = 'no model', finished_at = now()",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    let page = tasks(&app, &ada, "task_status=FAILED").await;
    let task = &page["tasks"][0];
    assert_eq!(task["error_message"], "no model");
    assert!(task["end_time"].is_string());
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn tasks_are_filtered_sorted_and_paged(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let mut copies = Vec::new();
    for _ in 0..7 {
        copies.push(enriched(&app, &ada).await);
    }
    let ids = |page: &Value| -> Vec<String> {
        let tasks = page["tasks"].as_array().unwrap();
        let id = |task: &Value| task["dataset_id"].as_str().unwrap().to_owned();
        tasks.iter().map(id).collect()
    };
    let first = tasks(&app, &ada, "page_size=5&sort_order=asc").await;
    let second = tasks(&app, &ada, "page_size=5&sort_order=asc&page=2").await;
    assert_eq!([ids(&first), ids(&second)].concat(), copies);
    assert_eq!(second["total"], 7);
    let newest_first: Vec<String> = copies.iter().rev().cloned().collect();
    assert_eq!(ids(&tasks(&app, &ada, "").await), newest_first);
    let one = tasks(&app, &ada, &format!("dataset_id={}", copies[3])).await;
    assert_eq!(ids(&one), [copies[3].clone()]);
    for (query, total) in [
        ("task_type=ENRICHMENT", 7),
        ("task_type=DATASET_CREATION", 0),
        ("task_type=REINDEX", 0),
        ("created_by=ada", 7),
        ("created_by=bob", 0),
        ("dataset_name=Road+scenes+(enriched)", 7),
        ("start_time_from=2020-01-01T00:00:00", 7),
        ("start_time_to=2020-01-01T00:00:00.5Z", 0),
        ("sort_by=dataset_name&sort_order=desc", 7),
        ("sort_by=created_by", 7),
    ] {
        assert_eq!(tasks(&app, &ada, query).await["total"], total, "{query}");
    }
    for query in [
        "page=0",
        "page_size=4",
        "page_size=51",
        "task_type=NONSENSE",
        "task_status=done",
        "sort_by=x",
        "sort_order=up",
        "start_time_from=yesterday",
        "dataset_id=1",
    ] {
        let answer = app.get(&format!("/api/v1/tasks?{query}"), &ada).await;
        assert_eq!(answer.code(), 422, "{query}");
    }
}

/// A dataset that is being created, with its task.
async fn created(app: &TestApp, owner: &TestUser) -> (String, String) {
    let path = app.photos.join("one");
    fs_err::create_dir_all(&path).unwrap();
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("path", path.to_str().unwrap())
        .append_pair("name", "Roads")
        .finish();
    let answer = app.get(&format!("/api/v1/process?{query}"), owner).await;
    assert_eq!(answer.code(), 200, "{}", answer.text());
    let page = tasks(app, owner, "task_type=DATASET_CREATION").await;
    let text = |name: &str| page["tasks"][0][name].as_str().unwrap().to_owned();
    (text("dataset_id"), text("task_id"))
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_creation_is_aborted_and_tried_again(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let (ada, bob) = (
        app.user("ada", Role::Editor).await,
        app.user("bob", Role::Editor).await,
    );
    let (dataset, task) = created(&app, &ada).await;
    let (abort, retry) = (
        format!("/api/v1/tasks/{task}/abort"),
        format!("/api/v1/tasks/{task}/retry"),
    );
    assert_eq!(
        app.call("POST", &retry, Some(&ada)).await.code(),
        400,
        "it has not ended"
    );
    let foreign = app.call("POST", &abort, Some(&bob)).await;
    assert_eq!(foreign.code(), 404);
    let never = app.call("POST", "/api/v1/tasks/x/abort", Some(&bob)).await;
    assert_eq!(foreign.body, never.body);

    // A worker has a chunk in hand.
    let claimed = "update job_chunks set state = 'running', lease_token = 7, lease_expires_at = now() + interval '1 hour'";
    sqlx::query(claimed).execute(&app.pool).await.unwrap();
    let aborted = app.call("POST", &abort, Some(&ada)).await;
    assert_eq!(
        (aborted.code(), &aborted.json()["status"]),
        (200, &json!("ABORTED"))
    );
    assert_eq!(app.call("POST", &abort, Some(&ada)).await.code(), 409);
    let shown = app
        .get(&format!("/api/v1/dataset/{dataset}"), &ada)
        .await
        .json();
    assert_eq!(
        (&shown["status_new"], &shown["fatal_error_msg"]),
        (&json!("ERROR"), &json!("The creation was aborted."))
    );

    let again = app.call("POST", &retry, Some(&ada)).await;
    assert_eq!(
        (again.code(), &again.json()["status"]),
        (200, &json!("INITIALIZING"))
    );
    assert_eq!(again.json()["task_id"], json!(task));
    let shown = app
        .get(&format!("/api/v1/dataset/{dataset}"), &ada)
        .await
        .json();
    assert_eq!(
        (&shown["status_new"], &shown["fatal_error_msg"]),
        (&json!("INDEXING"), &Value::Null)
    );
    let open = "select count(*) from job_chunks where state = 'ready' and phase = 'list' and lease_token = 0";
    assert_eq!(
        app.count(open).await,
        1,
        "and the worker has lost its lease"
    );
    assert_eq!(app.count("select count(*) from job_chunks").await, 1);

    sqlx::query("update job_states set phase = 'publish', state = 'running'")
        .execute(&app.pool)
        .await
        .unwrap();
    let committed = app.call("POST", &abort, Some(&ada)).await;
    assert_eq!(committed.code(), 409);
    assert!(committed.detail().contains("published"));
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn only_creations_are_aborted_and_retried(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    enriched(&app, &ada).await;
    let page = tasks(&app, &ada, "").await;
    let task = page["tasks"][0]["task_id"].as_str().unwrap();
    let abort = app
        .call("POST", &format!("/api/v1/tasks/{task}/abort"), Some(&ada))
        .await;
    assert_eq!(abort.code(), 409);
    let retry = app
        .call("POST", &format!("/api/v1/tasks/{task}/retry"), Some(&ada))
        .await;
    assert_eq!(retry.code(), 400);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn the_filters_are_those_of_ones_own_tasks(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let (ada, bob) = (
        app.user("ada", Role::Editor).await,
        app.user("bob", Role::Editor).await,
    );
    let (dataset, _) = created(&app, &ada).await;
    let copy = enriched(&app, &ada).await;
    let filters = app.get("/api/v1/tasks/filters", &ada).await.json();
    assert_eq!(
        filters["dataset_names"],
        json!(["Road scenes (enriched)", "Roads"])
    );
    assert_eq!(filters["dataset_ids"], json!([copy, dataset]));
    assert_eq!(
        filters["task_types"],
        json!(["ENRICHMENT", "DATASET_CREATION"])
    );
    assert_eq!(filters["created_by"], json!(["ada"]));
    let none = app
        .get(
            "/api/v1/tasks/filters?start_time_to=2020-01-01T00:00:00Z",
            &ada,
        )
        .await
        .json();
    let foreign = app.get("/api/v1/tasks/filters", &bob).await.json();
    for empty in [none, foreign] {
        assert_eq!(
            empty,
            json!({"dataset_names": [], "dataset_ids": [], "task_types": [], "created_by": []})
        );
    }
    assert_eq!(
        app.get("/api/v1/tasks/filters?start_time_from=x", &ada)
            .await
            .code(),
        422
    );
}
