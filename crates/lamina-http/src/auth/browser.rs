//! What web pages may make a browser do (hardening P40, E15).
//!
//! Without tokens the only thing between any open web page and this server is the browser, so in no-auth mode the name in
//! `Host` must be one of ours (a rebound DNS name is not) and requests that another site caused are refused, reads included:
//! the API has reads with effects (`/process`, `/ingestion/new_dataset`). With tokens neither matters: a page cannot send one
//! it does not know.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::uri::Authority;
use http::{HeaderMap, header};

use crate::state::AppState;
use crate::{ApiError, AuthMode};

/// Host names this server answers to in no-auth mode, lower case, without port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostList(Vec<String>);

impl Default for HostList {
    fn default() -> Self {
        Self::new([])
    }
}

impl HostList {
    /// The names of this machine's own loopback, and `more`.
    pub fn new(more: impl IntoIterator<Item = String>) -> Self {
        let mut names: Vec<String> = ["localhost", "127.0.0.1", "[::1]"]
            .map(str::to_owned)
            .to_vec();
        names.extend(more.into_iter().map(|name| name.to_ascii_lowercase()));
        Self(names)
    }

    fn contains(&self, authority: &Authority) -> bool {
        let host = authority.host();
        self.0.iter().any(|name| name.eq_ignore_ascii_case(host))
    }
}

/// Layer over the API: refuses what only a foreign page could want.
pub(crate) async fn guard_browsers(
    State(state): State<AppState>,
    request: Request,
    next: Next,
) -> Response {
    if let AuthMode::None { hosts, .. } = &state.config.auth
        && let Err(error) = check(request.headers(), hosts)
    {
        return error.into_response();
    }
    next.run(request).await
}

fn check(headers: &HeaderMap, hosts: &HostList) -> Result<(), ApiError> {
    let host = text(headers, header::HOST.as_str()).and_then(|host| host.parse::<Authority>().ok());
    if !host.as_ref().is_some_and(|host| hosts.contains(host)) {
        return Err(ApiError::forbidden(
            "This server does not answer to this host name",
        ));
    }
    if is_foreign(headers) {
        return Err(ApiError::forbidden(
            "Requests from other web sites are not allowed",
        ));
    }
    Ok(())
}

/// Whether another web site made the browser send this request.
pub(super) fn is_foreign(headers: &HeaderMap) -> bool {
    // Absent: not a browser. `none`: typed by a person. `same-origin`: our own page.
    if let Some(site) = headers.get("sec-fetch-site")
        && ![b"same-origin".as_slice(), b"none"].contains(&site.as_bytes())
    {
        return true;
    }
    // Browsers without Fetch Metadata still name the origin of whatever changes something.
    let Some(origin) = headers.get(header::ORIGIN) else {
        return false;
    };
    let authority = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"))
        .map(|(_, authority)| authority);
    authority.is_none() || authority != text(headers, header::HOST.as_str())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn verdict(pairs: &[(&'static str, &'static str)]) -> bool {
        let headers = pairs.iter().map(|(name, value)| {
            (
                http::HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        check(
            &headers.collect(),
            &HostList::new(["photos.lan".to_owned()]),
        )
        .is_ok()
    }

    #[test]
    fn scripts_people_and_our_own_page_pass() {
        assert!(verdict(&[("host", "localhost:2080")]));
        assert!(verdict(&[("host", "127.0.0.1:2080")]) && verdict(&[("host", "[::1]:2080")]));
        assert!(verdict(&[("host", "Photos.LAN")]));
        assert!(verdict(&[
            ("host", "localhost:2080"),
            ("sec-fetch-site", "none")
        ]));
        assert!(verdict(&[
            ("host", "localhost:2080"),
            ("sec-fetch-site", "same-origin"),
            ("origin", "http://localhost:2080")
        ]));
    }

    #[test]
    fn foreign_pages_and_rebound_names_do_not() {
        assert!(!verdict(&[]));
        assert!(!verdict(&[("host", "evil.test")]) && !verdict(&[("host", "localhost.evil.test")]));
        assert!(!verdict(&[
            ("host", "localhost:2080"),
            ("sec-fetch-site", "cross-site")
        ]));
        assert!(!verdict(&[
            ("host", "localhost:2080"),
            ("sec-fetch-site", "same-site")
        ]));
        assert!(!verdict(&[
            ("host", "localhost:2080"),
            ("sec-fetch-site", "")
        ]));
        assert!(!verdict(&[
            ("host", "localhost:2080"),
            ("origin", "http://evil.test")
        ]));
        assert!(!verdict(&[("host", "localhost:2080"), ("origin", "null")]));
        assert!(!verdict(&[
            ("host", "localhost:2080"),
            ("origin", "http://localhost:9999")
        ]));
    }
}
