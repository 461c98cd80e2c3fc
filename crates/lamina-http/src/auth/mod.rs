//! Who is asking: tokens, sessions of browsers, the no-auth mode, and what browsers may do.

mod browser;
mod claims;
mod key_form;
mod provider;
pub(crate) mod session;
pub(crate) mod sign_in;
mod token;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, header};
use lamina_store::{Principal, Role, keys, sessions};

use crate::state::AppState;
use crate::{ApiError, AuthMode};

pub use browser::HostList;
pub(crate) use browser::guard_browsers;
pub(crate) use provider::install as install_cryptography;
pub use token::issue_token;

/// The caller, known for sure. Without one the answer is 401.
#[derive(Debug, Clone)]
pub struct AuthUser(pub Principal);

/// The caller if there is one: no header at all is nobody, a bad one is 401 all the same.
#[derive(Debug, Clone)]
pub struct MaybeAuthUser(pub Option<Principal>);

/// The caller, signed in by name and password: what hands out secrets is for people, not for whoever holds a key.
#[derive(Debug, Clone)]
pub(crate) struct SessionUser(pub(crate) Principal);

/// The caller, who is an admin.
#[derive(Debug, Clone)]
pub(crate) struct Admin(pub(crate) Principal);

impl FromRequestParts<AppState> for AuthUser {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let caller = identify(&parts.headers, state).await?;
        caller
            .map(|caller| Self(caller.principal))
            .ok_or_else(ApiError::unauthenticated)
    }
}

impl FromRequestParts<AppState> for MaybeAuthUser {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let caller = identify(&parts.headers, state).await?;
        Ok(Self(caller.map(|caller| caller.principal)))
    }
}

impl FromRequestParts<AppState> for SessionUser {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let caller = identify(&parts.headers, state).await?;
        caller
            .filter(|caller| caller.is_signed_in)
            .map(|caller| Self(caller.principal))
            .ok_or_else(ApiError::unauthenticated)
    }
}

impl FromRequestParts<AppState> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let AuthUser(user) = AuthUser::from_request_parts(parts, state).await?;
        if user.role == Role::Admin {
            Ok(Self(user))
        } else {
            Err(ApiError::forbidden("Only an admin may do this"))
        }
    }
}

/// Somebody who is known for sure.
pub(crate) struct Caller {
    pub(crate) principal: Principal,
    /// By a session, or as the one user of no-auth mode.
    is_signed_in: bool,
}

/// `None` when the request carries neither an `Authorization` nor the cookie of a session that is alive.
pub(crate) async fn identify(
    headers: &HeaderMap,
    state: &AppState,
) -> Result<Option<Caller>, ApiError> {
    let signed_in = |principal| Caller {
        principal,
        is_signed_in: true,
    };
    if let AuthMode::None { user, .. } = &state.config.auth {
        return Ok(Some(signed_in(user.clone())));
    }
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        let user = session::of_cookie(headers, state).await?;
        return Ok(user.map(signed_in));
    };
    if values.next().is_some() {
        return Err(ApiError::unauthenticated());
    }
    let token = bearer(value.as_bytes()).ok_or_else(ApiError::unauthenticated)?;
    if token.starts_with(sessions::TOKEN_PREFIX) {
        let user = sessions::live(&state.pool, token).await?;
        return user
            .map(|user| Some(signed_in(user)))
            .ok_or_else(ApiError::unauthenticated);
    }
    let principal = authenticate(token, state).await?;
    Ok(Some(Caller {
        principal,
        is_signed_in: false,
    }))
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
