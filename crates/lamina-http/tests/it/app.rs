//! The application under test: router, database, a folder of its own.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use lamina_http::{AppParts, AppState, AuthMode, HttpConfig, IngestRoots, LinkKeys, Readiness};
use lamina_store::datasets::{self, NewDataset};
use lamina_store::keys::{self, NewKey};
use lamina_store::users::{self, User};
use lamina_store::{BlobOptions, BlobStore, Role, Secrets};
use lamina_types::{DatasetId, DatasetStatus, ServeMode, SourceType, UserId};
use serde_json::Value;
use sqlx::PgPool;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::fake::FakeReadSide;
use crate::fake_models::FakeModels;

pub struct TestApp {
    pub router: Router,
    pub pool: PgPool,
    pub blobs: BlobStore,
    pub secrets: Arc<Secrets>,
    pub read_side: Arc<FakeReadSide>,
    pub models: Arc<FakeModels>,
    pub readiness: Readiness,
    /// A folder that may be ingested.
    pub photos: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

/// A user with a key.
pub struct TestUser {
    pub user: User,
    pub key: String,
    pub secret: String,
}

impl TestUser {
    pub fn token(&self) -> String {
        lamina_http::issue_token(&self.key, &self.secret, Duration::from_secs(600)).unwrap()
    }

    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.token())
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The status, after a look at what every failure must look like.
    pub fn code(&self) -> u16 {
        if self.status.is_client_error() || self.status.is_server_error() {
            let body = self.json();
            assert!(
                body["detail"].is_string() || (self.status == 422 && body["detail"].is_array()),
                "{body}"
            );
        }
        self.status.as_u16()
    }

    pub fn detail(&self) -> String {
        self.json()["detail"].as_str().unwrap().to_owned()
    }
}

impl TestApp {
    pub async fn new(pool: PgPool) -> Self {
        Self::with(pool, |_| AuthMode::Jwt, |_| {}).await
    }

    pub async fn with(
        pool: PgPool,
        auth: impl FnOnce(&User) -> AuthMode,
        change: impl FnOnce(&mut HttpConfig),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let photos = folder.path().canonicalize().unwrap().join("photos");
        fs_err::create_dir_all(&photos).unwrap();
        let secrets = Arc::new(Secrets::load_or_create(&folder.path().join("keys.json")).unwrap());
        let options = BlobOptions {
            margin_bytes: 0,
            margin_share: 0.0,
        };
        let blobs = BlobStore::open(folder.path().join("blobs"), options).unwrap();
        let first = users::create(&pool, UserId::new(), "first", None, Role::Admin)
            .await
            .unwrap();
        let mut config = HttpConfig::new(auth(&first));
        config.ingest_roots = IngestRoots::new([photos.clone()]).unwrap();
        change(&mut config);
        let readiness = Readiness::default();
        readiness.set_model(Ok(()));
        let read_side = Arc::new(FakeReadSide::default());
        let models = Arc::new(FakeModels::default());
        let state = AppState::new(AppParts {
            pool: pool.clone(),
            blobs: blobs.clone(),
            explorer: read_side.clone(),
            models: models.clone(),
            secrets: secrets.clone(),
            links: LinkKeys::of(&secrets).unwrap(),
            config,
            readiness: readiness.clone(),
            tasks: TaskTracker::new(),
        });
        let router = lamina_http::router(state);
        Self {
            router,
            pool,
            blobs,
            secrets,
            read_side,
            models,
            readiness,
            photos,
            _folder: folder,
        }
    }

    pub async fn user(&self, name: &str, role: Role) -> TestUser {
        let user = users::create(&self.pool, UserId::new(), name, None, role)
            .await
            .unwrap();
        let (key, secret) = keys::create(&self.pool, &self.secrets, user.id, &NewKey::default())
            .await
            .unwrap();
        TestUser {
            user,
            key: key.id,
            secret: secret.expose().to_owned(),
        }
    }

    /// A dataset in any status, without media.
    pub async fn dataset(&self, owner: &TestUser, status: DatasetStatus) -> DatasetId {
        let new = NewDataset {
            id: DatasetId::new(),
            owner_id: owner.user.id,
            display_name: "Road scenes".to_owned(),
            description: String::new(),
            source_type: SourceType::Upload,
            source_uri: String::new(),
            filename: None,
            serve_mode: ServeMode::Copy,
            status: DatasetStatus::Draft,
            source_dataset_id: None,
        };
        datasets::insert(&self.pool, &new).await.unwrap();
        sqlx::query("update datasets set status = $2, progress = case when $2 = 'READY' then 100 else 0 end where id = $1")
            .bind(new.id.as_uuid())
            .bind(status.as_str())
            .execute(&self.pool)
            .await
            .unwrap();
        new.id
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// As [`Self::send`], but of a stream that never ends only the head is taken.
    pub async fn send_for_head(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let kind = parts.headers.get(header::CONTENT_TYPE);
        let body = match kind {
            Some(kind) if kind == "text/event-stream" => Vec::new(),
            _ => body.collect().await.unwrap().to_bytes().to_vec(),
        };
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    pub async fn call(&self, method: &str, path: &str, caller: Option<&TestUser>) -> Answer {
        self.send(request(method, path, caller, Body::empty()))
            .await
    }

    pub async fn get(&self, path: &str, caller: &TestUser) -> Answer {
        self.call("GET", path, Some(caller)).await
    }

    pub async fn post_form(&self, path: &str, caller: &TestUser, form: &[(&str, &str)]) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let mut request = request("POST", path, Some(caller), Body::from(body));
        let kind = "application/x-www-form-urlencoded".parse().unwrap();
        request.headers_mut().insert(header::CONTENT_TYPE, kind);
        self.send(request).await
    }

    pub async fn post_json(&self, path: &str, caller: &TestUser, body: &Value) -> Answer {
        let mut request = request("POST", path, Some(caller), Body::from(body.to_string()));
        let kind = "application/json".parse().unwrap();
        request.headers_mut().insert(header::CONTENT_TYPE, kind);
        self.send(request).await
    }

    pub async fn post_parts(
        &self,
        path: &str,
        caller: Option<&TestUser>,
        parts: &[PartOf<'_>],
    ) -> Answer {
        let mut request = request("POST", path, caller, Body::from(multipart(parts)));
        let kind = format!("multipart/form-data; boundary={BOUNDARY}")
            .parse()
            .unwrap();
        request.headers_mut().insert(header::CONTENT_TYPE, kind);
        self.send(request).await
    }

    /// Number of rows that a query counts.
    pub async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }
}

pub fn request(method: &str, path: &str, caller: Option<&TestUser>, body: Body) -> Request<Body> {
    let mut builder = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "lamina.test:2080");
    if let Some(caller) = caller {
        builder = builder.header(header::AUTHORIZATION, caller.bearer());
    }
    builder.body(body).unwrap()
}

/// Field name, file name, content.
pub type PartOf<'a> = (&'a str, Option<&'a str>, &'a [u8]);

const BOUNDARY: &str = "a-boundary-that-does-not-occur";

pub fn multipart(parts: &[PartOf<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, file_name, content) in parts {
        let file = file_name.map_or_else(String::new, |file| format!("; filename=\"{file}\""));
        body.extend(
            format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n"
            )
            .bytes(),
        );
        body.extend_from_slice(content);
        body.extend(b"\r\n");
    }
    body.extend(format!("--{BOUNDARY}--\r\n").bytes());
    body
}

/// The smallest PNG: one grey pixel.
pub const PNG: &[u8] = &[
    0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, b'I', b'H', b'D', b'R', 0, 0, 0,
    1, 0, 0, 0, 1, 8, 0, 0, 0, 0, 0x3a, 0x7e, 0x9b, 0x55, 0, 0, 0, 10, b'I', b'D', b'A', b'T',
    0x78, 0x9c, 0x63, 0x68, 0, 0, 0, 0x82, 0, 0x81, 0x77, 0xcd, 0x72, 0xb6, 0, 0, 0, 0, b'I', b'E',
    b'N', b'D', 0xae, 0x42, 0x60, 0x82,
];
