//! Who is asking: tokens, the no-auth mode, and what browsers may do.

mod browser;
mod claims;
mod key_form;
mod provider;
mod token;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, header};
use lamina_store::{Principal, keys};

use crate::state::AppState;
use crate::{ApiError, AuthMode};

pub use browser::HostList;
pub(crate) use browser::guard_browsers;
pub use token::issue_token;

/// The caller, known for sure. Without one the answer is 401.
#[derive(Debug, Clone)]
pub struct AuthUser(pub Principal);

/// The caller if there is one: no header at all is nobody, a bad one is 401 all the same.
#[derive(Debug, Clone)]
pub struct MaybeAuthUser(pub Option<Principal>);

impl FromRequestParts<AppState> for AuthUser {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        identify(&parts.headers, state)
            .await?
            .map(Self)
            .ok_or_else(ApiError::unauthenticated)
    }
}

impl FromRequestParts<AppState> for MaybeAuthUser {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        identify(&parts.headers, state).await.map(Self)
    }
}

/// `None` when the request carries no `Authorization` at all.
async fn identify(headers: &HeaderMap, state: &AppState) -> Result<Option<Principal>, ApiError> {
    if let AuthMode::None { user, .. } = &state.config.auth {
        return Ok(Some(user.clone()));
    }
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(ApiError::unauthenticated());
    }
    let token = bearer(value.as_bytes()).ok_or_else(ApiError::unauthenticated)?;
    authenticate(token, state).await.map(Some)
}

/// The token of `Bearer <token>`; the scheme's case does not matter, anything else does.
fn bearer(value: &[u8]) -> Option<&str> {
    let value = std::str::from_utf8(value).ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// Checks form, key, signature and claims. Every failure but that of the database is one and the same 401, and an unknown key
/// costs the same work as a known one.
async fn authenticate(token: &str, state: &AppState) -> Result<Principal, ApiError> {
    let kid = token::key_of(token).ok_or_else(ApiError::unauthenticated)?;
    // Asked anew for every request, so that revoking a key or ending an account works at once.
    let key = keys::live(&state.pool, &kid).await?;
    let secret = match &key {
        Some(key) => key.secret(&state.secrets)?,
        None => state.dummy_secret.clone(),
    };
    let verified = token::verify(token, &kid, secret.expose().as_bytes());
    match (key, verified) {
        (Some(key), true) => Ok(key.principal),
        (_, false) | (None, true) => Err(ApiError::unauthenticated()),
    }
}
