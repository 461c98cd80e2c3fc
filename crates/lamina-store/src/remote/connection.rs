//! The one way out: an HTTP/1.1 client that looks at every address before it connects, follows no redirection by itself, and
//! trusts the public authorities and those it was given.

use std::error::Error;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::BodyExt as _;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector as TcpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody,
    HttpResponse, HttpResponseBody, HttpService,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tower_service::Service;

use super::address::AddressPolicy;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);

/// How long the beginning of an answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// How long a connection is kept that nobody uses.
const IDLE: Duration = Duration::from_secs(30);

/// An address that may not be connected to.
#[derive(Debug, thiserror::Error)]
#[error("no address of {0:?} may be connected to")]
pub(super) struct Forbidden(pub(super) String);

/// Connections under one policy and one set of trusted authorities. Cheap to clone; clones share connections.
#[derive(Clone)]
pub(super) struct Connection {
    client: Client<HttpsConnector<TcpConnector<Resolver>>, HttpRequestBody>,
    policy: Arc<AddressPolicy>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// `ca` is a file of PEM certificates to trust beside the public authorities.
    ///
    /// # Errors
    /// A text for people when the file cannot be read or holds none.
    pub(super) fn new(policy: AddressPolicy, ca: Option<&Path>) -> Result<Self, String> {
        let mut roots = RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.into(),
        };
        if let Some(path) = ca {
            let unusable = |error: &dyn Error| format!("{}: {error}", path.display());
            let found = CertificateDer::pem_file_iter(path).map_err(|error| unusable(&error))?;
            let mut added = 0;
            for certificate in found {
                let certificate = certificate.map_err(|error| unusable(&error))?;
                roots.add(certificate).map_err(|error| unusable(&error))?;
                added += 1;
            }
            if added == 0 {
                return Err(format!("{} holds no certificate", path.display()));
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let policy = Arc::new(policy);
        let mut tcp = TcpConnector::new_with_resolver(Resolver(Arc::clone(&policy)));
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.set_nodelay(true);
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(https);
        Ok(Self { client, policy })
    }
}

#[async_trait]
impl HttpService for Connection {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        // A host that is an address is never looked up, so it is judged here.
        let host = request.uri().host().unwrap_or_default();
        let literal = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>();
        if literal.is_ok_and(|ip| !self.policy.allows(ip)) {
            return Err(HttpError::new(
                HttpErrorKind::Unknown,
                Forbidden(host.to_owned()),
            ));
        }
        match tokio::time::timeout(ANSWER, self.client.request(request)).await {
            Ok(Ok(response)) => Ok(response.map(|body| {
                HttpResponseBody::new(
                    body.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error)),
                )
            })),
            Ok(Err(error)) => Err(HttpError::new(kind_of(&error), error)),
            Err(elapsed) => Err(HttpError::new(HttpErrorKind::Timeout, elapsed)),
        }
    }
}

/// An address that is not allowed and a certificate that is not trusted do not get better by trying again.
fn kind_of(error: &ClientError) -> HttpErrorKind {
    if find::<Forbidden>(error).is_some() || find::<rustls::Error>(error).is_some() {
        HttpErrorKind::Unknown
    } else if error.is_connect() {
        HttpErrorKind::Connect
    } else {
        HttpErrorKind::Interrupted
    }
}

/// The first cause of this type. Errors of I/O may carry another one inside.
pub(super) fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let inside = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .map(|inside| inside as &(dyn Error + 'static));
        next = inside.or_else(|| error.source());
    }
    None
}

impl HttpConnector for Connection {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

/// Looks names up and leaves out what may not be connected to: the address that was judged is the one that is used. `localhost` and
/// every name below it are this machine (RFC 6761), whatever a name server says or does not say: a bucket of a server here may have
/// a host name of its own.
#[derive(Debug, Clone)]
struct Resolver(Arc<AddressPolicy>);

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, io::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let policy = Arc::clone(&self.0);
        Box::pin(async move {
            let found: Vec<SocketAddr> = if is_this_machine(name.as_str()) {
                let both = [
                    IpAddr::from(Ipv4Addr::LOCALHOST),
                    Ipv6Addr::LOCALHOST.into(),
                ];
                both.map(|ip| SocketAddr::new(ip, 0)).to_vec()
            } else {
                let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
                found.collect()
            };
            let allowed: Vec<SocketAddr> = found
                .into_iter()
                .filter(|found| policy.allows(found.ip()))
                .collect();
            if allowed.is_empty() {
                return Err(io::Error::other(Forbidden(name.as_str().to_owned())));
            }
            Ok(allowed.into_iter())
        })
    }
}

/// Whether a name is `localhost` or below it; case and a dot at the end make no difference.
fn is_this_machine(name: &str) -> bool {
    const LAST: &str = "localhost";
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == LAST
        || name
            .strip_suffix(LAST)
            .is_some_and(|rest| rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_below_localhost_are_this_machine_and_no_others() {
        for name in ["localhost", "photos.s3.localhost", "A.LocalHost."] {
            assert!(is_this_machine(name), "{name}");
        }
        for name in ["notlocalhost", "localhost.example", "example.org", ""] {
            assert!(!is_this_machine(name), "{name}");
        }
    }

    #[tokio::test]
    async fn names_of_this_machine_are_judged_like_all_others() {
        let name = || "photos.localhost".parse::<Name>().unwrap();
        let mut public = Resolver(Arc::new(AddressPolicy::PublicAnd(Vec::new())));
        let refused = public.call(name()).await.unwrap_err();
        assert!(find::<Forbidden>(&refused).is_some());
        let found = Resolver(Arc::new(AddressPolicy::Any)).call(name()).await;
        assert!(found.unwrap().all(|found| found.ip().is_loopback()));
    }
}
