//! Signing in and out, and the credentials of whoever is signed in (contract 19).

use axum::extract::{ConnectInfo, FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use lamina_api::{ApiCredentials, ErrorBody, Message, SignedIn};
use lamina_store::keys::{self, NewKey};
use lamina_store::{Secret, sessions};
use std::net::SocketAddr;

use crate::ApiError;
use crate::auth::session::{LIFE, set_cookie, token_of};
use crate::auth::{AuthUser, SessionUser, sign_in};
use crate::extract::{Fields, FromFields, JsonFields};
use crate::state::AppState;

/// Name of the key that `api_credentials` hands out.
const KEY_NAME: &str = "api_credentials";

struct NameAndPassword {
    username: String,
    password: Secret,
}

impl FromFields for NameAndPassword {
    fn from_fields(fields: &mut Fields) -> Self {
        if fields.raw("password").is_none() {
            fields.missing("password");
        }
        Self {
            username: fields.required_name("username"),
            password: Secret::new(fields.raw("password").unwrap_or_default().to_owned()),
        }
    }
}

/// Where the request came from, as far as this server can see.
pub(crate) struct Peer(pub(super) Option<String>);

impl FromRequestParts<AppState> for Peer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let peer = Extension::<ConnectInfo<SocketAddr>>::from_request_parts(parts, state).await;
        Ok(Self(peer.ok().map(|Extension(ConnectInfo(address))| {
            address.ip().to_string()
        })))
    }
}

pub(super) fn is_https(state: &AppState, headers: &HeaderMap) -> bool {
    state.origin(headers).to_string().starts_with("https://")
}

pub(super) fn unstored(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(cookie) = cookie {
        headers.insert(header::SET_COOKIE, cookie);
    }
    response
}

/// Signs in. The token goes into `Authorization: Bearer`; browsers get it as the cookie `SESSION` too. It ends after 12 hours.
#[utoipa::path(post, path = "/auth", tag = "accounts", security(()),
    request_body(content = Object, content_type = "application/json",
        description = "`{\"username\":\"ada\",\"password\":\"...\"}`; a mail address does as well as a name"),
    responses(
    (status = 200, description = "Signed in", body = SignedIn),
    (status = 401, description = "Wrong name or password", body = ErrorBody),
    (status = 422, description = "No name or no password", body = ErrorBody),
    (status = 429, description = "Too many wrong passwords for this name", body = ErrorBody),
))]
pub(crate) async fn sign_in(
    State(state): State<AppState>,
    headers: HeaderMap,
    Peer(peer): Peer,
    JsonFields(body): JsonFields,
) -> Result<Response, ApiError> {
    let NameAndPassword { username, password } = body.read()?;
    let user = sign_in::check(&state, &username, password).await?;
    let pool = state.pool.clone();
    let begun = async move { Ok(sessions::begin(&pool, user.id, LIFE, peer).await?) };
    let token = state.run(begun).await?;
    let answer = SignedIn {
        access_token: token.expose().to_owned(),
        token_type: "bearer".to_owned(),
        expires_in: LIFE.as_secs(),
    };
    let cookie = set_cookie(Some(token.expose()), is_https(&state, &headers));
    Ok(unstored(Json(answer).into_response(), Some(cookie)))
}

/// Signs out: ends the session of the token or cookie. An interface of our own.
#[utoipa::path(delete, path = "/auth", tag = "accounts", responses(
    (status = 200, description = "Signed out; a key goes on working", body = Message),
    (status = 401, description = "No or bad token", body = ErrorBody),
))]
pub(crate) async fn sign_out(
    State(state): State<AppState>,
    AuthUser(_): AuthUser,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if let Some(token) = token_of(&headers).map(str::to_owned) {
        let pool = state.pool.clone();
        let ended = async move { Ok(sessions::end(&pool, &token).await?) };
        state.run(ended).await?;
    }
    let cookie = set_cookie(None, is_https(&state, &headers));
    let answer = Json(Message::new("Signed out")).into_response();
    Ok(unstored(answer, Some(cookie)))
}

/// The API key of whoever is signed in, made by the first call, which is the only one to show its secret. Needs a session: a key
/// cannot make keys.
#[utoipa::path(get, path = "/api_credentials", tag = "accounts", responses(
    (status = 200, description = "Key, and once its secret", body = ApiCredentials),
    (status = 401, description = "Not signed in", body = ErrorBody),
))]
pub(crate) async fn get_api_credentials(
    State(state): State<AppState>,
    SessionUser(user): SessionUser,
) -> Result<Response, ApiError> {
    let work = state.clone();
    let found = async move {
        let mut tx = work.pool.begin().await?;
        // Of two first calls one makes the key.
        keys::lock(&mut tx, user.user_id).await?;
        let known = keys::live_named(&mut *tx, user.user_id, KEY_NAME).await?;
        let found = match known {
            Some(key) => ApiCredentials {
                api_key: key.id,
                api_secret: None,
                message: "The secret was shown when the key was made and is not shown again"
                    .to_owned(),
            },
            None => {
                let new = NewKey {
                    name: KEY_NAME.to_owned(),
                    ..NewKey::default()
                };
                let made = keys::create(&mut *tx, &work.secrets, user.user_id, &new).await?;
                let (key, secret) = made;
                ApiCredentials {
                    api_key: key.id,
                    api_secret: Some(secret.expose().to_owned()),
                    message: "Keep the secret: it is not shown again".to_owned(),
                }
            }
        };
        tx.commit().await?;
        Ok(found)
    };
    let answer = Json(state.run(found).await?).into_response();
    Ok(unstored(answer, None))
}
