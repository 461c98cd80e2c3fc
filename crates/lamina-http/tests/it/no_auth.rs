//! No-auth mode: everybody is the one implicit user, but only scripts, people and our own page get in (hardening P40).

use axum::body::Body;
use http::{Request, header};
use lamina_http::{AuthMode, HostList};
use lamina_store::Role;
use lamina_types::DatasetStatus;
use sqlx::PgPool;

use crate::app::{Answer, TestApp};

async fn open_app(pool: PgPool) -> TestApp {
    let auth = |user: &lamina_store::users::User| AuthMode::None {
        user: user.implicit_principal(),
        hosts: HostList::default(),
    };
    TestApp::with(pool, auth, |_| {}).await
}

async fn send(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut builder = Request::builder().uri(path);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    app.send(builder.body(Body::empty()).unwrap()).await
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn the_implicit_user_owns_everything_and_tokens_do_not_matter(pool: PgPool) {
    let app = open_app(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let id = app.dataset(&ada, DatasetStatus::Ready).await;
    let host = (header::HOST.as_str(), "localhost:2080");
    for authorization in ["", "Bearer invented.by.somebody", "Basic x"] {
        let headers = [host, (header::AUTHORIZATION.as_str(), authorization)];
        let list = send(&app, "/api/v1/datasets", &headers).await;
        assert_eq!(list.json().as_array().unwrap().len(), 1);
        assert_eq!(
            send(&app, &format!("/api/v1/dataset/{id}"), &headers)
                .await
                .code(),
            200
        );
    }
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn foreign_pages_and_rebound_names_change_nothing(pool: PgPool) {
    let app = open_app(pool).await;
    let create = "/api/v1/ingestion/new_dataset?dataset_name=x";
    let local = ("host", "127.0.0.1:2080");
    let shapes: [&[(&str, &str)]; 9] = [
        &[("host", "evil.test")],
        &[("host", "127.0.0.1.evil.test:2080")],
        &[],
        &[
            local,
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
        ],
        &[
            local,
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "no-cors"),
            ("sec-fetch-dest", "image"),
        ],
        &[local, ("sec-fetch-site", "same-site")],
        &[local, ("origin", "http://evil.test")],
        &[local, ("origin", "null")],
        &[local, ("origin", "http://127.0.0.1:9999")],
    ];
    for headers in shapes {
        assert_eq!(send(&app, create, headers).await.code(), 403, "{headers:?}");
    }
    assert_eq!(app.count("select count(*) from datasets").await, 0);
    for headers in [
        &[local][..],
        &[local, ("sec-fetch-site", "none")],
        &[
            local,
            ("sec-fetch-site", "same-origin"),
            ("origin", "http://127.0.0.1:2080"),
        ],
    ] {
        assert_eq!(send(&app, create, headers).await.code(), 200, "{headers:?}");
    }
    // Links are opened from notebooks, health is asked for by supervisors: any name will do.
    assert_eq!(
        send(&app, "/healthz", &[("host", "anything")]).await.status,
        200
    );
    assert_eq!(
        send(
            &app,
            "/media/a/b/c",
            &[("host", "x"), ("sec-fetch-site", "cross-site")]
        )
        .await
        .code(),
        404
    );
}
