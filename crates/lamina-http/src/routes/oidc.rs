//! Signing in through an identity provider (contract 19.4).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use lamina_api::ErrorBody;
use lamina_store::sessions;

use super::accounts::{Peer, is_https, unstored};
use crate::ApiError;
use crate::auth::session::{self, LIFE};
use crate::extract::{Fields, FromFields, Query};
use crate::oidc::{self, COOKIE, COOKIE_PATH, Return};
use crate::state::AppState;

/// Where to go on.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Destination {
    /// A path of this server to go on to, `/api/v1/docs` when absent.
    next: Option<String>,
}

impl FromFields for Destination {
    fn from_fields(fields: &mut Fields) -> Self {
        let next = fields.raw("next").filter(|next| !next.is_empty());
        Self {
            next: next.map(str::to_owned),
        }
    }
}

/// Sends a browser to the identity provider to sign in. An interface of our own.
#[utoipa::path(get, path = "/oidc/login", tag = "accounts", security(()), params(Destination), responses(
    (status = 303, description = "To the provider, with a cookie for the way back"),
    (status = 400, description = "There is no provider, or the destination is elsewhere", body = ErrorBody),
    (status = 503, description = "The provider is away", body = ErrorBody),
))]
pub(crate) async fn begin_provider_sign_in(
    State(state): State<AppState>,
    headers: HeaderMap,
    Query(to): Query<Destination>,
) -> Result<Response, ApiError> {
    let begun = oidc::begin(&state, &headers, to.next.as_deref()).await?;
    let cookie = attempt_cookie(Some(&begun.cookie), is_https(&state, &headers))?;
    Ok(unstored(see_other(&begun.location)?, Some(cookie)))
}

/// Where the identity provider sends a browser back to. Who it is gets a session as by `POST /auth`, and goes on to where the
/// sign-in was to lead.
#[utoipa::path(get, path = "/oidc/callback", tag = "accounts", security(()), params(Return), responses(
    (status = 303, description = "Signed in: the cookie `SESSION` is set"),
    (status = 400, description = "There is no provider; the sign-in did not begin in this browser, took longer than ten minutes, or has \
        come back before", body = ErrorBody),
    (status = 401, description = "The provider refused, or says what cannot be believed", body = ErrorBody),
    (status = 403, description = "There is no account for this person, or it may not enter", body = ErrorBody),
    (status = 503, description = "The provider is away", body = ErrorBody),
))]
pub(crate) async fn finish_provider_sign_in(
    State(state): State<AppState>,
    headers: HeaderMap,
    Peer(peer): Peer,
    Query(back): Query<Return>,
) -> Result<Response, ApiError> {
    let cookie = session::named(&headers, COOKIE);
    let finished = oidc::finish(&state, &headers, cookie, back).await?;
    let (pool, user) = (state.pool.clone(), finished.user.id);
    let begun = async move { Ok(sessions::begin(&pool, user, LIFE, peer).await?) };
    let token = state.run(begun).await?;
    let is_https = is_https(&state, &headers);
    let kept = session::set_cookie(Some(token.expose()), is_https);
    let mut response = unstored(see_other(&finished.next)?, Some(kept));
    let spent = attempt_cookie(None, is_https)?;
    response.headers_mut().append(header::SET_COOKIE, spent);
    Ok(response)
}

fn see_other(location: &str) -> Result<Response, ApiError> {
    let location = HeaderValue::from_str(location).map_err(ApiError::internal)?;
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response())
}

/// The cookie comes back from another site's page, which `SameSite=Strict` would not allow.
fn attempt_cookie(value: Option<&str>, is_https: bool) -> Result<HeaderValue, ApiError> {
    let life = oidc::ATTEMPT_LIFE.as_secs();
    let (value, age) = value.map_or(("", 0), |value| (value, life));
    let secure = if is_https { "; Secure" } else { "" };
    let text = format!(
        "{COOKIE}={value}; Path={COOKIE_PATH}; Max-Age={age}; HttpOnly; SameSite=Lax{secure}"
    );
    HeaderValue::from_str(&text).map_err(ApiError::internal)
}
