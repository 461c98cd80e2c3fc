//! Contract 2: models, context, runs that begin, stand and are stopped.

use lamina_store::enrichment::{self, AppliedModel};
use lamina_store::shares::{self, ShareRole};
use lamina_store::{Role, datasets};
use lamina_types::{DatasetId, DatasetStatus, SpaceKey};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::app::{Answer, TestApp, TestUser};

fn captions() -> Value {
    json!({"enrichment_models": {"CAPTION_IMAGES": "vl_image_captioner_v00"}})
}

async fn ask(app: &TestApp, id: DatasetId, caller: &TestUser, body: &Value) -> Answer {
    let path = format!("/api/v1/dataset/{id}/enrich_dataset");
    app.post_json(&path, caller, body).await
}

async fn status_of(app: &TestApp, id: &str, caller: &TestUser) -> Value {
    let found = app.get(&format!("/api/v1/dataset/{id}"), caller).await;
    found.json()
}

async fn context_of(app: &TestApp, id: &str, caller: &TestUser) -> Value {
    let path = format!("/api/v1/enrichment/{id}/context");
    app.get(&path, caller).await.json()
}

async fn apply(app: &TestApp, id: DatasetId, kind: &str, package: &str) {
    let model = AppliedModel {
        enrichment_type: kind.to_owned(),
        slot: "some_slot".to_owned(),
        key: SpaceKey {
            package: package.to_owned(),
            parameters: String::new(),
        },
    };
    enrichment::put_applied(&app.pool, id, &model)
        .await
        .unwrap();
}

/// The steps of the newest job.
async fn steps(app: &TestApp) -> Vec<(String, String, String)> {
    let sql =
        "select spec -> 'steps' from jobs where kind = 'enrich' order by created_at desc limit 1";
    let steps: Value = sqlx::query_scalar(sql).fetch_one(&app.pool).await.unwrap();
    let text = |step: &Value, name: &str| step[name].as_str().unwrap().to_owned();
    let steps = steps.as_array().unwrap();
    steps
        .iter()
        .map(|step| {
            (
                text(step, "enrichment_type"),
                text(&step["key"], "package"),
                text(&step["key"], "parameters"),
            )
        })
        .collect()
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn models_are_listed_with_the_ids_of_the_contract(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let id = app.dataset(&ada, DatasetStatus::Indexing).await;
    app.models
        .missing
        .lock()
        .unwrap()
        .push("vl_image_tagger_v00".to_owned());
    let path = format!("/api/v1/enrichment/{id}/list_models");
    let listed = app.get(&path, &ada).await.json();
    let listed = listed.as_array().unwrap();
    let seen: Vec<(&str, &str, &str)> = listed
        .iter()
        .map(|model| {
            (
                model["id"].as_str().unwrap(),
                model["type"].as_str().unwrap(),
                model["status"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("vl_image_captioner_v00", "CAPTION_IMAGES", "Active"),
            ("vl_object_detector_v00", "OBJECT_DETECTION", "Active"),
            ("vl_object_captioner_v00", "CAPTION_OBJECTS", "Active"),
            ("vl_image_tagger_v00", "IMAGE_TAGGING", "Coming Soon"),
            (
                "DFN5B-CLIP-ViT-H-14-384-images",
                "MULTIMODEL_IMAGE_ENCODING",
                "Active"
            ),
            (
                "vl_object_encoder_v00",
                "MULTIMODEL_OBJECT_ENCODING",
                "Active"
            ),
        ]
    );
    assert_eq!(listed[0]["dependencies"], Value::Null);
    assert_eq!(listed[2]["dependencies"], json!(["OBJECT_DETECTION"]));
    for model in listed {
        assert_eq!(model["vendor"], "VL");
        assert_eq!(model.as_object().unwrap().len(), 7);
    }
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_run_takes_the_source_and_answers_with_a_copy(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let source = app.dataset(&ada, DatasetStatus::Ready).await;
    let answer = ask(&app, source, &ada, &captions()).await;
    assert_eq!(answer.code(), 200);
    let body = answer.json();
    assert_eq!(body.as_object().unwrap().len(), 1);
    let copy = body["dataset_id"].as_str().unwrap();

    let shown = status_of(&app, copy, &ada).await;
    assert_eq!(shown["status_new"], "INDEXING");
    assert_eq!(shown["status"], "ENRICHING");
    assert_eq!(shown["source_dataset_id"], source.to_string());
    assert_eq!(shown["display_name"], "Road scenes (enriched)");
    let shown = status_of(&app, &source.to_string(), &ada).await;
    assert_eq!(
        (&shown["status_new"], &shown["progress"]),
        (&json!("READ ONLY"), &json!(100))
    );
    assert_eq!(
        steps(&app).await,
        [(
            "CAPTION_IMAGES".to_owned(),
            "vl_image_captioner_v00@1".to_owned(),
            String::new()
        )]
    );
    let listed = app.get("/api/v1/datasets", &ada).await.json();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    // Both are taken: neither can be deleted nor enriched again.
    for id in [copy, &source.to_string()] {
        let path = format!("/api/v1/dataset/{id}");
        assert_eq!(app.call("DELETE", &path, Some(&ada)).await.code(), 409);
    }
    assert_eq!(ask(&app, source, &ada, &captions()).await.code(), 409);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn of_fifty_identical_requests_one_is_granted(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let source = app.dataset(&ada, DatasetStatus::Ready).await;
    let body = captions();
    let asked = (0..50).map(|_| ask(&app, source, &ada, &body));
    let mut codes: Vec<u16> = futures::future::join_all(asked)
        .await
        .iter()
        .map(Answer::code)
        .collect();
    codes.sort_unstable();
    assert_eq!(codes[0], 200);
    assert!(codes[1..].iter().all(|code| *code == 409), "{codes:?}");
    assert_eq!(app.count("select count(*) from datasets").await, 2);
    assert_eq!(app.count("select count(*) from jobs").await, 1);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn what_is_not_available_is_said_and_nothing_begins(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let source = app.dataset(&ada, DatasetStatus::Ready).await;
    app.models
        .missing
        .lock()
        .unwrap()
        .push("vl_image_tagger_v00".to_owned());
    let of = |kind: &str, model: &str| {
        let mut models = serde_json::Map::new();
        models.insert(kind.to_owned(), json!(model));
        json!({ "enrichment_models": models })
    };
    let bad = [
        json!({}),
        json!({"enrichment_models": {}}),
        json!("text"),
        of("CAPTION_IMAGES", "nobody_knows_me"),
        of("CAPTION_IMAGES", "vl_object_detector_v00"),
        of("FACE_DETECTION", "vl_face_v00"),
        of("IMAGE_TAGGING", "vl_image_tagger_v00"),
    ];
    for body in bad {
        let answer = ask(&app, source, &ada, &body).await;
        assert_eq!(answer.code(), 422, "{body}");
        assert!(answer.json()["detail"].is_array(), "{body}");
    }
    let path = format!("/api/v1/dataset/{source}/enrich_dataset");
    let broken = app
        .send(crate::app::request(
            "POST",
            &path,
            Some(&ada),
            axum::body::Body::from("{\"enrichment_models\":"),
        ))
        .await;
    assert_eq!(broken.code(), 422);
    assert_eq!(broken.json()["detail"][0]["type"], "json_invalid");
    // A wrong body is told before a wrong state.
    let indexing = app.dataset(&ada, DatasetStatus::Indexing).await;
    assert_eq!(ask(&app, indexing, &ada, &json!({})).await.code(), 422);
    assert_eq!(ask(&app, indexing, &ada, &captions()).await.code(), 409);
    assert_eq!(app.count("select count(*) from jobs").await, 0);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_dependency_is_applied_or_asked_for_as_well(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let source = app.dataset(&ada, DatasetStatus::Ready).await;
    let objects = json!({"enrichment_models": {"CAPTION_OBJECTS": "vl_object_captioner_v00"}});
    let refused = ask(&app, source, &ada, &objects).await;
    assert_eq!(refused.code(), 409);
    assert!(refused.detail().contains("OBJECT_DETECTION"));
    assert_eq!(
        status_of(&app, &source.to_string(), &ada).await["status_new"],
        "READY"
    );

    let both = json!({"enrichment_models": {
        "CAPTION_OBJECTS": "vl_object_captioner_v00", "OBJECT_DETECTION": "vl_object_detector_v00"}});
    assert_eq!(ask(&app, source, &ada, &both).await.code(), 200);
    let kinds: Vec<String> = steps(&app).await.into_iter().map(|step| step.0).collect();
    assert_eq!(kinds, ["OBJECT_DETECTION", "CAPTION_OBJECTS"]);

    let second = app.dataset(&ada, DatasetStatus::Ready).await;
    apply(&app, second, "OBJECT_DETECTION", "detector@1").await;
    assert_eq!(ask(&app, second, &ada, &objects).await.code(), 200);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn new_objects_are_described_again_by_what_described_the_old_ones(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let source = app.dataset(&ada, DatasetStatus::Ready).await;
    apply(&app, source, "OBJECT_DETECTION", "detector@1").await;
    apply(&app, source, "CAPTION_OBJECTS", "old-captioner@1").await;
    apply(&app, source, "MULTIMODEL_OBJECT_ENCODING", "gone@0").await;
    let again = json!({"enrichment_models": {"OBJECT_DETECTION": "vl_object_detector_v00"}});
    assert_eq!(ask(&app, source, &ada, &again).await.code(), 200);
    let packages: Vec<String> = steps(&app).await.into_iter().map(|step| step.1).collect();
    assert_eq!(
        packages,
        [
            "vl_object_detector_v00@1",
            "old-captioner@1",
            "vl_object_encoder_v00@1"
        ]
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_prompt_is_part_of_what_outputs_are_kept_under(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let source = app.dataset(&ada, DatasetStatus::Ready).await;
    let beams = serde_json::from_value(json!({"beams": 3})).unwrap();
    app.models
        .parameters
        .lock()
        .unwrap()
        .insert("vl_image_captioner_v00".to_owned(), beams);
    let body = json!({"enrichment_models": {
        "CAPTION_IMAGES": {"id": "vl_image_captioner_v00", "metadata": {"prompt": "What is it?", "x": 1}},
        "IMAGE_TAGGING": {"id": "vl_image_tagger_v00", "metadata": {"prompt": "ignored"}},
    }});
    assert_eq!(ask(&app, source, &ada, &body).await.code(), 200);
    let parameters: Vec<String> = steps(&app).await.into_iter().map(|step| step.2).collect();
    assert_eq!(parameters, [r#"{"beams":3,"prompt":"What is it?"}"#, ""]);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_run_stands_and_is_stopped_by_either_dataset(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let source = app.dataset(&ada, DatasetStatus::Ready).await.to_string();
    let context = context_of(&app, &source, &ada).await;
    assert_eq!(context["status"], "NEW");
    let of_source = context["enrichment_context_id"].as_str().unwrap();
    let status =
        |dataset: &str, context: &str| format!("/api/v1/enrichment/{dataset}/{context}/status");
    let abort =
        |dataset: &str, context: &str| format!("/api/v1/enrichment/{dataset}/{context}/abort");
    let seen = app.get(&status(&source, of_source), &ada).await.json();
    assert_eq!(seen, json!({"status": "NEW", "progress": 0}));
    let idle = app
        .call("DELETE", &abort(&source, of_source), Some(&ada))
        .await;
    assert_eq!(idle.code(), 409);

    let id: DatasetId = source.parse().unwrap();
    let copy = ask(&app, id, &ada, &captions()).await.json()["dataset_id"]
        .as_str()
        .unwrap()
        .to_owned();
    datasets::set_progress(&app.pool, copy.parse().unwrap(), 42.9)
        .await
        .unwrap();
    let of_copy = context_of(&app, &copy, &ada).await;
    assert_eq!(of_copy["status"], "IN_PROGRESS");
    let of_copy = of_copy["enrichment_context_id"].as_str().unwrap();
    let running = json!({"status": "IN_PROGRESS", "progress": 42});
    for (dataset, context) in [(&copy, of_copy), (&source, of_source)] {
        assert_eq!(
            app.get(&status(dataset, context), &ada).await.json(),
            running
        );
    }
    for wrong in [status(&copy, of_source), status(&source, "nonsense")] {
        assert_eq!(app.get(&wrong, &ada).await.code(), 404);
    }

    let stopped = app
        .call("DELETE", &abort(&source, of_source), Some(&ada))
        .await;
    assert_eq!(stopped.json(), json!({"status": "ABORTED"}));
    let shown = status_of(&app, &copy, &ada).await;
    assert_eq!(shown["status_new"], "ERROR");
    assert!(shown["fatal_error_msg"].as_str().unwrap().contains("abort"));
    assert_eq!(status_of(&app, &source, &ada).await["status_new"], "READY");
    assert_eq!(
        app.get(&status(&copy, of_copy), &ada).await.json()["status"],
        "ABORTED"
    );
    let again = app.call("DELETE", &abort(&copy, of_copy), Some(&ada)).await;
    assert_eq!(again.code(), 409);
    assert_eq!(
        app.call("DELETE", &format!("/api/v1/dataset/{copy}"), Some(&ada))
            .await
            .code(),
        200
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn viewers_look_and_editors_enrich_and_see_what_they_made(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let (ada, bob, eve) = (
        app.user("ada", Role::Editor).await,
        app.user("bob", Role::Editor).await,
        app.user("eve", Role::Editor).await,
    );
    let source = app.dataset(&ada, DatasetStatus::Ready).await;
    let access = datasets::access(&app.pool, Some(&ada.user.principal()), source)
        .await
        .unwrap()
        .unwrap();
    for (user, role) in [(&bob, ShareRole::Editor), (&eve, ShareRole::Viewer)] {
        shares::put(&app.pool, &access, user.user.id, role)
            .await
            .unwrap();
    }
    assert_eq!(ask(&app, source, &eve, &captions()).await.code(), 403);
    let copy = ask(&app, source, &bob, &captions()).await.json();
    let copy = copy["dataset_id"].as_str().unwrap();
    // Pictures are the owner's, so the copy is theirs, and who had access to the source has it to the copy.
    let shown = status_of(&app, copy, &bob).await;
    assert_eq!(shown["created_by"], ada.user.id.to_string());
    assert_eq!(status_of(&app, copy, &eve).await["status_new"], "INDEXING");
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn samples_have_the_shape_of_their_type(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let id = app.dataset(&ada, DatasetStatus::Ready).await.to_string();
    let context = context_of(&app, &id, &ada).await;
    let context = context["enrichment_context_id"].as_str().unwrap();
    let path = format!("/api/v1/enrichment/{id}/{context}/previews_enrichment_result");
    let answer = app.post_json(&path, &ada, &captions()).await;
    assert_eq!(answer.code(), 200);
    let shown = &answer.json()["previews"][0];
    assert_eq!(
        shown["results"]["CAPTION_IMAGES"],
        json!({"caption": "a red van"})
    );
    assert_eq!(
        shown["results"]["OBJECT_DETECTION"],
        json!([{"label": "car", "confidence": 0.5, "bounding_box": {"x": 0.1, "y": 0.2, "width": 0.5, "height": 0.4}}])
    );
    assert!(shown["media_uri"].as_str().unwrap().starts_with("http"));
    assert_eq!(app.models.sampled.lock().unwrap().len(), 1);
    assert_eq!(app.post_json(&path, &ada, &json!({})).await.code(), 422);
    let objects = json!({"enrichment_models": {"CAPTION_OBJECTS": "vl_object_captioner_v00"}});
    assert_eq!(app.post_json(&path, &ada, &objects).await.code(), 409);
}
