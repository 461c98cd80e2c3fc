//! One GET: redirects followed by hand, every address looked at before it is connected to, statuses turned into what to do.

use std::io::Read;
use std::net::IpAddr;
use std::time::Duration;

use lamina_types::ContentHash;
use ureq::http::{HeaderMap, Uri, header};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Proxy};

use crate::catalog::HubKind;
use crate::error::HubError;

/// Redirects of one request.
const MAX_REDIRECTS: usize = 5;
/// Until a connection stands.
const CONNECT: Duration = Duration::from_secs(30);
/// Until a server begins to answer, and between two pieces of an answer.
const SILENCE: Duration = Duration::from_secs(60);

/// How hubs are reached.
#[derive(Debug, Clone, Default)]
pub struct HubOptions {
    /// Used instead of every hub: `https://mirror.example`. A mirror may be a private address.
    pub mirror: Option<String>,
    /// Sent to the hub (or its mirror) and to nobody it points to.
    pub token: Option<String>,
    /// `http://user:password@host:port` that every connection goes through; taken from the environment by the caller.
    pub proxy: Option<String>,
    /// Hosts that are reached without the proxy, as `NO_PROXY` lists them.
    pub no_proxy: Option<String>,
}

/// Hubs, reached by one client.
#[derive(Debug)]
pub struct Hub {
    agent: Agent,
    options: HubOptions,
}

/// What a hub answered.
pub(crate) struct Answer {
    /// Whether the body begins where the request asked, and not at the first byte.
    pub(crate) starts_at: u64,
    /// Size of the whole file, if the server says it.
    pub(crate) total: Option<u64>,
    /// Names this content for the next request.
    pub(crate) etag: Option<String>,
    /// The commit that the file belongs to, if the hub says it.
    pub(crate) commit: Option<String>,
    /// SHA-256 of the whole file, if the hub says it.
    pub(crate) sha256: Option<ContentHash>,
    /// The bytes.
    pub(crate) body: Box<dyn Read>,
}

/// What a server of the hub itself says about a file, on whichever hop it says it.
#[derive(Default)]
struct Said {
    commit: Option<String>,
    sha256: Option<ContentHash>,
    size: Option<u64>,
}

impl Hub {
    /// A client with these options.
    ///
    /// # Errors
    /// A mirror that is no address, a proxy that cannot be used.
    pub fn new(options: HubOptions) -> Result<Self, HubError> {
        if let Some(mirror) = &options.mirror {
            let is_address = mirror.parse::<Uri>().is_ok_and(|uri| {
                matches!(uri.scheme_str(), Some("https" | "http")) && uri.host().is_some()
            });
            if !is_address {
                return Err(HubError::Address(mirror.clone()));
            }
        }
        let proxy = options
            .proxy
            .as_deref()
            .map(|text| proxy(text, options.no_proxy.as_deref()));
        let proxy = proxy.transpose()?;
        let guard = Guard {
            inner: DefaultResolver::default(),
            allows_private: options.mirror.is_some(),
            proxy_host: proxy.as_ref().map(|proxy| proxy.host().to_owned()),
        };
        let config = Agent::config_builder()
            .proxy(proxy)
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .user_agent(concat!("lamina/", env!("CARGO_PKG_VERSION")))
            .build();
        let agent = Agent::with_parts(config, DefaultConnector::default(), guard);
        Ok(Self { agent, options })
    }

    /// Where the files of such a hub lie.
    pub fn base(&self, kind: HubKind) -> &str {
        self.options.mirror.as_deref().unwrap_or(kind.base())
    }

    /// Asks for a file, or for what of it is missing from `start` on as long as it is still the content named `etag`.
    pub(crate) fn get(
        &self,
        url: &str,
        kind: HubKind,
        start: u64,
        etag: Option<&str>,
    ) -> Result<Answer, HubError> {
        let origin = origin_of(url);
        let (mut next, mut said) = (url.to_owned(), Said::default());
        for _ in 0..=MAX_REDIRECTS {
            let is_home = origin_of(&next) == origin;
            let mut request = self
                .agent
                .get(&next)
                .header(header::ACCEPT_ENCODING, "identity");
            if start > 0 {
                request = request.header(header::RANGE, format!("bytes={start}-"));
                if let Some(etag) = etag {
                    request = request.header(header::IF_RANGE, etag);
                }
            }
            let token = self
                .token_for(&next)
                .filter(|_| is_home && kind == HubKind::HuggingFace);
            if let Some(token) = token {
                request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
            }
            let response = request.call().map_err(|error| HubError::Unreachable {
                url: next.clone(),
                reason: error.to_string(),
            })?;
            if is_home {
                said.read(response.headers());
            }
            let status = response.status().as_u16();
            let text = |name| text(response.headers(), name).map(str::to_owned);
            match status {
                200 | 206 => {
                    let (starts_at, range_total) = range_of(response.headers());
                    let starts_at = if status == 206 { starts_at } else { 0 };
                    let length = text(header::CONTENT_LENGTH).and_then(|text| text.parse().ok());
                    let whole = if status == 206 { range_total } else { length };
                    return Ok(Answer {
                        starts_at,
                        total: whole.or(said.size),
                        etag: text(header::ETAG).filter(|etag| !etag.starts_with("W/")),
                        commit: said.commit,
                        sha256: said.sha256,
                        body: Box::new(
                            response
                                .into_body()
                                .into_with_config()
                                .limit(u64::MAX)
                                .reader(),
                        ),
                    });
                }
                // Nothing from there on: the file is not what was begun. The caller starts at 0.
                416 if start > 0 => return self.get(url, kind, 0, None),
                301 | 302 | 303 | 307 | 308 => {
                    let to = text(header::LOCATION).unwrap_or_default();
                    next = follow(&next, &to)?;
                }
                401 | 403 => {
                    return Err(HubError::Forbidden {
                        url: next,
                        status,
                        had_token: token.is_some(),
                    });
                }
                404 | 410 => return Err(HubError::NotFound { url: next }),
                429 => {
                    let retry_after = text(header::RETRY_AFTER).and_then(|text| text.parse().ok());
                    return Err(HubError::TooMany { retry_after });
                }
                status => return Err(HubError::Status { url: next, status }),
            }
        }
        Err(HubError::Redirect {
            url: url.to_owned(),
            to: next,
            reason: "it is one of too many",
        })
    }

    /// A token is never sent in the clear over a network.
    fn token_for(&self, url: &str) -> Option<&str> {
        let uri: Uri = url.parse().ok()?;
        let host = uri.host()?.trim_matches(['[', ']']);
        let is_here =
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        let is_safe = uri.scheme_str() == Some("https") || is_here;
        self.options.token.as_deref().filter(|_| is_safe)
    }
}

impl Said {
    fn read(&mut self, headers: &HeaderMap) {
        let is_commit =
            |text: &&str| text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let commit = text(headers, "x-repo-commit").filter(is_commit);
        let hash = text(headers, "x-linked-etag").map(|text| text.trim_matches('"'));
        let size = text(headers, "x-linked-size");
        self.commit = self.commit.take().or_else(|| commit.map(str::to_owned));
        self.sha256 = self
            .sha256
            .or_else(|| hash.and_then(|text| text.parse().ok()));
        self.size = self
            .size
            .or_else(|| size.and_then(|text| text.parse().ok()));
    }
}

fn text(headers: &HeaderMap, name: impl header::AsHeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// First byte and total of `bytes 7-99/100`.
fn range_of(headers: &HeaderMap) -> (u64, Option<u64>) {
    let parse = || {
        let range = text(headers, header::CONTENT_RANGE)?.strip_prefix("bytes ")?;
        let (span, total) = range.split_once('/')?;
        Some((span.split_once('-')?.0.parse().ok()?, total.parse().ok()))
    };
    // A range that cannot be read starts nowhere that anybody asked for.
    parse().unwrap_or((u64::MAX, None))
}

/// Scheme, host and port.
fn origin_of(url: &str) -> Option<(String, String)> {
    let uri: Uri = url.parse().ok()?;
    Some((
        uri.scheme_str()?.to_owned(),
        uri.authority()?.as_str().to_ascii_lowercase(),
    ))
}

/// Where a redirect leads: another address, or another path of the same server.
fn follow(from: &str, to: &str) -> Result<String, HubError> {
    let refuse = |reason| HubError::Redirect {
        url: from.to_owned(),
        to: to.to_owned(),
        reason,
    };
    let (scheme, authority) = origin_of(from).ok_or_else(|| refuse("it comes from nowhere"))?;
    if to.starts_with('/') && !to.starts_with("//") {
        return Ok(format!("{scheme}://{authority}{to}"));
    }
    let (to_scheme, _) = origin_of(to).ok_or_else(|| refuse("it is no address"))?;
    match (scheme.as_str(), to_scheme.as_str()) {
        (_, "https") | ("http", "http") => Ok(to.to_owned()),
        ("https", "http") => Err(refuse("it leaves encryption")),
        _ => Err(refuse("it is no web address")),
    }
}

fn proxy(text: &str, no_proxy: Option<&str>) -> Result<Proxy, HubError> {
    let refuse = |error: ureq::Error| HubError::Proxy(error.to_string());
    let found = Proxy::new(text).map_err(refuse)?;
    let mut builder = Proxy::builder(found.protocol())
        .host(found.host())
        .port(found.port())
        .resolve_target(false);
    if let Some(name) = found.username() {
        builder = builder.username(name);
    }
    if let Some(password) = found.password() {
        builder = builder.password(password);
    }
    for host in no_proxy
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|host| !host.is_empty())
    {
        builder = builder.no_proxy(host);
    }
    builder.build().map_err(refuse)
}

/// Looks names up, and refuses addresses that a public hub has no business to point to.
#[derive(Debug)]
struct Guard {
    inner: DefaultResolver,
    allows_private: bool,
    proxy_host: Option<String>,
}

impl Resolver for Guard {
    fn resolve(
        &self,
        uri: &Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.inner.resolve(uri, config, timeout)?;
        let is_proxy = self.proxy_host.is_some() && uri.host() == self.proxy_host.as_deref();
        if self.allows_private || is_proxy || found.iter().all(|address| is_public(address.ip())) {
            return Ok(found);
        }
        let message =
            "it is an address of a private network; a mirror in it must be named by --mirror";
        Err(std::io::Error::other(message).into())
    }
}

/// Whether an address belongs to the public network.
fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            let is_special = ip.is_loopback()
                || ip.is_private()
                || ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_broadcast()
                || ip.is_multicast()
                || ip.is_documentation();
            !(is_shared || is_special || a == 0 || a >= 240)
        }
        IpAddr::V6(ip) => {
            let [first, second, ..] = ip.segments();
            let is_translated = (first == 0x64 && second == 0xff9b) || first == 0x2002;
            !(ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_multicast()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
                || is_translated)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_not_public_in_any_spelling() {
        for text in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.1",
            "172.16.9.9",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "8.8.8.8",
            "100.128.0.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn redirects_stay_encrypted_and_on_the_web() {
        let from = "https://hub.example/a/b";
        assert_eq!(follow(from, "/c?d=1").unwrap(), "https://hub.example/c?d=1");
        assert_eq!(
            follow(from, "https://cdn.example/x").unwrap(),
            "https://cdn.example/x"
        );
        for to in [
            "http://cdn.example/x",
            "file:///etc/passwd",
            "",
            "//cdn.example/x",
            "ftp://x/y",
        ] {
            assert!(
                matches!(follow(from, to), Err(HubError::Redirect { .. })),
                "{to}"
            );
        }
        assert!(follow("http://mirror.lan/a", "http://cdn.lan/x").is_ok());
    }

    #[test]
    fn a_token_goes_to_encrypted_or_local_addresses_only() {
        let options = HubOptions {
            token: Some("t".to_owned()),
            ..HubOptions::default()
        };
        let hub = Hub::new(options).unwrap();
        for (url, is_sent) in [
            ("https://hub.example/x", true),
            ("http://127.0.0.1:90/x", true),
            ("http://[::1]/x", true),
            ("http://hub.example/x", false),
            ("http://127.0.0.1.evil.example/x", false),
        ] {
            assert_eq!(hub.token_for(url).is_some(), is_sent, "{url}");
        }
    }

    #[test]
    fn mirrors_are_addresses() {
        for mirror in ["hub.example", "ftp://hub.example", "", "https://"] {
            let options = HubOptions {
                mirror: Some(mirror.to_owned()),
                ..HubOptions::default()
            };
            assert!(
                matches!(Hub::new(options), Err(HubError::Address(_))),
                "{mirror}"
            );
        }
    }
}
