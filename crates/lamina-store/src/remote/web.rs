//! Files at `http(s)` addresses: fetched whole, every hop of a redirection judged anew.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, Request, header};
use http_body_util::BodyExt as _;
use object_store::client::{HttpRequestBody, HttpService as _};
use url::Url;

use super::address::{AddressPolicy, Network};
use super::connection::{Connection, Forbidden, find};
use super::{RemoteError, parse_web};

/// Redirections followed.
const HOPS: usize = 5;

/// How long the next bytes may take.
const NEXT_BYTES: Duration = Duration::from_secs(30);

/// Which hosts may be read from.
#[derive(Debug, Clone, Default)]
pub struct WebRules {
    /// `example.org` (ports 80 and 443), `example.org:8080`, or `*` for every host at ports 80 and 443. None: no host.
    pub hosts: Vec<String>,
    /// Networks that are not public and may be connected to all the same.
    pub private: Vec<Network>,
}

impl WebRules {
    /// Whether a file may be asked of this host and port; its address is judged when it is known.
    fn opens(&self, url: &Url) -> bool {
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return false;
        };
        let is_usual = matches!(port, 80 | 443);
        self.hosts.iter().any(|open| {
            let names_it = open == "*" || open.eq_ignore_ascii_case(host);
            names_it && is_usual || open.eq_ignore_ascii_case(&format!("{host}:{port}"))
        })
    }
}

/// Fetches from the hosts that are open.
#[derive(Debug)]
pub(super) struct Web {
    rules: WebRules,
    connection: Connection,
}

impl Web {
    pub(super) fn new(rules: WebRules) -> Result<Self, String> {
        let policy = AddressPolicy::PublicAnd(rules.private.clone());
        Ok(Self {
            connection: Connection::new(policy, None)?,
            rules,
        })
    }

    /// The address, if it may be read.
    pub(super) fn check(&self, text: &str) -> Result<Url, RemoteError> {
        let url = parse_web(text)?;
        if self.rules.opens(&url) {
            Ok(url)
        } else {
            Err(RemoteError::HostNotOpen(host_of(&url)))
        }
    }

    pub(super) async fn get(&self, text: &str, max_bytes: u64) -> Result<Bytes, RemoteError> {
        let mut url = self.check(text)?;
        for _ in 0..=HOPS {
            let host = host_of(&url);
            let request = Request::builder()
                .method(Method::GET)
                .uri(url.as_str())
                .header(header::ACCEPT, HeaderValue::from_static("*/*"))
                .header(header::USER_AGENT, HeaderValue::from_static("lamina"))
                .body(HttpRequestBody::empty())
                .map_err(|_| RemoteError::BadLocation(host.clone()))?;
            let answer = self.connection.call(request).await;
            let answer = answer.map_err(|error| failure(&host, error))?;
            let status = answer.status();
            if status.is_redirection() {
                let to = answer
                    .headers()
                    .get(header::LOCATION)
                    .and_then(|to| to.to_str().ok());
                let next = to.and_then(|to| url.join(to).ok());
                let next = next.ok_or_else(|| RemoteError::Status {
                    host: host.clone(),
                    status: status.as_u16(),
                })?;
                url = self.check(next.as_str())?;
                continue;
            }
            return match status.as_u16() {
                200 => read(answer.into_body(), &host, max_bytes).await,
                404 | 410 => Err(RemoteError::NotFound),
                401 | 403 => Err(RemoteError::Denied),
                status => Err(RemoteError::Status { host, status }),
            };
        }
        Err(RemoteError::TooManyRedirects)
    }
}

fn host_of(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

pub(super) fn failure(host: &str, error: object_store::client::HttpError) -> RemoteError {
    if find::<Forbidden>(&error).is_some() {
        return RemoteError::AddressNotAllowed(host.to_owned());
    }
    let reason = if find::<rustls::Error>(&error).is_some() {
        "its certificate is not trusted"
    } else {
        "there is no connection to it"
    };
    RemoteError::Unreachable {
        place: host.to_owned(),
        reason,
        source: Some(error.into()),
    }
}

pub(super) async fn read(
    mut body: object_store::client::HttpResponseBody,
    host: &str,
    max_bytes: u64,
) -> Result<Bytes, RemoteError> {
    let mut bytes = BytesMut::new();
    loop {
        let stopped = || RemoteError::Unreachable {
            place: host.to_owned(),
            reason: "it stopped sending",
            source: None,
        };
        let frame = tokio::time::timeout(NEXT_BYTES, body.frame()).await;
        let Some(frame) = frame.map_err(|_| stopped())? else {
            return Ok(bytes.freeze());
        };
        let Ok(data) = frame.map_err(|error| failure(host, error))?.into_data() else {
            continue;
        };
        bytes.extend_from_slice(&data);
        if bytes.len() as u64 > max_bytes {
            return Err(RemoteError::TooManyBytes(max_bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_open_at_the_usual_ports_unless_a_port_is_named() {
        let rules = |hosts: &[&str]| WebRules {
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            private: Vec::new(),
        };
        let opens = |hosts: &[&str], url: &str| rules(hosts).opens(&Url::parse(url).unwrap());
        assert!(!opens(&[], "https://example.org/"));
        assert!(opens(&["*"], "https://example.org/") && opens(&["*"], "http://example.org/"));
        assert!(!opens(&["*"], "http://example.org:5432/"));
        assert!(opens(&["Example.org"], "https://EXAMPLE.org/x"));
        assert!(!opens(&["example.org"], "https://www.example.org/"));
        assert!(!opens(&["example.org"], "https://example.org.evil.test/"));
        assert!(opens(&["example.org:8080"], "http://example.org:8080/"));
        assert!(!opens(&["example.org:8080"], "http://example.org/"));
    }

    #[tokio::test]
    async fn addresses_inside_are_not_connected_to_however_they_are_spelt() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in [
            "127.0.0.1",
            "localhost",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "[::ffff:127.0.0.1]",
        ] {
            let url = format!("http://{host}:{port}/list.txt");
            let open = host_of(&parse_web(&url).unwrap());
            let web = Web::new(WebRules {
                hosts: vec![format!("{open}:{port}")],
                private: Vec::new(),
            });
            let refused = web.unwrap().get(&url, 1_000).await.unwrap_err();
            assert!(
                matches!(refused, RemoteError::AddressNotAllowed(_)),
                "{url}: {refused}"
            );
        }
        let nobody = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
        assert!(nobody.is_err(), "a connection was made");
    }
}
