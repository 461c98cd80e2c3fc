//! Signing in through an identity provider (OIDC, authorisation code with PKCE).
//!
//! A browser is sent to the provider with a state, a nonce and the hash of a verifier, all of them random; it keeps the three in a
//! sealed cookie, so nothing is stored here until it comes back. It comes back with a code, once ([`identities::spend`]); the code is
//! exchanged for an ID token at the provider itself, whose keys are fetched for each sign-in, so that a key it has taken back counts no
//! more. Who that is, is decided in [`account`].

mod account;
mod attempt;
mod id_token;
mod provider;

use http::HeaderMap;
use lamina_api::ErrorCode;
use lamina_store::users::User;
use lamina_store::{Secret, identities};

use crate::ApiError;
use crate::extract::{Fields, FromFields};
use crate::state::AppState;

pub use provider::{Oidc, OidcConfig, OidcError};

pub(crate) use attempt::LIFE as ATTEMPT_LIFE;

use attempt::Attempt;

/// Name of the cookie that keeps an attempt.
pub(crate) const COOKIE: &str = "OIDC";

/// Where that cookie is sent: to the two routes.
pub(crate) const COOKIE_PATH: &str = "/api/v1/oidc";

/// Where a provider sends browsers back to.
const CALLBACK: &str = "/api/v1/oidc/callback";

/// Where somebody goes who has signed in and did not say where to.
const HOME: &str = "/api/v1/docs";

/// A sign-in that has begun: where the browser goes, and what it keeps meanwhile.
pub(crate) struct Begun {
    pub(crate) location: String,
    pub(crate) cookie: String,
}

/// A sign-in that has succeeded.
pub(crate) struct Finished {
    pub(crate) user: User,
    pub(crate) next: String,
}

/// What a provider sends a browser back with.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Return {
    /// What the sign-in began with.
    #[param(required = false)]
    state: String,
    /// To be exchanged for who it is.
    code: Option<String>,
    /// Why there is no code.
    error: Option<String>,
    /// The provider, if it says so.
    iss: Option<String>,
}

impl FromFields for Return {
    fn from_fields(fields: &mut Fields) -> Self {
        let given = |name: &str| fields.raw(name).map(str::to_owned);
        Self {
            state: given("state").unwrap_or_default(),
            code: given("code"),
            error: given("error"),
            iss: given("iss"),
        }
    }
}

/// The provider of this server.
///
/// # Errors
/// 400 when there is none.
fn provider_of(state: &AppState) -> Result<&Oidc, ApiError> {
    let provider = state.config.oidc.as_deref();
    provider.ok_or_else(|| {
        ApiError::bad_request("This server has no identity provider to sign in through")
    })
}

fn redirect_uri(state: &AppState, headers: &HeaderMap) -> String {
    format!("{}{CALLBACK}", state.origin(headers))
}

/// Begins a sign-in that leads to `next`, a path of this server.
///
/// # Errors
/// 400 without a provider or for another place; 503 when the provider is away.
pub(crate) async fn begin(
    state: &AppState,
    headers: &HeaderMap,
    next: Option<&str>,
) -> Result<Begun, ApiError> {
    let oidc = provider_of(state)?;
    let next = next.unwrap_or(HOME);
    if !attempt::is_path(next) {
        return Err(ApiError::bad_request(
            "A path of this server is needed, such as /api/v1/docs",
        ));
    }
    let attempt = Attempt::new(next).map_err(ApiError::internal)?;
    let location = oidc
        .login_address(&attempt, &redirect_uri(state, headers))
        .await?;
    Ok(Begun {
        location,
        cookie: attempt.seal(&state.secrets).map_err(ApiError::internal)?,
    })
}

/// Ends a sign-in that has come back from the provider.
///
/// # Errors
/// 400 when it did not begin in this browser, took too long or has been here before; 401 when the provider refuses or says what
/// cannot be believed; 403 when there is no account for whoever it is; 503 when the provider is away.
pub(crate) async fn finish(
    state: &AppState,
    headers: &HeaderMap,
    cookie: Option<&str>,
    back: Return,
) -> Result<Finished, ApiError> {
    let oidc = provider_of(state)?;
    let begun = cookie.and_then(|cookie| Attempt::open(cookie, &state.secrets));
    let attempt = begun.filter(|attempt| attempt.state == back.state);
    let attempt = attempt.ok_or_else(|| {
        ApiError::bad_request("This sign-in did not begin in this browser, or too long ago")
    })?;
    let is_first = identities::spend(&state.pool, &attempt.state, ATTEMPT_LIFE * 2).await?;
    if !is_first {
        return Err(ApiError::bad_request(
            "This sign-in has come to its end already",
        ));
    }
    let refused = |text: &str| ApiError::new(ErrorCode::Unauthenticated, text);
    let is_other = |iss: &String| *iss != oidc.config().issuer;
    if back.error.is_some() || back.iss.as_ref().is_some_and(is_other) {
        return Err(refused("The identity provider did not let you in"));
    }
    let code = back.code.filter(|code| !code.is_empty());
    let code = code.ok_or_else(|| ApiError::bad_request("There is no code in this address"))?;
    let token = oidc
        .exchange(&Secret::new(code), &attempt, &redirect_uri(state, headers))
        .await?;
    let keys = oidc.keys().await?;
    let expected = id_token::Expected {
        issuer: &oidc.config().issuer,
        client_id: &oidc.config().client_id,
        nonce: &attempt.nonce,
    };
    let person = id_token::check(token.expose(), &keys, &expected).map_err(|error| {
        refused("What the identity provider says cannot be believed").with_cause(error)
    })?;
    let user = account::enter(state, oidc.config(), person).await?;
    Ok(Finished {
        user,
        next: attempt.next,
    })
}
