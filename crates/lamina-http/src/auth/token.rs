//! Bearer tokens (contract 1.2): made by clients with their key and secret, checked here.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};

use super::claims::{Claims, TokenHeader};
use super::provider;
use crate::now::unix_seconds as unix_now;

/// Difference between clocks that is forgiven.
const LEEWAY_S: i64 = 60;

/// What every client writes into `iss`.
const ISSUER: &str = "sdk";

/// A token is some 300 bytes; nothing good is longer than this.
const MAX_TOKEN_BYTES: usize = 4_096;

/// The key id a token names, if the token has the right form and an acceptable header. Nothing is trusted yet.
pub(super) fn key_of(token: &str) -> Option<String> {
    if token.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let mut parts = token.split('.');
    let (header, payload, signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || payload.is_empty() || signature.is_empty() {
        return None;
    }
    // The strict alphabet: no padding, no other base64, no left-over bits, so a token has exactly one spelling.
    let header = URL_SAFE_NO_PAD.decode(header).ok()?;
    let header: TokenHeader = serde_json::from_slice(&header).ok()?;
    header.is_acceptable().then_some(header.kid)
}

/// Whether `secret` signed this token, for this key, and now is within its time.
pub(super) fn verify(token: &str, kid: &str, secret: &[u8]) -> bool {
    provider::install();
    let Ok(decoded) =
        jsonwebtoken::decode::<Claims>(token, &DecodingKey::from_secret(secret), &rules())
    else {
        return false;
    };
    let Claims {
        sub,
        iss,
        exp,
        iat,
        nbf,
    } = decoded.claims;
    let now = unix_now();
    let latest = now.saturating_add(LEEWAY_S);
    // `iss` again: the library also accepts a list that contains it, which our claims type has already refused.
    sub == kid
        && iss == ISSUER
        && exp >= now.saturating_sub(LEEWAY_S)
        && iat.is_none_or(|iat| (0..=latest).contains(&iat))
        && nbf.is_none_or(|nbf| nbf <= latest)
}

/// The library's part of the rules, each said explicitly instead of left to its defaults.
fn rules() -> Validation {
    let mut rules = Validation::new(Algorithm::HS256);
    rules.set_required_spec_claims(&["exp", "sub", "iss"]);
    rules.set_issuer(&[ISSUER]);
    rules.validate_exp = true;
    rules.validate_nbf = true;
    // Clients leave `aud` out; one that sends it means no audience of ours.
    rules.validate_aud = false;
    rules.leeway = LEEWAY_S.unsigned_abs();
    rules
}

/// Makes a token as a client would, for the command line and tests.
///
/// # Errors
/// Only if the claims cannot be written as JSON.
pub fn issue_token(
    key: &str,
    secret: &str,
    lifetime: Duration,
) -> Result<String, jsonwebtoken::errors::Error> {
    provider::install();
    let now = unix_now();
    let exp = now.saturating_add(i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX / 2));
    let claims = Claims {
        sub: key.to_owned(),
        iss: ISSUER.to_owned(),
        exp,
        iat: Some(now),
        nbf: None,
    };
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some(key.to_owned());
    jsonwebtoken::encode(
        &header,
        &claims,
        &EncodingKey::from_secret(secret.as_bytes()),
    )
}

#[cfg(test)]
mod tests;
