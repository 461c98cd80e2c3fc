//! Services that the operator named and that are asked questions: short requests, short answers, no redirections.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use object_store::client::{HttpRequestBody, HttpService as _};
use url::{Host, Url, form_urlencoded};

use super::RemoteError;
use super::address::AddressPolicy;
use super::connection::Connection;
use super::web::{failure, read};
use crate::Secret;

/// How long a question may take, answer included.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest answer.
const MAX_BYTES: u64 = 1 << 20;

/// Asks services of the operator's choice. Their addresses are not judged: an operator may well name one of their own network.
/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Service {
    connection: Connection,
}

impl Service {
    /// `ca` is a file of PEM certificates to trust beside the public authorities.
    ///
    /// # Errors
    /// [`RemoteError::BadAuthority`]: the file cannot be read, or holds no certificate.
    pub fn new(ca: Option<&Path>) -> Result<Self, RemoteError> {
        let connection = Connection::new(AddressPolicy::Any, ca);
        Ok(Self {
            connection: connection.map_err(RemoteError::BadAuthority)?,
        })
    }

    /// Whether secrets may be sent to this address: `https`, or `http` to this machine itself.
    ///
    /// # Errors
    /// [`RemoteError::NotSafe`].
    pub fn check(address: &str) -> Result<(), RemoteError> {
        safe(address).map(drop)
    }

    /// Asks with GET.
    ///
    /// # Errors
    /// As [`Self::check`]; unreachable; any status but 200; more than 1 MiB.
    pub async fn get(&self, address: &str) -> Result<Bytes, RemoteError> {
        self.ask(Method::GET, address, None, None).await
    }

    /// Asks with a form; `credentials` are sent as HTTP Basic, as OAuth wants them (RFC 6749, 2.3.1).
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn post_form(
        &self,
        address: &str,
        form: &[(&str, &str)],
        credentials: Option<(&str, &Secret)>,
    ) -> Result<Bytes, RemoteError> {
        self.ask(Method::POST, address, Some(encoded(form)), credentials)
            .await
    }

    async fn ask(
        &self,
        method: Method,
        address: &str,
        form: Option<String>,
        credentials: Option<(&str, &Secret)>,
    ) -> Result<Bytes, RemoteError> {
        let url = safe(address)?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let wrong = || RemoteError::NotSafe(host.clone());
        let mut request = Request::builder()
            .method(method)
            .uri(url.as_str())
            .header(header::ACCEPT, HeaderValue::from_static("application/json"))
            .header(header::USER_AGENT, HeaderValue::from_static("lamina"));
        if form.is_some() {
            let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
            request = request.header(header::CONTENT_TYPE, kind);
        }
        if let Some((name, secret)) = credentials {
            let value = basic(name, secret).ok_or_else(wrong)?;
            request = request.header(header::AUTHORIZATION, value);
        }
        let body = form.map_or_else(HttpRequestBody::empty, HttpRequestBody::from);
        let request = request.body(body).map_err(|_| wrong())?;
        let asked = async {
            let answer = self.connection.call(request).await;
            let answer = answer.map_err(|error| failure(&host, error))?;
            match answer.status().as_u16() {
                200 => read(answer.into_body(), &host, MAX_BYTES).await,
                status => Err(RemoteError::Status {
                    host: host.clone(),
                    status,
                }),
            }
        };
        let answer = tokio::time::timeout(PATIENCE, asked).await;
        answer.map_err(|elapsed| RemoteError::Unreachable {
            place: host.clone(),
            reason: "it took too long to answer",
            source: Some(elapsed.into()),
        })?
    }
}

fn encoded(form: &[(&str, &str)]) -> String {
    let mut text = form_urlencoded::Serializer::new(String::new());
    text.extend_pairs(form);
    text.finish()
}

fn safe(address: &str) -> Result<Url, RemoteError> {
    let is_here = |url: &Url| match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        None => false,
    };
    let url = Url::parse(address).ok().filter(|url| {
        let is_plain = url.username().is_empty() && url.password().is_none();
        let is_covered = url.scheme() == "https" || url.scheme() == "http" && is_here(url);
        is_plain && is_covered && url.fragment().is_none()
    });
    url.ok_or_else(|| RemoteError::NotSafe(address.chars().take(200).collect()))
}

/// Name and secret, each in the form encoding, as OAuth has it.
fn basic(name: &str, secret: &Secret) -> Option<HeaderValue> {
    use base64::Engine as _;
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = zeroize::Zeroizing::new(format!("{}:{}", encoded(name), encoded(secret.expose())));
    let text = base64::engine::general_purpose::STANDARD.encode(pair.as_bytes());
    let mut value = HeaderValue::from_str(&format!("Basic {text}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_leave_this_machine_only_under_tls() {
        for good in [
            "https://id.example/realms/a",
            "https://10.0.0.1:8443/",
            "http://localhost:8080/",
            "http://127.0.0.1:1/x?y",
            "http://[::1]/",
        ] {
            assert!(Service::check(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "id.example",
            "http://id.example/",
            "http://localhost.example/",
            "http://10.0.0.1/",
            "ftp://localhost/",
            "https://user@id.example/",
            "https://id.example/#x",
        ] {
            assert!(
                matches!(Service::check(bad), Err(RemoteError::NotSafe(_))),
                "{bad}"
            );
        }
    }

    #[test]
    fn credentials_are_encoded_twice_and_not_shown() {
        let value = basic("a:b", &Secret::new("p w%".to_owned())).unwrap();
        assert_eq!(value.as_bytes(), b"Basic YSUzQWI6cCt3JTI1");
        assert!(!format!("{value:?}").contains("YSUz"));
    }
}
