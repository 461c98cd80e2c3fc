//! The origin that links start with: configured, or read from the request.

use http::uri::{Authority, Scheme};
use http::{HeaderMap, Uri, header};

/// Scheme and authority, `https://photos.example:8443`, without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

/// A text that is no origin.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is not an origin: http://host[:port] or https://host[:port] is needed, without a path"
)]
pub struct NotAnOrigin(String);

impl Origin {
    /// Reads a configured origin.
    ///
    /// # Errors
    /// Anything but scheme and host.
    pub fn parse(text: &str) -> Result<Self, NotAnOrigin> {
        let refuse = || NotAnOrigin(text.to_owned());
        let uri: Uri = text.trim_end_matches('/').parse().map_err(|_| refuse())?;
        let scheme = uri
            .scheme()
            .filter(|scheme| [&Scheme::HTTP, &Scheme::HTTPS].contains(scheme))
            .ok_or_else(refuse)?;
        let authority = uri
            .authority()
            .filter(|authority| is_plain(authority))
            .ok_or_else(refuse)?;
        if uri.path().len() > 1 || uri.query().is_some() {
            return Err(refuse());
        }
        Ok(Self(format!("{scheme}://{authority}")))
    }

    /// What the request says of the address it was sent to: `X-Forwarded-Proto` and `Host`. A missing or strange host gives
    /// `http://localhost`.
    pub fn of_request(headers: &HeaderMap) -> Self {
        let forwarded = headers
            .get("x-forwarded-proto")
            .and_then(|value| value.to_str().ok());
        let scheme = match forwarded.map(|value| value.split(',').next().unwrap_or_default().trim())
        {
            Some("https") => "https",
            _ => "http",
        };
        let host = headers
            .get(header::HOST)
            .and_then(|value| value.to_str().ok());
        let authority = host
            .and_then(|host| host.parse::<Authority>().ok())
            .filter(is_plain);
        Self(authority.map_or_else(
            || format!("{scheme}://localhost"),
            |authority| format!("{scheme}://{authority}"),
        ))
    }
}

/// No user name, and not empty.
fn is_plain(authority: &Authority) -> bool {
    !authority.host().is_empty() && !authority.as_str().contains('@')
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn request(host: &'static str, proto: Option<&'static str>) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(host));
        if let Some(proto) = proto {
            headers.insert("x-forwarded-proto", HeaderValue::from_static(proto));
        }
        Origin::of_request(&headers).to_string()
    }

    #[test]
    fn the_request_decides_when_nothing_is_configured() {
        assert_eq!(request("127.0.0.1:2080", None), "http://127.0.0.1:2080");
        assert_eq!(
            request("photos.example", Some("https, http")),
            "https://photos.example"
        );
        assert_eq!(request("[::1]:80", Some("javascript")), "http://[::1]:80");
        assert_eq!(request("a b\"><script>", None), "http://localhost");
        assert_eq!(request("user@evil.example", None), "http://localhost");
        assert_eq!(
            Origin::of_request(&HeaderMap::new()).to_string(),
            "http://localhost"
        );
    }

    #[test]
    fn configured_origins_have_no_path() {
        assert_eq!(
            Origin::parse("https://photos.example/")
                .unwrap()
                .to_string(),
            "https://photos.example"
        );
        for wrong in [
            "photos.example",
            "ftp://a",
            "https://a/b",
            "https://a?b",
            "https://u@a",
            "",
            "https://",
        ] {
            assert!(Origin::parse(wrong).is_err(), "{wrong}");
        }
    }
}
