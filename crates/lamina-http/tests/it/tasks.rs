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
