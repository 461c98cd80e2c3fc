//! Signing in, and the accounts of people (contract 19, 20.1).

use axum::body::Body;
use http::{Request, header};
use lamina_store::{Role, accounts, keys};
use lamina_types::DatasetStatus;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::app::{Answer, TestApp, TestUser, request};

pub const USERS: &str = "/api/v1/keycloak/admin/users";

pub async fn json_call(
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
            !answer.text().contains("\"short\""),
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
