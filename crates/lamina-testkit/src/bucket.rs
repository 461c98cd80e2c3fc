//! A bucket server on the loopback: `s3s` over a folder, with or without keys, that can be told to fail. Over plain HTTP it is
//! addressed by path; over TLS, with a certificate that only tests trust, each bucket has a host name of its own.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a server that cannot serve has to end the test; it ends with its runtime, which nobody waits for"
)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use s3s::auth::SimpleAuth;
use s3s::host::SingleDomain;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Requests that are still answered when none is refused.
const ALWAYS: usize = usize::MAX;

/// The authority behind the certificate of [`BucketServer::start_with_tls`], PEM.
pub const AUTHORITY: &str = include_str!("../certificates/authority.pem");

/// The name that certificate is for; those of buckets are below it.
const NAME: &str = "s3.localhost";

/// Listens on a free port until it is dropped.
#[derive(Debug)]
pub struct BucketServer {
    /// Where it listens.
    pub address: SocketAddr,
    has_tls: bool,
    root: tempfile::TempDir,
    told: Arc<Told>,
    runtime: Option<tokio::runtime::Runtime>,
}

#[derive(Debug)]
struct Told {
    asked: Mutex<Vec<String>>,
    answers_left: AtomicUsize,
}

impl BucketServer {
    /// Serves to everybody, or to those who sign with this key and secret.
    pub fn start(keys: Option<(&str, &str)>) -> Self {
        Self::begin(keys, false)
    }

    /// As [`Self::start`], over TLS, at `https://s3.localhost`; buckets are at `https://bucket.s3.localhost`.
    pub fn start_with_tls(keys: Option<(&str, &str)>) -> Self {
        Self::begin(keys, true)
    }

    fn begin(keys: Option<(&str, &str)>, has_tls: bool) -> Self {
        let root = tempfile::Builder::new()
            .prefix("lamina-bucket-")
            .tempdir()
            .unwrap();
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root.path()).unwrap());
        if let Some((key, secret)) = keys {
            builder.set_auth(SimpleAuth::from_single(key, secret));
        }
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        if has_tls {
            let domain = format!("{NAME}:{}", address.port());
            builder.set_host(SingleDomain::new(&domain).unwrap());
        }
        let service = builder.build();
        let tls = has_tls.then(acceptor);
        let told = Arc::new(Told {
            asked: Mutex::default(),
            answers_left: AtomicUsize::new(ALWAYS),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        runtime.spawn(serve(listener, tls, service, Arc::clone(&told)));
        Self {
            address,
            has_tls,
            root,
            told,
            runtime: Some(runtime),
        }
    }

    /// Its address, for a configuration.
    pub fn endpoint(&self) -> String {
        if self.has_tls {
            return format!("https://{NAME}:{}", self.address.port());
        }
        format!("http://{}", self.address)
    }

    fn path(&self, bucket: &str, key: &str) -> PathBuf {
        self.root.path().join(bucket).join(Path::new(key))
    }

    /// Puts an object in.
    pub fn put(&self, bucket: &str, key: &str, bytes: &[u8]) {
        let path = self.path(bucket, key);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, bytes).unwrap();
    }

    /// Takes an object out.
    pub fn remove(&self, bucket: &str, key: &str) {
        fs_err::remove_file(self.path(bucket, key)).unwrap();
    }

    /// Answers so many requests more, and 503 to all that follow; `None` ends that.
    pub fn answer_only(&self, requests: Option<usize>) {
        let left = requests.unwrap_or(ALWAYS);
        self.told.answers_left.store(left, Ordering::SeqCst);
    }

    /// The listings that were asked for and answered: their queries.
    pub fn listings(&self) -> Vec<String> {
        let asked = self.told.asked.lock().unwrap();
        asked
            .iter()
            .filter(|query| query.contains("list-type=2"))
            .cloned()
            .collect()
    }
}

impl Drop for BucketServer {
    fn drop(&mut self) {
        // Waiting for its threads is not allowed in tests that are asynchronous themselves.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn acceptor() -> TlsAcceptor {
    let chain = CertificateDer::from_pem_slice(include_bytes!("../certificates/server.pem"));
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../certificates/server.key"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![chain.unwrap()], key.unwrap());
    TlsAcceptor::from(Arc::new(config.unwrap()))
}

async fn serve(
    listener: std::net::TcpListener,
    tls: Option<TlsAcceptor>,
    service: S3Service,
    told: Arc<Told>,
) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (service, told) = (service.clone(), Arc::clone(&told));
        match tls.clone() {
            None => drop(tokio::spawn(answer(stream, service, told))),
            Some(tls) => drop(tokio::spawn(async move {
                // A client that does not trust the certificate ends here.
                if let Ok(stream) = tls.accept(stream).await {
                    answer(stream, service, told).await;
                }
            })),
        }
    }
}

async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    service: S3Service,
    told: Arc<Told>,
) {
    let answer = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let take = |left: usize| {
            if left == ALWAYS {
                Some(left)
            } else {
                left.checked_sub(1)
            }
        };
        let is_answered = told
            .answers_left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take)
            .is_ok();
        if is_answered {
            told.asked.lock().unwrap().push(query);
        }
        let service = service.clone();
        async move {
            if is_answered {
                return service.call(request.map(s3s::Body::from)).await;
            }
            let mut refused = http::Response::new(s3s::Body::empty());
            *refused.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
            Ok(refused)
        }
    });
    // A client that hangs up has seen enough.
    let _ = Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), answer)
        .await;
}
