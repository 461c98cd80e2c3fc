//! Custom metadata (contract 18): declared, filled, shown, changed, and a task.

use lamina_explore::{CustomMetadata, Filter, Leaf};
use lamina_store::{Role, custom_fields};
use lamina_types::DatasetStatus;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use axum::body::Body;

use crate::app::{Answer, TestApp, TestUser, request};

async fn declare(app: &TestApp, dataset: &str, owner: &TestUser, body: Value) -> Answer {
    let path = format!("/api/v1/datasets/{dataset}/custom_metadata/tasks");
    app.post_json(&path, owner, &body).await
}

async fn fill(app: &TestApp, dataset: &str, owner: &TestUser, task: &Value, file: &str) -> Answer {
    let path = format!(
        "/api/v1/datasets/{dataset}/custom_metadata/tasks/{}",
        task["task_id"].as_str().unwrap()
    );
    let parts = [
        ("ignored", None, &b"x"[..]),
        ("file", Some("values.json"), file.as_bytes()),
    ];
    app.post_parts(&path, Some(owner), &parts).await
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn fields_are_declared_filled_and_shown(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let (dataset, media) = crate::media::picture(&app, &ada).await;
    let id = dataset.to_string();
    let weather = declare(
        &app,
        &id,
        &ada,
        json!({"field_name": "weather", "field_type": "string"}),
    )
    .await;
    assert_eq!(
        (weather.code(), &weather.json()["status"]),
        (200, &json!("INIT"))
    );
    let weather = weather.json();
    let again = declare(
        &app,
        &id,
        &ada,
        json!({"field_name": "weather", "field_type": "float"}),
    )
    .await;
    assert_eq!(again.code(), 409);
    assert!(again.detail().contains("already exists"));
    let priority = json!({"field_name": "priority", "field_type": "enum", "enum_options": ["Low", "High"], "is_multi": true});
    let priority = declare(&app, &id, &ada, priority).await.json();
    for wrong in [
        json!({"field_name": "x"}),
        json!({"field_type": "string"}),
        json!({"field_name": "x", "field_type": "text"}),
        json!({"field_name": "x", "field_type": "enum"}),
        json!({"field_name": "x", "field_type": "enum", "enum_options": ["a".repeat(21)]}),
        json!({"field_name": "x", "field_type": "enum", "enum_options": ["a", "a"]}),
    ] {
        assert_eq!(
            declare(&app, &id, &ada, wrong.clone()).await.code(),
            422,
            "{wrong}"
        );
    }

    let status = |task: &Value| {
        format!(
            "/api/v1/datasets/{id}/custom_metadata/tasks/{}/status",
            task["task_id"].as_str().unwrap()
        )
    };
    let empty = app.get(&status(&weather), &ada).await.json();
    assert_eq!(
        (
            &empty["status"],
            &empty["progress"],
            &empty["sample_errors"]
        ),
        (&json!("INIT"), &json!(0.0), &json!([]))
    );
    let rows = json!([
        {"media_id": media.to_string(), "value": "rain"}, {"media_id": media.to_string(), "value": 7},
        {"media_id": Uuid::now_v7().to_string(), "value": "sun"}, "nonsense", {"value": "x"},
    ]);
    let taken = fill(&app, &id, &ada, &weather, &rows.to_string()).await;
    assert_eq!(taken.code(), 200);
    let full = app.get(&status(&weather), &ada).await.json();
    assert_eq!(full, taken.json());
    assert_eq!(
        (&full["status"], &full["progress"]),
        (&json!("COMPLETED_WITH_ERRORS"), &json!(100.0))
    );
    assert_eq!(
        (&full["inserted_rows"], &full["error_count"]),
        (&json!(1), &json!(4))
    );
    let mut samples: Vec<String> = full["sample_errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(Value::to_string)
        .collect();
    samples.sort();
    assert_eq!(
        samples,
        [
            r#"{"reason":"Expected Object","row_index":3}"#,
            r#"{"reason":"Expected String","row_index":1}"#,
            r#"{"reason":"Expected media_id","row_index":4}"#,
            r#"{"reason":"Unknown media_id","row_index":2}"#,
        ]
    );
    let rows = json!([{"media_id": media.to_string(), "value": ["High", "Low"]}]);
    assert_eq!(
        fill(&app, &id, &ada, &priority, &rows.to_string())
            .await
            .json()["status"],
        "COMPLETED"
    );
    for wrong in ["", "{}", "[{]", "[] x"] {
        assert_eq!(
            fill(&app, &id, &ada, &weather, wrong).await.code(),
            422,
            "{wrong}"
        );
    }
    let unknown = json!({"task_id": Uuid::now_v7().to_string()});
    assert_eq!(fill(&app, &id, &ada, &unknown, "[]").await.code(), 404);

    let values = format!("/api/v1/datasets/{id}/image/{media}/custom_metadata");
    assert_eq!(
        app.get(&values, &ada).await.json(),
        json!([
            {"field_name": "weather", "field_type": "string", "value": "rain"},
            {"field_name": "priority", "field_type": "enum", "value": ["High", "Low"]},
        ])
    );
    let schema = app
        .get(
            &format!("/api/v1/datasets/{id}/custom_metadata/schema"),
            &ada,
        )
        .await
        .json();
    assert_eq!(
        schema[1],
        json!({"field_name": "priority", "field_type": "enum", "enum_options": ["Low", "High"], "is_multi": true, "task_id": priority["task_id"]})
    );
    let elsewhere = app.dataset(&ada, DatasetStatus::Ready).await;
    assert_eq!(
        app.get(
            &format!("/api/v1/datasets/{elsewhere}/image/{media}/custom_metadata"),
            &ada
        )
        .await
        .code(),
        404
    );

    // Changed, taken away, and the field deleted.
    let put = async |body: Value| {
        app.send(request(
            "PUT",
            &values,
            Some(&ada),
            Body::from(body.to_string()),
        ))
        .await
    };
    assert_eq!(
        put(json!({"field_name": "weather", "value": "42"}))
            .await
            .json()[0]["value"],
        "42"
    );
    assert_eq!(
        put(json!({"field_name": "priority", "value": "Middle"}))
            .await
            .code(),
        422
    );
    assert_eq!(
        put(json!({"field_name": "colour", "value": "x"}))
            .await
            .code(),
        404
    );
    assert_eq!(
        put(json!({"field_name": "weather", "value": null}))
            .await
            .json()
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let task = status(&priority);
    let task = task.strip_suffix("/status").unwrap();
    assert_eq!(app.call("DELETE", task, Some(&ada)).await.code(), 200);
    assert_eq!(app.get(&values, &ada).await.json(), json!([]));
    assert_eq!(app.call("DELETE", task, Some(&ada)).await.code(), 404);

    // It is a task like others.
    let tasks = app
        .get("/api/v1/tasks?task_type=CUSTOM_METADATA", &ada)
        .await
        .json();
    assert_eq!(
        (&tasks["total"], &tasks["tasks"][0]["status"]),
        (&json!(1), &json!("COMPLETED"))
    );
    assert_eq!(tasks["tasks"][0]["task_type"], "CUSTOM_METADATA");

    sqlx::query("update datasets set status = 'READ ONLY' where id = $1")
        .bind(dataset.as_uuid())
        .execute(&app.pool)
        .await
        .unwrap();
    assert_eq!(
        declare(
            &app,
            &id,
            &ada,
            json!({"field_name": "new", "field_type": "string"})
        )
        .await
        .code(),
        409
    );
    assert_eq!(fill(&app, &id, &ada, &weather, "[]").await.code(), 409);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn values_are_a_filter_of_explore(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let dataset = app.dataset(&ada, DatasetStatus::Ready).await;
    let asked = async |vql: Value| {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("vql", &vql.to_string())
            .finish();
        app.get(&format!("/api/v1/explore/{dataset}?{query}"), &ada)
            .await
            .code()
    };
    for right in [
        json!([{"custom_metadata": {"field": "weather", "op": "one_of", "value": ["rain", "sun"]}}]),
        json!([{"custom_metadata": {"field": "weather", "op": "contains", "value": "ai"}}]),
        json!([{"custom_metadata": {"field": "n", "op": "between", "min": -3, "max": 7.5}}]),
        json!([{"custom_metadata": {"field": "at", "op": "between", "from": "2026-03-31"}}]),
        json!([{"not": {"custom_metadata": {"field": "weather", "op": "set"}}}]),
    ] {
        assert_eq!(asked(right.clone()).await, 200, "{right}");
        let plan = app.read_side.asked.lock().unwrap().clone().unwrap();
        let is_ours = |filter: &Filter| {
            let filter = if let Filter::Not(inner) = filter {
                inner
            } else {
                filter
            };
            matches!(
                filter,
                Filter::Is(Leaf::CustomMetadata(CustomMetadata { .. }))
            )
        };
        assert!(is_ours(&plan.filters[0]), "{right}");
    }
    for wrong in [
        json!([{"custom_metadata": {"op": "set"}}]),
        json!([{"custom_metadata": {"field": "a", "op": "near"}}]),
        json!([{"custom_metadata": {"field": "a", "op": "between"}}]),
        json!([{"custom_metadata": {"field": "a", "op": "between", "min": 1, "from": "2026-03-31"}}]),
        json!([{"custom_metadata": {"field": "a", "op": "one_of", "value": []}}]),
    ] {
        assert_eq!(asked(wrong.clone()).await, 422, "{wrong}");
    }
}

/// What each test of the filter finds, asked of the table itself.
#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn values_of_every_type_are_compared_as_what_they_are(pool: PgPool) {
    use custom_fields::{CustomField, CustomValue, FieldType, ValueTest};
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let (dataset, media) = crate::media::picture(&app, &ada).await;
    let moment = "2026-03-31T16:47:19Z".parse().unwrap();
    let values = [
        (
            FieldType::String,
            CustomValue::Texts(vec!["Light Rain".to_owned()]),
        ),
        (
            FieldType::Enum,
            CustomValue::Texts(vec!["Low".to_owned(), "High".to_owned()]),
        ),
        (FieldType::Float, CustomValue::Number(23.5)),
        (FieldType::Datetime, CustomValue::Moment(moment)),
    ];
    let mut ids = Vec::new();
    for (field_type, value) in values {
        let field = CustomField {
            id: Uuid::now_v7(),
            name: field_type.as_str().to_owned(),
            field_type,
            enum_options: Vec::new(),
            is_multi: true,
            status: "INIT".to_owned(),
            inserted_rows: 0,
            error_count: 0,
            sample_errors: json!([]),
        };
        custom_fields::create(&app.pool, dataset, &field, ada.user.id)
            .await
            .unwrap();
        custom_fields::put(&app.pool, field.id, &[(media.as_uuid(), value)])
            .await
            .unwrap();
        ids.push(field.id);
    }
    let texts = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect());
    let table = [
        (
            0,
            ValueTest {
                any: texts(&["x", "Light Rain"]),
                ..Default::default()
            },
            true,
        ),
        (
            0,
            ValueTest {
                any: texts(&["light rain"]),
                ..Default::default()
            },
            false,
        ),
        (
            0,
            ValueTest {
                contains: Some("LIGHT r".to_owned()),
                ..Default::default()
            },
            true,
        ),
        (
            0,
            ValueTest {
                contains: Some("%".to_owned()),
                ..Default::default()
            },
            false,
        ),
        (0, ValueTest::default(), true),
        (
            1,
            ValueTest {
                all: texts(&["High", "Low"]),
                ..Default::default()
            },
            true,
        ),
        (
            1,
            ValueTest {
                all: texts(&["High", "Middle"]),
                ..Default::default()
            },
            false,
        ),
        (
            1,
            ValueTest {
                any: texts(&["High", "Middle"]),
                ..Default::default()
            },
            true,
        ),
        (
            2,
            ValueTest {
                least: Some(23.5),
                most: Some(23.5),
                ..Default::default()
            },
            true,
        ),
        (
            2,
            ValueTest {
                least: Some(23.6),
                ..Default::default()
            },
            false,
        ),
        (
            2,
            ValueTest {
                most: Some(-1.0),
                ..Default::default()
            },
            false,
        ),
        (
            3,
            ValueTest {
                from: Some(moment),
                ..Default::default()
            },
            true,
        ),
        (
            3,
            ValueTest {
                before: Some(moment),
                ..Default::default()
            },
            false,
        ),
    ];
    for (field, test, passes) in table {
        let found = custom_fields::ordinals(&app.pool, ids[field], &test)
            .await
            .unwrap();
        assert_eq!(found, if passes { vec![0] } else { vec![] }, "{test:?}");
    }
}
