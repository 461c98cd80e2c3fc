//! Browsers that are signed in: the cookie `SESSION`, or its token as a bearer token.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use lamina_store::{Principal, sessions};

use super::browser;
use crate::ApiError;
use crate::state::AppState;

/// How long somebody stays signed in.
pub(crate) const LIFE: Duration = Duration::from_secs(12 * 3_600);

const COOKIE: &str = "SESSION";

/// The session's token in the cookies of a request.
pub(super) fn cookie(headers: &HeaderMap) -> Option<&str> {
    named(headers, COOKIE)
}

/// The first cookie of this name.
pub(crate) fn named<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).iter();
    cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == wanted)
        .map(|(_, value)| value)
}

/// Who the cookie stands for. One that another site made the browser send counts as none, as does one that has ended.
pub(super) async fn of_cookie(
    headers: &HeaderMap,
    state: &AppState,
) -> Result<Option<Principal>, ApiError> {
    match cookie(headers) {
        Some(token) if !browser::is_foreign(headers) => {
            Ok(sessions::live(&state.pool, token).await?)
        }
        Some(_) | None => Ok(None),
    }
}

/// The token that a request is signed in with, in either place.
pub(crate) fn token_of(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| super::bearer(value.as_bytes()))
        .filter(|token| token.starts_with(sessions::TOKEN_PREFIX));
    bearer.or_else(|| cookie(headers))
}

/// The cookie that keeps a token, or takes it away.
pub(crate) fn set_cookie(token: Option<&str>, is_https: bool) -> HeaderValue {
    let (value, age) = token.map_or(("", 0), |token| (token, LIFE.as_secs()));
    let secure = if is_https { "; Secure" } else { "" };
    let text =
        format!("{COOKIE}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_found_among_others_and_nothing_else_is() {
        let with = |values: &[&'static str]| {
            let pairs = values
                .iter()
                .map(|value| (header::COOKIE, HeaderValue::from_static(value)));
            pairs.collect::<HeaderMap>()
        };
        assert_eq!(cookie(&with(&["a=b; SESSION=lms_x; c=d"])), Some("lms_x"));
        assert_eq!(cookie(&with(&["a=b", "SESSION=lms_y"])), Some("lms_y"));
        assert_eq!(cookie(&with(&["XSESSION=lms_x; session=y"])), None);
        assert_eq!(cookie(&HeaderMap::new()), None);
    }

    #[test]
    fn scripts_cannot_read_the_cookie_and_other_sites_cannot_send_it() {
        let kept = set_cookie(Some("lms_x"), true);
        let text = kept.to_str().unwrap();
        for part in ["SESSION=lms_x;", "HttpOnly", "SameSite=Strict", "Secure"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(
            !set_cookie(Some("x"), false)
                .to_str()
                .unwrap()
                .contains("Secure")
        );
        assert!(
            set_cookie(None, false)
                .to_str()
                .unwrap()
                .contains("Max-Age=0")
        );
    }
}
