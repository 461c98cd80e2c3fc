//! ID tokens: what a provider says of somebody, believed only if it signed it with a key of its own, for us, now, and for this very
//! sign-in.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::Value;

use crate::auth::install_cryptography;
use crate::now::unix_seconds;

/// Difference between clocks that is forgiven.
const LEEWAY_S: i64 = 60;

/// Longest token; those of providers with many claims have a few thousand bytes.
const MAX_TOKEN_BYTES: usize = 64 * 1_024;

/// Most keys that are looked through.
const MAX_KEYS: usize = 100;

/// Why a token is not believed. No text has anything of the token in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum IdTokenError {
    #[error("the ID token has no form")]
    Malformed,
    #[error("the ID token is signed in another way than RS256 or ES256")]
    Algorithm,
    #[error("the ID token is signed with a key that the provider does not list")]
    UnknownKey,
    #[error("the ID token has a wrong signature, issuer, audience or time")]
    Refused,
    #[error("the ID token is for another client")]
    OtherClient,
    #[error("the ID token is of another sign-in")]
    OtherSignIn,
}

/// What a token must say.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
}

/// Somebody, as the provider describes them.
#[derive(Debug)]
pub(super) struct Person {
    /// Never given to anybody else by this provider.
    pub(super) subject: String,
    /// Only if the provider vouches for it.
    pub(super) email: Option<String>,
    pub(super) preferred_name: Option<String>,
    pub(super) first_name: Option<String>,
    pub(super) last_name: Option<String>,
}

/// The public keys of a provider.
#[derive(Debug, Deserialize)]
pub(super) struct Keys {
    keys: Vec<Value>,
}

#[derive(Debug, Deserialize)]
struct Key {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Key {
    /// The key, if it is one for this algorithm.
    fn decoding(&self, algorithm: Algorithm) -> Option<DecodingKey> {
        let is_for_signing = self.usage.as_deref().is_none_or(|usage| usage == "sig");
        let name = if algorithm == Algorithm::RS256 {
            "RS256"
        } else {
            "ES256"
        };
        let is_for_it = self.alg.as_deref().is_none_or(|alg| alg == name);
        if !is_for_signing || !is_for_it {
            return None;
        }
        match (algorithm, self.kty.as_str(), self.crv.as_deref()) {
            (Algorithm::RS256, "RSA", _) => {
                DecodingKey::from_rsa_components(self.n.as_deref()?, self.e.as_deref()?).ok()
            }
            (Algorithm::ES256, "EC", Some("P-256")) => {
                DecodingKey::from_ec_components(self.x.as_deref()?, self.y.as_deref()?).ok()
            }
            _ => None,
        }
    }
}

impl Keys {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// The key of this id. A token without one is good for a provider with a single key of its kind.
    fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
        // Keys of kinds that are unknown here are no reason to refuse the others.
        let keys = self.keys.iter().take(MAX_KEYS);
        let mut fitting = keys
            .filter_map(|key| serde_json::from_value::<Key>(key.clone()).ok())
            .filter(|key| kid.is_none() || key.kid.as_deref() == kid)
            .filter_map(|key| key.decoding(algorithm));
        let first = fitting.next()?;
        fitting.next().is_none().then_some(first)
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Names extensions that must be understood; none are.
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: i64,
    iat: i64,
    nonce: Option<String>,
    azp: Option<String>,
    email: Option<String>,
    email_verified: Option<Value>,
    preferred_username: Option<String>,
    given_name: Option<String>,
    family_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn is(&self, client_id: &str) -> bool {
        match self {
            Self::One(audience) => audience == client_id,
            Self::Many(audiences) => audiences.iter().any(|audience| audience == client_id),
        }
    }

    fn has_others(&self) -> bool {
        matches!(self, Self::Many(audiences) if audiences.len() > 1)
    }
}

fn header_of(token: &str) -> Option<Header> {
    let mut parts = token.split('.');
    let (header, _, signature) = (parts.next()?, parts.next()?, parts.next()?);
    if token.len() > MAX_TOKEN_BYTES || parts.next().is_some() || signature.is_empty() {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()
}

/// Who a token is about.
pub(super) fn check(
    token: &str,
    keys: &Keys,
    expected: &Expected<'_>,
) -> Result<Person, IdTokenError> {
    install_cryptography();
    let header = header_of(token).ok_or(IdTokenError::Malformed)?;
    let algorithm = match (header.alg.as_str(), header.crit) {
        ("RS256", None) => Algorithm::RS256,
        ("ES256", None) => Algorithm::ES256,
        _ => return Err(IdTokenError::Algorithm),
    };
    let key = keys.find(header.kid.as_deref(), algorithm);
    let key = key.ok_or(IdTokenError::UnknownKey)?;
    let mut rules = Validation::new(algorithm);
    rules.set_required_spec_claims(&["exp", "sub", "iss", "aud"]);
    rules.set_issuer(&[expected.issuer]);
    rules.set_audience(&[expected.client_id]);
    rules.validate_exp = true;
    rules.validate_nbf = true;
    rules.leeway = LEEWAY_S.unsigned_abs();
    let decoded = jsonwebtoken::decode::<Claims>(token, &key, &rules);
    let claims = decoded.map_err(|_| IdTokenError::Refused)?.claims;
    person_of(claims, expected)
}

/// What the library leaves to us, and, of what it does not, what matters most once more.
fn person_of(claims: Claims, expected: &Expected<'_>) -> Result<Person, IdTokenError> {
    let now = unix_seconds();
    let is_now =
        claims.exp >= now.saturating_sub(LEEWAY_S) && claims.iat <= now.saturating_add(LEEWAY_S);
    // The library takes a list that has the issuer in it, too.
    let is_theirs = claims.iss == expected.issuer;
    if !is_theirs || !is_now || claims.sub.is_empty() || claims.sub.chars().count() > 255 {
        return Err(IdTokenError::Refused);
    }
    let is_ours = claims.aud.is(expected.client_id);
    let party = claims.azp.as_deref();
    let is_presented_by_us = match party {
        Some(party) => party == expected.client_id,
        None => !claims.aud.has_others(),
    };
    if !is_ours || !is_presented_by_us {
        return Err(IdTokenError::OtherClient);
    }
    if claims.nonce.as_deref() != Some(expected.nonce) {
        return Err(IdTokenError::OtherSignIn);
    }
    // Some providers write booleans as text.
    let is_verified = match &claims.email_verified {
        Some(Value::Bool(is_verified)) => *is_verified,
        Some(Value::String(text)) => text == "true",
        Some(Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_)) | None => false,
    };
    Ok(Person {
        subject: claims.sub,
        email: claims.email.filter(|_| is_verified),
        preferred_name: claims.preferred_username,
        first_name: claims.given_name,
        last_name: claims.family_name,
    })
}

#[cfg(test)]
mod tests;
