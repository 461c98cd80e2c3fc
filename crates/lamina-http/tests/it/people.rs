//! Signing in, accounts, roles, sharing and switches (contract 13, 19, 20).

use axum::body::Body;
use http::{Request, header};
use lamina_http::{AuthMode, HostList};
use lamina_store::{Role, accounts, keys, passwords};
use lamina_types::DatasetStatus;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::app::{Answer, TestApp, TestUser, request};

const USERS: &str = "/api/v1/keycloak/admin/users";

async fn json_call(
    app: &TestApp,
    method: &str,
    path: &str,
    caller: &TestUser,
    body: Value,
) -> Answer {
    app.send(request(
        method,
        path,
        Some(caller),
        Body::from(body.to_string()),
    ))
    .await
}

async fn sign_in(app: &TestApp, name: &str, password: &str) -> Answer {
    let body = json!({"username": name, "password": password});
    app.send(request(
        "POST",
        "/api/v1/auth",
        None,
        Body::from(body.to_string()),
    ))
    .await
}

fn with(path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut builder = Request::builder()
        .uri(path)
        .header(header::HOST, "lamina.test:2080");
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Body::empty()).unwrap()
}

/// The admin, and an account of theirs with a password.
async fn with_password(app: &TestApp) -> (TestUser, String) {
    let admin = app.user("root", Role::Admin).await;
    let body = json!({"username": "ada", "password": "correct horse", "firstName": "Ada", "lastName": "Example",
                      "workspace_role": "editor", "email": "ada@example.com"});
    let made = json_call(app, "POST", USERS, &admin, body).await;
    assert_eq!(made.code(), 201);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    (admin, id)
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_password_opens_a_session_that_gives_one_key(pool: PgPool) {
    let app = TestApp::new(pool).await;
    with_password(&app).await;
    assert_eq!(sign_in(&app, "ada", "wrong horse").await.code(), 401);
    let unknown = sign_in(&app, "nobody", "wrong horse").await;
    assert_eq!(unknown.body, sign_in(&app, "ada", "wrong horse").await.body);
    assert_eq!(sign_in(&app, "ada", "").await.code(), 401);
    assert_eq!(app.call("POST", "/api/v1/auth", None).await.code(), 422);

    let signed_in = sign_in(&app, "ADA@example.com", "correct horse").await;
    assert_eq!(signed_in.code(), 200);
    assert_eq!(signed_in.headers["cache-control"], "no-store");
    let token = signed_in.json()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let cookie = signed_in.headers["set-cookie"].to_str().unwrap();
    assert!(
        cookie.starts_with(&format!("SESSION={token}; ")),
        "{cookie}"
    );
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"));
    let stored = app
        .count("select count(*) from sessions where encode(token_sha256, 'escape') like 'lms_%'")
        .await;
    assert_eq!(stored, 0, "the table does not hold tokens");

    // The cookie is as good as the token, but not when another site made the browser send it.
    let cookie = format!("a=b; SESSION={token}");
    let (credentials, bearer) = ("/api/v1/api_credentials", format!("Bearer {token}"));
    let first = app.send(with(credentials, &[("cookie", &cookie)])).await;
    assert_eq!(first.code(), 200);
    assert_eq!(first.headers["cache-control"], "no-store");
    let foreign = [
        ("cookie", cookie.as_str()),
        ("sec-fetch-site", "cross-site"),
    ];
    assert_eq!(app.send(with(credentials, &foreign)).await.code(), 401);
    let foreign = [("cookie", cookie.as_str()), ("origin", "https://evil.test")];
    assert_eq!(app.send(with(credentials, &foreign)).await.code(), 401);

    let first = first.json();
    let again = app
        .send(with(credentials, &[("authorization", &bearer)]))
        .await
        .json();
    assert_eq!(again["api_key"], first["api_key"]);
    assert_eq!(again["api_secret"], Value::Null, "shown once");
    let (key, secret) = (
        first["api_key"].as_str().unwrap(),
        first["api_secret"].as_str().unwrap(),
    );
    let jwt = lamina_http::issue_token(key, secret, std::time::Duration::from_secs(60)).unwrap();
    let jwt = format!("Bearer {jwt}");
    assert_eq!(
        app.send(with("/api/v1/datasets", &[("authorization", &jwt)]))
            .await
            .code(),
        200
    );
    assert_eq!(
        app.send(with(credentials, &[("authorization", &jwt)]))
            .await
            .code(),
        401,
        "a key makes no keys"
    );

    let mut out = with("/api/v1/auth", &[("cookie", &cookie)]);
    *out.method_mut() = http::Method::DELETE;
    let out = app.send(out).await;
    assert!(
        out.headers["set-cookie"]
            .to_str()
            .unwrap()
            .contains("Max-Age=0")
    );
    for headers in [
        ("cookie", cookie.as_str()),
        ("authorization", bearer.as_str()),
    ] {
        assert_eq!(
            app.send(with("/api/v1/datasets", &[headers])).await.code(),
            401
        );
    }
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn guessing_passwords_is_slowed_down(pool: PgPool) {
    let app = TestApp::new(pool).await;
    with_password(&app).await;
    for _ in 0..6 {
        assert_eq!(sign_in(&app, "ada", "wrong horse").await.code(), 401);
    }
    let slowed = sign_in(&app, "ada", "correct horse").await;
    assert_eq!(slowed.code(), 429);
    assert!(slowed.headers.contains_key("retry-after"));
    assert_eq!(
        sign_in(&app, "bob", "wrong horse").await.code(),
        401,
        "others need not wait"
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn accounts_are_made_changed_and_ended(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let (admin, ada) = with_password(&app).await;
    let path = format!("{USERS}/{ada}");
    let shown = app.get(&path, &admin).await.json();
    assert_eq!(
        (
            &shown["username"],
            &shown["firstName"],
            &shown["enabled"],
            &shown["roles"]
        ),
        (&json!("ada"), &json!("Ada"), &json!(true), &json!([]))
    );
    assert!(shown["createdTimestamp"].as_i64().unwrap() > 1_600_000_000_000);
    assert_eq!(shown["lastAccess"], Value::Null);
    let list = app
        .get(&format!("{USERS}?search=EXAMPLE&max_results=1"), &admin)
        .await
        .json();
    assert_eq!(
        (&list["total"], &list["users"][0]["id"]),
        (&json!(1), &json!(ada))
    );
    for (body, code) in [
        (json!({"username": "ada", "password": "long enough"}), 400),
        (json!({"username": "al", "password": "long enough"}), 422),
        (json!({"username": "a b c", "password": "long enough"}), 422),
        (json!({"username": "bert", "password": "short"}), 422),
        (json!({"username": "bert"}), 422),
        (
            json!({"username": "bert", "password": "long enough", "workspace_role": "king"}),
            422,
        ),
    ] {
        let answer = json_call(&app, "POST", USERS, &admin, body.clone()).await;
        assert_eq!(answer.code(), code, "{body}");
        assert!(
            !answer.text().contains("short\""),
            "a password is not repeated"
        );
    }

    // Whoever may not enter has neither session nor key.
    sign_in(&app, "ada", "correct horse").await;
    let user = accounts::by_address(&app.pool, "ada")
        .await
        .unwrap()
        .unwrap();
    let (key, secret) = keys::create(&app.pool, &app.secrets, user.id, &Default::default())
        .await
        .unwrap();
    let ada_user = TestUser {
        user,
        key: key.id,
        secret: secret.expose().to_owned(),
    };
    let dataset = app.dataset(&ada_user, DatasetStatus::Ready).await;
    let sessions = app.get(&format!("{path}/sessions"), &admin).await.json();
    assert_eq!(
        (&sessions["total"], &sessions["sessions"][0]["username"]),
        (&json!(1), &json!("ada"))
    );
    assert_eq!(sessions["sessions"][0]["clients"], json!({}));
    let out = app
        .call("POST", &format!("{path}/logout"), Some(&admin))
        .await
        .json();
    assert_eq!(out["message"], "User logged out successfully");
    assert_eq!(
        app.get(&format!("{path}/sessions"), &admin).await.json()["total"],
        0
    );
    assert_eq!(app.get("/api/v1/datasets", &ada_user).await.code(), 200);
    let off = json_call(&app, "PATCH", &path, &admin, json!({"enabled": false})).await;
    assert_eq!(off.json()["enabled"], false);
    assert_eq!(app.get("/api/v1/datasets", &ada_user).await.code(), 401);
    assert_eq!(sign_in(&app, "ada", "correct horse").await.code(), 401);
    json_call(
        &app,
        "PATCH",
        &path,
        &admin,
        json!({"enabled": true, "username": "adele"}),
    )
    .await;
    let reset = json_call(
        &app,
        "POST",
        &format!("{path}/reset-password"),
        &admin,
        json!({"password": "battery staple"}),
    )
    .await;
    assert_eq!(reset.json()["message"], "Password reset successfully");
    assert_eq!(sign_in(&app, "adele", "correct horse").await.code(), 401);
    assert_eq!(sign_in(&app, "adele", "battery staple").await.code(), 200);

    // Realm roles let others look, or manage those who are no admins.
    assert_eq!(app.get(USERS, &ada_user).await.code(), 403);
    let roles = json!({"roles": ["view-users", "king"]});
    let given = json_call(&app, "PUT", &format!("{path}/roles"), &admin, roles).await;
    assert_eq!(given.json()["roles"], json!(["view-users"]));
    assert_eq!(app.get(USERS, &ada_user).await.code(), 200);
    let own = json!({"roles": ["manage-users"]});
    assert_eq!(
        json_call(
            &app,
            "PUT",
            &format!("{path}/roles"),
            &ada_user,
            own.clone()
        )
        .await
        .code(),
        403
    );
    json_call(&app, "PUT", &format!("{path}/roles"), &admin, own).await;
    let root = format!("{USERS}/{}", admin.user.id);
    assert_eq!(
        json_call(&app, "PATCH", &root, &ada_user, json!({"enabled": false}))
            .await
            .code(),
        403
    );
    let body = json!({"username": "eve", "password": "long enough", "workspace_role": "admin"});
    assert_eq!(
        json_call(&app, "POST", USERS, &ada_user, body).await.code(),
        403
    );

    // Nobody ends themselves or the last admin; datasets go to whoever ends the account.
    assert_eq!(app.call("DELETE", &root, Some(&admin)).await.code(), 400);
    let ended = app.call("DELETE", &path, Some(&admin)).await.json();
    assert_eq!(ended["message"], "User deleted successfully");
    assert_eq!(app.get("/api/v1/datasets", &ada_user).await.code(), 401);
    assert_eq!(app.get(&path, &admin).await.code(), 404);
    let inherited = app.get(&format!("/api/v1/dataset/{dataset}"), &admin).await;
    assert_eq!(inherited.code(), 200);
}

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
