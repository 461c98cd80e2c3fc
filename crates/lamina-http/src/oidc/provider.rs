//! The identity provider: where its parts are, and what is asked of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lamina_api::ErrorCode;
use lamina_store::remote::{RemoteError, Service};
use lamina_store::{Role, Secret};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::attempt::Attempt;
use super::id_token::Keys;
use crate::ApiError;

/// How long the provider is believed about where its parts are.
const BELIEVED: Duration = Duration::from_secs(600);

/// How long a provider that is away is not asked again.
const LEFT_ALONE: Duration = Duration::from_secs(5);

/// What is asked to be told about people.
const SCOPE: &str = "openid email profile";

/// Which provider, and who we are to it.
#[derive(Debug, Clone)]
pub struct OidcConfig {
    /// `https://id.example/realms/photos`, exactly as the provider writes it.
    pub issuer: String,
    /// Name of this server at the provider.
    pub client_id: String,
    /// None for a client that proves itself by PKCE alone.
    pub client_secret: Option<Secret>,
    /// PEM file of an authority to trust beside the public ones.
    pub ca_file: Option<PathBuf>,
    /// Role of accounts that are made for people who have none; without one, none are made.
    pub new_users: Option<Role>,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// The issuer is no safe address, or the authority cannot be trusted.
    #[error("the identity provider cannot be used: {0}")]
    Remote(#[from] RemoteError),
    /// The client has no name.
    #[error("the identity provider needs a client id")]
    NoClient,
}

/// A provider that people sign in through.
#[derive(Debug)]
pub struct Oidc {
    config: OidcConfig,
    service: Service,
    parts: Mutex<Known>,
}

#[derive(Debug)]
enum Known {
    Nothing,
    Parts(Instant, Arc<Parts>),
    Away(Instant),
}

/// The discovery document, as far as it is needed.
#[derive(Debug, Deserialize)]
struct Parts {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

impl Parts {
    /// Whether the secret goes into the form: only where the header is not taken.
    fn wants_secret_in_form(&self) -> bool {
        let methods = self.token_endpoint_auth_methods_supported.as_deref();
        methods.is_some_and(|methods| {
            let has = |name: &str| methods.iter().any(|method| method == name);
            has("client_secret_post") && !has("client_secret_basic")
        })
    }
}

#[derive(Deserialize)]
struct Exchanged {
    id_token: String,
}

/// What the provider answered cannot be used.
#[derive(Debug, thiserror::Error)]
enum Strange {
    // The parser's own words could repeat a token.
    #[error("the {0} of the identity provider cannot be read from column {1} on")]
    Json(&'static str, usize),
    #[error("the identity provider was away a moment ago")]
    Away,
    #[error("the identity provider says that it is {0:?}")]
    Issuer(String),
}

fn away(cause: impl std::error::Error + Send + Sync + 'static) -> ApiError {
    ApiError::new(
        ErrorCode::Unavailable,
        "The identity provider cannot be asked at the moment",
    )
    .with_cause(cause)
}

impl Oidc {
    /// Checks the configuration; connects to nothing.
    ///
    /// # Errors
    /// See [`OidcError`].
    pub fn new(config: OidcConfig) -> Result<Self, OidcError> {
        Service::check(&config.issuer)?;
        if config.client_id.is_empty() {
            return Err(OidcError::NoClient);
        }
        Ok(Self {
            service: Service::new(config.ca_file.as_deref())?,
            config,
            parts: Mutex::new(Known::Nothing),
        })
    }

    pub(super) const fn config(&self) -> &OidcConfig {
        &self.config
    }

    async fn parts(&self) -> Result<Arc<Parts>, ApiError> {
        let mut known = self.parts.lock().await;
        match &*known {
            Known::Parts(since, parts) if since.elapsed() < BELIEVED => {
                return Ok(Arc::clone(parts));
            }
            Known::Away(since) if since.elapsed() < LEFT_ALONE => {
                return Err(away(Strange::Away));
            }
            Known::Parts(..) | Known::Away(_) | Known::Nothing => {}
        }
        // A caller that leaves while this is under way leaves this behind.
        *known = Known::Away(Instant::now());
        let parts = Arc::new(self.discover().await?);
        *known = Known::Parts(Instant::now(), Arc::clone(&parts));
        Ok(parts)
    }

    async fn discover(&self) -> Result<Parts, ApiError> {
        let base = self.config.issuer.trim_end_matches('/');
        let address = format!("{base}/.well-known/openid-configuration");
        let answer = self.service.get(&address).await.map_err(away)?;
        let parts: Parts = serde_json::from_slice(&answer)
            .map_err(|error| away(Strange::Json("description", error.column())))?;
        if parts.issuer != self.config.issuer {
            return Err(away(Strange::Issuer(parts.issuer)));
        }
        for address in [
            &parts.authorization_endpoint,
            &parts.token_endpoint,
            &parts.jwks_uri,
        ] {
            Service::check(address).map_err(away)?;
        }
        Ok(parts)
    }

    /// Where a browser goes to sign in.
    pub(super) async fn login_address(
        &self,
        attempt: &Attempt,
        redirect_uri: &str,
    ) -> Result<String, ApiError> {
        let parts = self.parts().await?;
        let endpoint = &parts.authorization_endpoint;
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("response_type", "code"),
                ("client_id", &self.config.client_id),
                ("redirect_uri", redirect_uri),
                ("scope", SCOPE),
                ("state", &attempt.state),
                ("nonce", &attempt.nonce),
                ("code_challenge", &attempt.challenge()),
                ("code_challenge_method", "S256"),
            ])
            .finish();
        let joint = if endpoint.contains('?') { '&' } else { '?' };
        Ok(format!("{endpoint}{joint}{query}"))
    }

    /// The ID token that a code is good for.
    pub(super) async fn exchange(
        &self,
        code: &Secret,
        attempt: &Attempt,
        redirect_uri: &str,
    ) -> Result<Secret, ApiError> {
        let parts = self.parts().await?;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
            ("redirect_uri", redirect_uri),
            ("client_id", &self.config.client_id),
            ("code_verifier", attempt.verifier()),
        ];
        let secret = self.config.client_secret.as_ref();
        let credentials = match secret {
            Some(secret) if parts.wants_secret_in_form() => {
                form.push(("client_secret", secret.expose()));
                None
            }
            Some(secret) => Some((self.config.client_id.as_str(), secret)),
            None => None,
        };
        let answer = self
            .service
            .post_form(&parts.token_endpoint, &form, credentials)
            .await;
        let answer = answer.map_err(|error| {
            // The code: wrong, too old, used, or of another browser.
            let is_refusal = matches!(error, RemoteError::Status { status: 400, .. });
            if !is_refusal {
                return away(error);
            }
            let text = "The identity provider did not let you in";
            ApiError::new(ErrorCode::Unauthenticated, text).with_cause(error)
        })?;
        let exchanged: Exchanged = serde_json::from_slice(&answer)
            .map_err(|error| away(Strange::Json("answer to a code", error.column())))?;
        Ok(Secret::new(exchanged.id_token))
    }

    /// The keys that the provider signs with now.
    pub(super) async fn keys(&self) -> Result<Keys, ApiError> {
        let parts = self.parts().await?;
        let answer = self.service.get(&parts.jwks_uri).await.map_err(away)?;
        Keys::read(&answer).map_err(|error| away(Strange::Json("list of keys", error.column())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(issuer: &str) -> OidcConfig {
        OidcConfig {
            issuer: issuer.to_owned(),
            client_id: "lamina".to_owned(),
            client_secret: Some(Secret::new("hunter2".to_owned())),
            ca_file: None,
            new_users: None,
        }
    }

    #[test]
    fn a_provider_is_spoken_to_safely_or_not_at_all() {
        assert!(Oidc::new(config("https://id.example/realms/a")).is_ok());
        assert!(Oidc::new(config("http://127.0.0.1:8080")).is_ok());
        assert!(Oidc::new(config("http://id.example")).is_err());
        let mut nameless = config("https://id.example");
        nameless.client_id = String::new();
        assert!(matches!(Oidc::new(nameless), Err(OidcError::NoClient)));
        let shown = format!("{:?}", Oidc::new(config("https://id.example")).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn the_secret_goes_into_the_header_unless_only_the_form_is_taken() {
        let wants = |methods: Option<&[&str]>| {
            let methods = methods.map(|methods| methods.iter().map(|m| (*m).to_owned()).collect());
            Parts {
                issuer: String::new(),
                authorization_endpoint: String::new(),
                token_endpoint: String::new(),
                jwks_uri: String::new(),
                token_endpoint_auth_methods_supported: methods,
            }
            .wants_secret_in_form()
        };
        assert!(!wants(None) && !wants(Some(&["client_secret_basic", "client_secret_post"])));
        assert!(wants(Some(&["private_key_jwt", "client_secret_post"])));
    }
}
