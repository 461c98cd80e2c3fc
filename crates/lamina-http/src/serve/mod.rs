//! The accept loop: own, because the framework's installs no timer and waits for ever (hardening P20-P22).
//!
//! HTTP/1.1 only. A slot is taken before a connection is accepted, so that overload waits in the kernel's queue instead of
//! in our memory. Times are watched by [`connection::Guarded`]; shutdown has a deadline after which connections are dropped.

mod connection;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use connection::{Activity, Counted, Guarded};

/// What a client may take of the server.
#[derive(Debug, Clone)]
pub struct ServeLimits {
    /// Connections at once; the next one waits until one ends.
    pub max_connections: usize,
    /// From the first byte of a request to the end of its headers, and for the first byte of a new connection.
    pub header_timeout: Duration,
    /// Silence between two requests of one connection.
    pub keep_alive: Duration,
    /// How long a client may refuse to take bytes of an answer.
    pub write_timeout: Duration,
    /// After the shutdown signal: how long started requests may take before they are dropped.
    pub drain: Duration,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            max_connections: 4_096,
            header_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            write_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(8),
        }
    }
}

/// Serves `router` on `listener` until `shutdown` is cancelled, then lets started requests end and returns.
///
/// # Errors
/// When the listener breaks for good; failures of single connections are logged.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ServeLimits,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let slots = Arc::new(Semaphore::new(limits.max_connections));
    let connections = TaskTracker::new();
    let (stop, kill) = (shutdown.clone(), CancellationToken::new());

    while let Some((stream, peer, slot)) = next_connection(&listener, &slots, &shutdown).await {
        let router = router.clone().layer(axum::Extension(ConnectInfo(peer)));
        let (limits, stop, kill) = (limits.clone(), stop.clone(), kill.clone());
        connections.spawn(async move {
            tokio::select! {
                () = serve_connection(stream, router, &limits, stop) => {}
                () = kill.cancelled() => {}
            }
            drop(slot);
        });
    }

    drop(listener);
    connections.close();
    if tokio::time::timeout(limits.drain, connections.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            connections = connections.len(),
            "connections are still busy at the deadline and are dropped"
        );
        kill.cancel();
        connections.wait().await;
    }
    Ok(())
}

/// The next connection with its slot; `None` when it is time to stop.
async fn next_connection(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
    shutdown: &CancellationToken,
) -> Option<(TcpStream, std::net::SocketAddr, OwnedSemaphorePermit)> {
    loop {
        let slot = tokio::select! {
            () = shutdown.cancelled() => return None,
            slot = Arc::clone(slots).acquire_owned() => slot.ok()?,
        };
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return None,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => return Some((stream, peer, slot)),
            Err(error) => pause_after(&error).await,
        }
    }
}

/// A connection that died in the queue is nothing; running out of descriptors needs a breath, or the loop would spin.
async fn pause_after(error: &io::Error) {
    let of_the_client = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    );
    if !of_the_client {
        tracing::error!(%error, "cannot accept a connection");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn serve_connection(
    stream: TcpStream,
    router: Router,
    limits: &ServeLimits,
    stop: CancellationToken,
) {
    // Small answers must not wait for the client's acknowledgement of the previous ones.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let activity = Activity::default();
    let io = TokioIo::new(Guarded::new(stream, activity.clone(), limits));
    let service = service_fn(move |request: Request<Incoming>| {
        let busy = activity.begin();
        let router = router.clone();
        async move {
            let response: Result<Response, Infallible> =
                router.oneshot(request.map(Body::new)).await;
            response.map(|response| response.map(|body| Body::new(Counted::new(body, busy))))
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        // hyper's own clock also runs between requests, and so would cut clients that poll every ten seconds.
        .header_read_timeout(None)
        .max_headers(64)
        .max_buf_size(256 * 1024)
        .serve_connection(io, service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended early");
    }
}
