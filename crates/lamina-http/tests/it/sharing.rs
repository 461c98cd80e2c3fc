//! Roles, sharing and switches (contract 13, 20.2, 20.3).

use lamina_http::{AuthMode, HostList};
use lamina_store::{Role, passwords};
use lamina_types::DatasetStatus;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::app::{TestApp, TestUser};
use crate::people::{USERS, json_call};

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn there_is_one_admin_and_roles_count_at_once(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let (root, ada, vic) = (
        app.user("root", Role::Admin).await,
        app.user("ada", Role::Editor).await,
        app.user("vic", Role::Editor).await,
    );
    let role = |user: &TestUser| format!("/api/v1/workspace/members/{}/role", user.user.id);
    let only = "00000000-0000-0000-0000-000000000001";
    let list = app.get("/api/v1/workspaces", &ada).await.json();
    assert_eq!(
        (
            &list["workspaces"][0]["id"],
            &list["workspaces"][0]["organization_id"]
        ),
        (&json!(only), &json!(only))
    );
    assert_eq!(
        list["workspaces"][0]["permissions"]["can_create_dataset"],
        true
    );
    assert_eq!(
        list["workspaces"][0]["permissions"]["can_edit_roles"],
        false
    );
    assert_eq!(
        app.get(&format!("/api/v1/workspaces/{only}"), &ada)
            .await
            .json(),
        list["workspaces"][0]
    );
    assert_eq!(app.get("/api/v1/workspaces/x", &ada).await.code(), 404);
    assert_eq!(
        app.get(&format!("/api/v1/organizations/{only}"), &ada)
            .await
            .json()["name"],
        "Default Organization"
    );
    assert_eq!(
        app.get("/api/v1/workspace/settings/access", &ada)
            .await
            .json(),
        json!({"can_access": true, "can_manage": false, "role": "editor"})
    );

    // The datasets of somebody who may only look from now on go to the admin.
    let dataset = app.dataset(&vic, DatasetStatus::Ready).await;
    let draft = app.dataset(&vic, DatasetStatus::Draft).await;
    let busy = app.dataset(&vic, DatasetStatus::Indexing).await;
    let viewer = json!({"role": "viewer"});
    assert_eq!(
        json_call(&app, "PUT", &role(&vic), &root, viewer.clone())
            .await
            .code(),
        409
    );
    sqlx::query("update datasets set status = 'ERROR' where id = $1")
        .bind(busy.as_uuid())
        .execute(&app.pool)
        .await
        .unwrap();
    let changed = json_call(&app, "PUT", &role(&vic), &root, viewer)
        .await
        .json();
    assert_eq!(
        (&changed["role"], &changed["username"]),
        (&json!("viewer"), &json!("vic"))
    );
    assert_eq!(
        app.get("/api/v1/ingestion/new_dataset?dataset_name=x", &vic)
            .await
            .code(),
        403
    );
    assert_eq!(
        app.get(&format!("/api/v1/dataset/{dataset}"), &vic)
            .await
            .code(),
        404
    );
    assert_eq!(
        app.get(&format!("/api/v1/dataset/{dataset}"), &root)
            .await
            .code(),
        200
    );
    assert_eq!(
        app.get(&format!("/api/v1/dataset/{draft}"), &root)
            .await
            .code(),
        404
    );

    assert_eq!(
        json_call(&app, "PUT", &role(&root), &root, json!({"role": "editor"}))
            .await
            .code(),
        400
    );
    assert_eq!(
        json_call(&app, "PUT", &role(&ada), &ada, json!({"role": "admin"}))
            .await
            .code(),
        403
    );
    json_call(&app, "PUT", &role(&ada), &root, json!({"role": "admin"})).await;
    assert_eq!(
        app.get("/api/v1/workspace/members", &root).await.code(),
        403,
        "the old admin is an editor"
    );
    let members = app.get("/api/v1/workspace/members", &ada).await.json();
    let admins: Vec<&Value> = members["members"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["role"] == "admin")
        .collect();
    assert_eq!(admins.len(), 1);
    assert_eq!(admins[0]["username"], "ada");
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn datasets_are_shared_withdrawn_and_made_public(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let (ada, bob) = (
        app.user("ada", Role::Editor).await,
        app.user("bob", Role::Editor).await,
    );
    sqlx::query("update users set email = name || '@example.com' where name in ('ada', 'bob')")
        .execute(&app.pool)
        .await
        .unwrap();
    let id = app.dataset(&ada, DatasetStatus::Ready).await;
    let (look, invite, share) = (
        format!("/api/v1/dataset/{id}"),
        format!("/api/v1/manage/{id}/invite"),
        format!("/api/v1/manage/{id}/share"),
    );
    let to = |address: &str| json!({"grant_to_user_email": address});
    assert_eq!(
        json_call(&app, "PUT", &invite, &ada, to("carl@example.com"))
            .await
            .code(),
        404
    );
    for _ in 0..2 {
        let shared = json_call(&app, "PUT", &invite, &ada, to("BOB@example.com")).await;
        assert_eq!((shared.code(), shared.text()), (200, "null"));
    }
    assert_eq!(app.get(&look, &bob).await.code(), 200);
    let people = app.get(&share, &bob).await.json();
    assert_eq!(
        people,
        json!([{"email": "ada@example.com", "role": "owner"}, {"email": "bob@example.com", "role": "viewer"}])
    );
    assert_eq!(
        json_call(&app, "PUT", &invite, &bob, to("ada@example.com"))
            .await
            .code(),
        403,
        "a viewer shares nothing"
    );
    let tags = format!("{look}/tags");
    assert_eq!(
        app.post_json(&tags, &bob, &json!({"name": "x"}))
            .await
            .code(),
        403
    );
    json_call(
        &app,
        "PUT",
        &invite,
        &ada,
        json!({"grant_to_user_email": "bob", "role": "editor"}),
    )
    .await;
    assert_eq!(
        app.post_json(&tags, &bob, &json!({"name": "x"}))
            .await
            .code(),
        201
    );

    let epoch = "select link_epoch::bigint from datasets";
    let before = app.count(epoch).await;
    assert_eq!(
        json_call(&app, "DELETE", &share, &ada, to("bob@example.com"))
            .await
            .code(),
        200
    );
    assert_eq!(app.get(&look, &bob).await.code(), 404);
    assert!(app.count(epoch).await > before, "links end with the share");
    assert_eq!(
        json_call(&app, "DELETE", &share, &ada, to("bob@example.com"))
            .await
            .code(),
        404
    );
    assert_eq!(
        app.post_form(
            &format!("{look}/share"),
            &ada,
            &[("user_email", "bob@example.com")]
        )
        .await
        .code(),
        200
    );
    assert_eq!(app.get(&look, &bob).await.code(), 200);

    let public = format!("/api/v1/manage/{id}/public");
    assert_eq!(app.call("GET", &look, None).await.code(), 401);
    assert_eq!(
        json_call(&app, "PUT", &public, &ada, json!({"is_public": true}))
            .await
            .code(),
        200
    );
    assert_eq!(app.call("GET", &look, None).await.code(), 200);
    json_call(&app, "PUT", &public, &ada, json!({"is_public": false})).await;
    assert_eq!(app.call("GET", &look, None).await.code(), 401);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn what_is_switched_off_is_refused(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let (root, ada) = (
        app.user("root", Role::Admin).await,
        app.user("ada", Role::Editor).await,
    );
    let id = app.dataset(&ada, DatasetStatus::Ready).await;
    let settings = "/api/v1/admin/settings";
    let read = |key: &'static str| format!("{settings}?key={key}");
    assert_eq!(
        app.get(&read("DELETE-DATASET-ENABLED"), &root).await.json(),
        json!({"value": "true"})
    );
    assert_eq!(
        app.get(&read("VL_CHAT_ENABLED"), &root).await.json(),
        json!({"value": "false"})
    );
    assert_eq!(app.get(&read("NONSENSE"), &root).await.code(), 400);
    assert_eq!(app.get(&read("ADD_MEDIA_ENABLED"), &ada).await.code(), 403);
    for key in ["DELETE_DATASET_ENABLED", "DATASET-SHARE-ENABLED"] {
        let off = app
            .post_json(settings, &root, &json!({"key": key, "value": false}))
            .await;
        assert_eq!(off.json(), json!({"value": "false"}));
    }
    assert_eq!(
        app.post_json(
            settings,
            &root,
            &json!({"key": "ADD_MEDIA_ENABLED", "value": 7})
        )
        .await
        .code(),
        400
    );
    assert_eq!(
        app.post_json(
            settings,
            &root,
            &json!({"key": "VL_CHAT_ENABLED", "value": true})
        )
        .await
        .code(),
        400
    );
    assert_eq!(
        app.get(&read("LOG_LEVEL"), &root).await.json(),
        json!({"value": "INFO"})
    );
    for (value, code) in [
        (json!("warning"), 200),
        (json!("loud"), 400),
        (json!(true), 400),
    ] {
        let body = json!({"key": "LOG_LEVEL", "value": value});
        assert_eq!(app.post_json(settings, &root, &body).await.code(), code);
    }
    assert_eq!(
        app.get(&read("log-level"), &root).await.code(),
        400,
        "names are upper case"
    );
    assert_eq!(
        app.get(&read("LOG-LEVEL"), &root).await.json(),
        json!({"value": "WARNING"})
    );
    let delete = format!("/api/v1/dataset/{id}");
    assert_eq!(app.call("DELETE", &delete, Some(&ada)).await.code(), 403);
    let invite = format!("/api/v1/manage/{id}/invite");
    let body = json!({"grant_to_user_email": "root"});
    assert_eq!(
        json_call(&app, "PUT", &invite, &ada, body.clone())
            .await
            .code(),
        403
    );
    assert_eq!(
        json_call(&app, "PUT", &invite, &root, body).await.code(),
        404,
        "what is not yours is unknown first"
    );
    app.post_json(
        settings,
        &root,
        &json!({"key": "DELETE_DATASET_ENABLED", "value": "True"}),
    )
    .await;
    assert_eq!(app.call("DELETE", &delete, Some(&ada)).await.code(), 200);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn without_authentication_there_are_no_users_to_manage(pool: PgPool) {
    let auth = |user: &lamina_store::users::User| AuthMode::None {
        user: user.implicit_principal(),
        hosts: HostList::new(["lamina.test".to_owned()]),
    };
    let app = TestApp::with(pool, auth, |_| {}).await;
    assert_eq!(app.call("GET", USERS, None).await.code(), 403);
    let access = app
        .call("GET", "/api/v1/workspace/settings/access", None)
        .await
        .json();
    assert_eq!(access["role"], "admin");
    assert_eq!(
        app.call("GET", "/api/v1/admin/settings?key=ADD_MEDIA_ENABLED", None)
            .await
            .code(),
        200
    );
    let hash = passwords::hash(&lamina_store::Secret::new("correct horse".to_owned())).unwrap();
    assert!(hash.starts_with("$argon2id$"));
}
