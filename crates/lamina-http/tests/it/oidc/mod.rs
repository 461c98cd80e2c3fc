//! Signing in through an identity provider (contract 19.4), against one that the test plays itself.

mod provider;

use std::sync::Arc;

use axum::body::Body;
use http::{Request, header};
use lamina_http::{AuthMode, Oidc, OidcConfig};
use lamina_store::accounts::{self, Profile};
use lamina_store::{Role, Secret, users};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::app::{Answer, TestApp};
use provider::{CLIENT, Provider, SECRET};

const LOGIN: &str = "/api/v1/oidc/login";

fn config(provider: &Provider, new_users: Option<Role>) -> OidcConfig {
    OidcConfig {
        issuer: provider.issuer.clone(),
        client_id: CLIENT.to_owned(),
        client_secret: Some(Secret::new(SECRET.to_owned())),
        ca_file: None,
        new_users,
    }
}

async fn app(pool: PgPool, provider: &Provider, new_users: Option<Role>) -> TestApp {
    let oidc = Oidc::new(config(provider, new_users)).unwrap();
    TestApp::with(
        pool,
        |_| AuthMode::Jwt,
        |config| config.oidc = Some(Arc::new(oidc)),
    )
    .await
}

async fn browse(app: &TestApp, path: &str, cookie: Option<&str>) -> Answer {
    let mut request = Request::builder()
        .uri(path)
        .header(header::HOST, "lamina.test:2080")
        // A browser that comes from the provider says so.
        .header("sec-fetch-site", "cross-site");
    if let Some(cookie) = cookie {
        request = request.header(header::COOKIE, cookie);
    }
    app.send(request.body(Body::empty()).unwrap()).await
}

fn location(answer: &Answer) -> &str {
    assert_eq!(answer.code(), 303);
    assert_eq!(answer.headers["cache-control"], "no-store");
    answer.headers["location"].to_str().unwrap()
}

/// The value of a cookie that is set.
fn cookie(answer: &Answer, name: &str) -> String {
    let all = answer.headers.get_all("set-cookie").iter();
    let mut all = all.map(|value| value.to_str().unwrap());
    let found = all.find(|text| text.starts_with(&format!("{name}=")));
    found.unwrap().split(';').next().unwrap().to_owned()
}

/// A sign-in that has begun: the cookie, and what the provider sends the browser back with.
struct Begun {
    cookie: String,
    code: String,
    state: String,
}

async fn begin(app: &TestApp, provider: &Provider, claims: Value) -> Begun {
    let answer = browse(app, LOGIN, None).await;
    let (code, state) = provider.let_in(location(&answer), claims);
    Begun {
        cookie: cookie(&answer, "OIDC"),
        code,
        state,
    }
}

async fn come_back(app: &TestApp, begun: &Begun) -> Answer {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("code", &begun.code)
        .append_pair("state", &begun.state)
        .finish();
    browse(
        app,
        &format!("/api/v1/oidc/callback?{query}"),
        Some(&begun.cookie),
    )
    .await
}

async fn sign_in(app: &TestApp, provider: &Provider, claims: Value) -> Answer {
    let begun = begin(app, provider, claims).await;
    come_back(app, &begun).await
}

fn ada() -> Value {
    json!({"sub": "7", "email": "ada@example.com", "email_verified": true, "preferred_username": "ada",
           "given_name": "Ada", "family_name": "Example"})
}

/// Who a session that was just given is.
async fn who(app: &TestApp, answer: &Answer) -> (String, String) {
    location(answer);
    let token = cookie(answer, "SESSION");
    let token = token.strip_prefix("SESSION=").unwrap();
    let user = lamina_store::sessions::live(&app.pool, token).await;
    let user = user.unwrap().unwrap();
    (user.name, user.role.as_str().to_owned())
}

async fn nothing_was_made(app: &TestApp) {
    let made = "select (select count(*) from sessions) + (select count(*) from identities) + count(*) - 1 from users";
    assert_eq!(app.count(made).await, 0);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn somebody_of_the_provider_gets_an_account_and_a_session(pool: PgPool) {
    let provider = Provider::start().await;
    let app = app(pool, &provider, Some(Role::Viewer)).await;
    let begun = browse(
        &app,
        &format!("{LOGIN}?next=/api/v1/datasets%3Fsort_by=date"),
        None,
    )
    .await;
    let set = begun.headers["set-cookie"].to_str().unwrap().to_owned();
    for part in [
        "Path=/api/v1/oidc",
        "Max-Age=600",
        "HttpOnly",
        "SameSite=Lax",
    ] {
        assert!(set.contains(part), "{set}");
    }
    let (code, state) = provider.let_in(location(&begun), ada());
    assert!(!set.contains(&state), "the cookie is sealed");
    let begun = Begun {
        cookie: format!("a=b; {}", cookie(&begun, "OIDC")),
        code,
        state,
    };
    let back = come_back(&app, &begun).await;
    assert_eq!(location(&back), "/api/v1/datasets?sort_by=date");
    assert_eq!(cookie(&back, "OIDC"), "OIDC=", "it is taken away");
    let session = cookie(&back, "SESSION");
    let request = Request::builder()
        .uri("/api/v1/datasets")
        .header(header::HOST, "lamina.test:2080")
        .header(header::COOKIE, session)
        .body(Body::empty())
        .unwrap();
    assert_eq!(app.send(request).await.code(), 200);
    assert_eq!(
        who(&app, &back).await,
        ("ada".to_owned(), "viewer".to_owned())
    );
    let made = users::by_name(&app.pool, "ada").await.unwrap().unwrap();
    assert_eq!(made.email.as_deref(), Some("ada@example.com"));
    assert_eq!(made.first_name.as_deref(), Some("Ada"));

    // The next time it is the same account, whatever else has changed at the provider.
    let changed = json!({"sub": "7", "email": "new@example.com", "preferred_username": "adele"});
    let again = sign_in(&app, &provider, changed).await;
    assert_eq!(location(&again), "/api/v1/docs");
    assert_eq!(who(&app, &again).await.0, "ada");
    assert_eq!(app.count("select count(*) from users").await, 2);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_sign_in_belongs_to_one_browser_and_comes_back_once(pool: PgPool) {
    let provider = Provider::start().await;
    let app = app(pool, &provider, Some(Role::Viewer)).await;
    let callback = |query: &str| format!("/api/v1/oidc/callback?{query}");
    let good = begin(&app, &provider, ada()).await;
    let other = begin(&app, &provider, ada()).await;
    let back = |code: &str, state: &str, cookie: &str| Begun {
        cookie: cookie.to_owned(),
        code: code.to_owned(),
        state: state.to_owned(),
    };
    for (wrong, code) in [
        (back(&good.code, "another", &good.cookie), 400),
        (back(&good.code, "", &good.cookie), 400),
        (back(&good.code, &good.state, "a=b"), 400),
        (back(&good.code, &good.state, "OIDC="), 400),
        (back(&good.code, &good.state, "OIDC=x.y.z"), 400),
        // The cookie of one sign-in with the state of another: somebody was sent a link.
        (back(&good.code, &good.state, &other.cookie), 400),
        (back("", &other.state, &other.cookie), 400),
    ] {
        assert_eq!(come_back(&app, &wrong).await.code(), code);
    }
    for query in ["", "code=x", "state=x", "state=%00&code=%FF"] {
        assert_eq!(
            browse(&app, &callback(query), None).await.code(),
            400,
            "{query}"
        );
    }
    nothing_was_made(&app).await;
    assert_eq!(come_back(&app, &good).await.code(), 303);
    let replayed = come_back(&app, &good).await;
    assert_eq!(replayed.code(), 400);
    assert!(replayed.headers.get("set-cookie").is_none());
    assert_eq!(app.count("select count(*) from sessions").await, 1);

    // A code that was stolen from another browser's sign-in does not pass: the verifier is another one.
    let (thief, victim) = (
        begin(&app, &provider, ada()).await,
        begin(&app, &provider, ada()).await,
    );
    let stolen = back(&victim.code, &thief.state, &thief.cookie);
    assert_eq!(come_back(&app, &stolen).await.code(), 401);

    let refused = begin(&app, &provider, ada()).await;
    let query = format!("state={}&error=access_denied", refused.state);
    let answer = browse(&app, &callback(&query), Some(&refused.cookie)).await;
    assert_eq!(answer.code(), 401);
    // A provider that was mixed up with another one (RFC 9207).
    let mixed = begin(&app, &provider, ada()).await;
    let query = format!("state={}&code=code/7&iss=https://evil.test", mixed.state);
    let answer = browse(&app, &callback(&query), Some(&mixed.cookie)).await;
    assert_eq!(answer.code(), 401);
    assert_eq!(app.count("select count(*) from sessions").await, 1);

    for next in ["https://evil.test/", "//evil.test", "/%5Cevil.test", "x"] {
        let answer = browse(&app, &format!("{LOGIN}?next={next}"), None).await;
        assert_eq!(answer.code(), 400, "{next}");
    }
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn what_the_provider_cannot_have_said_is_not_believed(pool: PgPool) {
    let provider = Provider::start().await;
    let app = app(pool, &provider, Some(Role::Viewer)).await;
    let now = chrono::Utc::now().timestamp();
    let claims: [(&str, Value); 9] = [
        ("nonce", json!("of another")),
        ("nonce", Value::Null),
        ("aud", json!("another")),
        ("aud", json!([CLIENT, "another"])),
        ("azp", json!("another")),
        ("exp", json!(now - 600)),
        ("iat", json!(now + 600)),
        ("iss", json!("https://evil.test")),
        ("sub", json!("")),
    ];
    for (name, value) in claims {
        let said = format!("{name} {value}");
        provider.lie(move |token| token.claims[name] = value.clone());
        let answer = sign_in(&app, &provider, ada()).await;
        assert_eq!(answer.code(), 401, "{said}");
        assert!(answer.headers.get("set-cookie").is_none(), "{said}");
    }
    let headers = [
        json!({"alg": "none"}),
        json!({"alg": "HS256", "kid": "current"}),
        json!({"alg": "RS256", "kid": "unknown"}),
        json!({"alg": "RS256", "kid": "current", "crit": ["x"]}),
    ];
    for header in headers {
        let said = header.to_string();
        provider.lie(move |token| {
            token.header = header.clone();
            if header["alg"] == "none" {
                token.signature = Some(Vec::new());
            }
        });
        assert_eq!(sign_in(&app, &provider, ada()).await.code(), 401, "{said}");
    }
    provider.lie(|token| token.signature = Some(vec![7; 256]));
    assert_eq!(sign_in(&app, &provider, ada()).await.code(), 401);
    nothing_was_made(&app).await;
    provider.tell_the_truth();
    assert_eq!(sign_in(&app, &provider, ada()).await.code(), 303);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn an_address_opens_an_account_once_and_only_if_it_is_vouched_for(pool: PgPool) {
    let provider = Provider::start().await;
    let app = app(pool, &provider, None).await;
    let profile = Profile {
        email: Some("Ada@Example.com".to_owned()),
        is_enabled: true,
        ..Profile::default()
    };
    let local = accounts::create(&app.pool, "countess", Role::Editor, &profile)
        .await
        .unwrap();
    // Nobody is made here, and nobody enters by an address that is only claimed.
    for claims in [
        json!({"sub": "1", "email": "nobody@example.com", "email_verified": true}),
        json!({"sub": "1", "email": "ada@example.com", "email_verified": false}),
        json!({"sub": "1", "email": "ada@example.com"}),
        json!({"sub": "1", "email": "countess", "email_verified": true}),
        json!({"sub": "1", "preferred_username": "countess"}),
    ] {
        assert_eq!(sign_in(&app, &provider, claims).await.code(), 403);
    }
    assert_eq!(app.count("select count(*) from identities").await, 0);
    let entered = sign_in(&app, &provider, ada()).await;
    assert_eq!(
        who(&app, &entered).await,
        ("countess".to_owned(), "editor".to_owned())
    );
    // Somebody else who was given the address at the provider.
    let mut heir = ada();
    heir["sub"] = json!("8");
    assert_eq!(sign_in(&app, &provider, heir.clone()).await.code(), 403);

    accounts::change(&app.pool, local.id, None, Some(false))
        .await
        .unwrap();
    assert_eq!(sign_in(&app, &provider, ada()).await.code(), 403);
    accounts::change(&app.pool, local.id, None, Some(true))
        .await
        .unwrap();
    assert_eq!(sign_in(&app, &provider, ada()).await.code(), 303);

    // An account that has ended stays so, until the operator makes another for the address.
    users::mark_deleted(&app.pool, local.id).await.unwrap();
    assert_eq!(sign_in(&app, &provider, ada()).await.code(), 403);
    accounts::create(&app.pool, "lovelace", Role::Viewer, &profile)
        .await
        .unwrap();
    let entered = sign_in(&app, &provider, ada()).await;
    assert_eq!(who(&app, &entered).await.0, "lovelace");
    assert_eq!(sign_in(&app, &provider, heir).await.code(), 403);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn names_that_are_taken_or_are_none_are_not_used(pool: PgPool) {
    let provider = Provider::start().await;
    let app = app(pool, &provider, Some(Role::Editor)).await;
    for (subject, liked, expected) in [
        ("1", "first", "1@example.com"),
        ("2", "a b c", "2@example.com"),
        ("3", "al", "3@example.com"),
        ("4", "grace\n", "4@example.com"),
        ("5", "grace", "grace"),
    ] {
        let claims = json!({"sub": subject, "preferred_username": liked, "email_verified": true,
                            "email": format!("{subject}@example.com"), "given_name": "\u{0}", "family_name": " "});
        let entered = sign_in(&app, &provider, claims).await;
        let found = who(&app, &entered).await;
        assert_eq!(found, (expected.to_owned(), "editor".to_owned()));
    }
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_provider_that_is_away_or_strange_lets_nobody_in(pool: PgPool) {
    let provider = Provider::start().await;
    let app = app(pool.clone(), &provider, Some(Role::Viewer)).await;
    let begun = begin(&app, &provider, ada()).await;
    provider.stop().await;
    let answer = come_back(&app, &begun).await;
    assert_eq!(answer.code(), 503);
    assert!(!answer.text().contains("127.0.0.1"), "{}", answer.text());
    nothing_was_made(&app).await;

    let login = async |oidc: Oidc| {
        let config = |config: &mut lamina_http::HttpConfig| config.oidc = Some(Arc::new(oidc));
        sqlx::query("delete from users")
            .execute(&pool)
            .await
            .unwrap();
        let app = TestApp::with(pool.clone(), |_| AuthMode::Jwt, config).await;
        browse(&app, LOGIN, None).await.code()
    };
    assert_eq!(
        login(Oidc::new(config(&provider, None)).unwrap()).await,
        503
    );
    for (name, value) in [
        ("issuer", "https://evil.test"),
        ("token_endpoint", "http://evil.test/token"),
        ("jwks_uri", "file:///etc/passwd"),
        ("authorization_endpoint", "javascript:alert(1)"),
    ] {
        let strange = Provider::start().await;
        strange.describe(name, value);
        let oidc = Oidc::new(config(&strange, None)).unwrap();
        assert_eq!(login(oidc).await, 503, "{name}");
    }
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn without_a_provider_there_is_nothing_to_sign_in_through(pool: PgPool) {
    let app = TestApp::new(pool).await;
    for path in [LOGIN, "/api/v1/oidc/callback?state=x&code=y"] {
        let answer = browse(&app, path, None).await;
        assert_eq!(answer.code(), 400);
        assert!(answer.detail().contains("no identity provider"));
    }
}
