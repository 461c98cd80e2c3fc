//! One try to sign in, kept by the browser while it is at the provider.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lamina_store::{Secret, Secrets, SecretsError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::now::unix_seconds;

/// How long somebody may take at the provider.
pub(crate) const LIFE: Duration = Duration::from_secs(600);

/// Longest path that is gone on to, in bytes: cookies are short.
const MAX_PATH: usize = 1_000;

/// What its cookie is sealed for.
const PURPOSE: &str = "a sign-in through an identity provider";

/// Three random texts and where to go on.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Attempt {
    /// Comes back in the address.
    pub(super) state: String,
    /// Comes back in the ID token.
    pub(super) nonce: String,
    /// Proves to the provider that code and browser belong together (RFC 7636).
    verifier: String,
    /// A path of this server.
    pub(super) next: String,
    /// Unix seconds.
    until: i64,
}

impl Attempt {
    pub(super) fn new(next: &str) -> Result<Self, SecretsError> {
        let random = || Secret::random().map(|secret| secret.expose().to_owned());
        let life = i64::try_from(LIFE.as_secs()).unwrap_or(0);
        Ok(Self {
            state: random()?,
            nonce: random()?,
            verifier: random()?,
            next: next.to_owned(),
            until: unix_seconds().saturating_add(life),
        })
    }

    /// What the provider is told of the verifier.
    pub(super) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier.as_bytes()))
    }

    pub(super) fn verifier(&self) -> &str {
        &self.verifier
    }

    /// As it goes into the cookie.
    pub(super) fn seal(&self, secrets: &Secrets) -> Result<String, SecretsError> {
        let text = Secret::new(serde_json::to_string(self).unwrap_or_default());
        secrets.seal_text(&text, PURPOSE)
    }

    /// From the cookie, unless it is none of ours or too old.
    pub(super) fn open(cookie: &str, secrets: &Secrets) -> Option<Self> {
        let text = secrets.open_text(cookie, PURPOSE).ok()?;
        let text = Zeroizing::new(text.expose().to_owned());
        let attempt: Self = serde_json::from_str(&text).ok()?;
        (attempt.until >= unix_seconds()).then_some(attempt)
    }
}

/// Whether a text is a path of this server and leads nowhere else, however browsers read it.
pub(super) fn is_path(text: &str) -> bool {
    text.starts_with('/')
        && !text.starts_with("//")
        && text.len() <= MAX_PATH
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_sent_on_within_this_server_only() {
        for good in ["/", "/api/v1/docs", "/a?b=c&d=%2F%2Fx#e", "/a//b"] {
            assert!(is_path(good), "{good}");
        }
        let long = format!("/{}", "a".repeat(MAX_PATH));
        for bad in [
            "",
            "docs",
            "https://evil.test/",
            "//evil.test/",
            "/\\evil.test/",
            "/a\\b",
            "/\t/evil.test",
            "/a b",
            "/ä",
            "/a\r\nSet-Cookie: x=y",
            &long,
        ] {
            assert!(!is_path(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_cookie_is_an_attempt_for_as_long_as_it_lives() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = Secrets::load_or_create(&folder.path().join("keys.json")).unwrap();
        let mut attempt = Attempt::new("/x").unwrap();
        let cookie = attempt.seal(&secrets).unwrap();
        let opened = Attempt::open(&cookie, &secrets).unwrap();
        assert_eq!(
            (&opened.state, &opened.next),
            (&attempt.state, &attempt.next)
        );
        assert_ne!(attempt.state, attempt.nonce);
        assert_eq!(attempt.challenge().len(), 43);
        assert!(cookie.len() < 1_000 && !cookie.contains(&attempt.state));
        attempt.until = unix_seconds() - 1;
        assert!(Attempt::open(&attempt.seal(&secrets).unwrap(), &secrets).is_none());
        assert!(Attempt::open("x", &secrets).is_none());
    }
}
