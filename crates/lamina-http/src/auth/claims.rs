//! The two JSON documents of a token, read strictly: wrong types, doubled members and words that change what a token means
//! are refused, not skipped.

use serde::{Deserialize, Serialize};

/// The protected header. Other members (`crit`, `jku`, `jwk`, `x5u`, `b64`, ...) tell a verifier to behave differently, and no
/// client sends any: they are refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenHeader {
    pub(super) alg: String,
    pub(super) kid: String,
    pub(super) typ: Option<String>,
}

impl TokenHeader {
    pub(super) fn is_acceptable(&self) -> bool {
        let is_jwt = self
            .typ
            .as_ref()
            .is_none_or(|typ| typ.eq_ignore_ascii_case("JWT"));
        self.alg == "HS256" && is_jwt && super::key_form::is_key_id(&self.kid)
    }
}

/// The claims the contract names (1.2); further ones mean nothing. Times are whole Unix seconds.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) sub: String,
    pub(super) iss: String,
    pub(super) exp: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) iat: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) nbf: Option<i64>,
}
