//! An identity provider of the test's own, that can be made to lie.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use axum::extract::{Form, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, StatusCode};
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::{RSA_PKCS1_SHA256, RsaPublicKeyComponents};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Made for tests, and used nowhere else.
const KEY: &[u8] = include_bytes!("key-of-tests.pk8");

pub const CLIENT: &str = "lamina";
pub const SECRET: &str = "s3cret of the client";

/// A token before it is signed, to be changed.
pub struct Token {
    pub header: Value,
    pub claims: Value,
    /// Instead of the signature.
    pub signature: Option<Vec<u8>>,
}

type Lie = Box<dyn Fn(&mut Token) + Send>;

/// Somebody whom the provider has let in.
struct Login {
    query: HashMap<String, String>,
    claims: Value,
}

struct Inner {
    issuer: OnceLock<String>,
    key: KeyPair,
    logins: Mutex<HashMap<String, Login>>,
    lie: Mutex<Option<Lie>>,
    description: Mutex<Value>,
}

pub struct Provider {
    pub issuer: String,
    inner: Arc<Inner>,
    stop: CancellationToken,
    running: TaskTracker,
}

impl Provider {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}/realms/a", listener.local_addr().unwrap());
        let inner = Arc::new(Inner {
            issuer: OnceLock::from(issuer.clone()),
            key: KeyPair::from_pkcs8(KEY).unwrap(),
            logins: Mutex::default(),
            lie: Mutex::default(),
            description: Mutex::new(json!({
                "issuer": issuer,
                "authorization_endpoint": format!("{issuer}/authorize?theme=dark"),
                "token_endpoint": format!("{issuer}/token"),
                "jwks_uri": format!("{issuer}/keys"),
            })),
        });
        let router = Router::new()
            .route("/realms/a/.well-known/openid-configuration", get(describe))
            .route("/realms/a/keys", get(keys))
            .route("/realms/a/token", post(token))
            .with_state(Arc::clone(&inner));
        let (stop, running) = (CancellationToken::new(), TaskTracker::new());
        let ended = stop.clone().cancelled_owned();
        running.spawn(async move {
            let served = axum::serve(listener, router).with_graceful_shutdown(ended);
            served.await.unwrap();
        });
        Self {
            issuer,
            inner,
            stop,
            running,
        }
    }

    /// Closes the port.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.running.close();
        self.running.wait().await;
    }

    /// Tokens are changed by this from now on.
    pub fn lie(&self, lie: impl Fn(&mut Token) + Send + 'static) {
        *self.inner.lie.lock().unwrap() = Some(Box::new(lie));
    }

    pub fn tell_the_truth(&self) {
        *self.inner.lie.lock().unwrap() = None;
    }

    /// Changes the description.
    pub fn describe(&self, name: &str, value: &str) {
        self.inner.description.lock().unwrap()[name] = json!(value);
    }

    /// Lets somebody in who came by this address; what the browser is sent back with.
    pub fn let_in(&self, location: &str, claims: Value) -> (String, String) {
        let (endpoint, query) = location.split_once("&").unwrap();
        assert_eq!(endpoint, format!("{}/authorize?theme=dark", self.issuer));
        let query: HashMap<String, String> = form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        for (name, value) in [
            ("response_type", "code"),
            ("client_id", CLIENT),
            ("code_challenge_method", "S256"),
            (
                "redirect_uri",
                "http://lamina.test:2080/api/v1/oidc/callback",
            ),
            ("scope", "openid email profile"),
        ] {
            assert_eq!(query[name], value);
        }
        let mut logins = self.inner.logins.lock().unwrap();
        let code = format!("code/{}+&", logins.len());
        let state = query["state"].clone();
        logins.insert(code.clone(), Login { query, claims });
        (code, state)
    }
}

async fn describe(State(inner): State<Arc<Inner>>) -> Json<Value> {
    Json(inner.description.lock().unwrap().clone())
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

async fn keys(State(inner): State<Arc<Inner>>) -> Json<Value> {
    let key: RsaPublicKeyComponents<Vec<u8>> = inner.key.public().into();
    Json(json!({"keys": [
        {"kty": "RSA", "kid": "current", "use": "sig", "n": encode(&key.n), "e": encode(&key.e)},
    ]}))
}

/// A code is good once, for the client, the address and the verifier it was asked for with.
async fn token(
    State(inner): State<Arc<Inner>>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let refuse =
        |status: StatusCode, error: &str| (status, Json(json!({"error": error}))).into_response();
    let expected = format!(
        "Basic {}",
        STANDARD.encode(format!("{CLIENT}:s3cret+of+the+client"))
    );
    if headers
        .get("authorization")
        .is_none_or(|sent| *sent != *expected)
    {
        return refuse(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    let login = inner.logins.lock().unwrap().remove(&form["code"]);
    let proven = encode(Sha256::digest(form["code_verifier"].as_bytes()));
    let login = login.filter(|login| {
        form["grant_type"] == "authorization_code"
            && form["redirect_uri"] == login.query["redirect_uri"]
            && proven == login.query["code_challenge"]
    });
    let Some(login) = login else {
        return refuse(StatusCode::BAD_REQUEST, "invalid_grant");
    };
    let now = chrono::Utc::now().timestamp();
    let mut claims = json!({"iss": inner.issuer.get().unwrap(), "aud": CLIENT, "exp": now + 300, "iat": now,
                            "nonce": login.query["nonce"]});
    for (name, value) in login.claims.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let mut token = Token {
        header: json!({"alg": "RS256", "kid": "current"}),
        claims,
        signature: None,
    };
    if let Some(lie) = &*inner.lie.lock().unwrap() {
        lie(&mut token);
    }
    Json(json!({"access_token": "x", "token_type": "Bearer", "id_token": sign(&inner.key, token)}))
        .into_response()
}

fn sign(key: &KeyPair, token: Token) -> String {
    let message = format!(
        "{}.{}",
        encode(token.header.to_string()),
        encode(token.claims.to_string())
    );
    let signature = token.signature.unwrap_or_else(|| {
        let mut signature = vec![0; key.public().modulus_len()];
        let random = SystemRandom::new();
        key.sign(
            &RSA_PKCS1_SHA256,
            &random,
            message.as_bytes(),
            &mut signature,
        )
        .unwrap();
        signature
    });
    format!("{message}.{}", encode(signature))
}
