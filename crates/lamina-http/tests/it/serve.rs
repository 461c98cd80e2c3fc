//! The accept loop on a real socket.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use lamina_http::{ServeLimits, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

struct Served {
    address: SocketAddr,
    shutdown: CancellationToken,
    ended: tokio::task::JoinHandle<std::io::Result<()>>,
}

async fn start(router: Router, limits: ServeLimits) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let served = serve(listener, router, limits, shutdown.clone());
    let ended = TaskTracker::new().spawn(served);
    Served {
        address,
        shutdown,
        ended,
    }
}

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/// Reads one answer whose length is short enough to come at once.
async fn answer(stream: &mut TcpStream) -> String {
    let mut buffer = vec![0; 4_096];
    let length = stream.read(&mut buffer).await.unwrap();
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

/// Whether the other side has hung up.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut byte = [0; 256];
    loop {
        match stream.read(&mut byte).await {
            Ok(0) | Err(_) => return true,
            Ok(_) => {}
        }
    }
}

#[tokio::test]
async fn half_sent_headers_and_silent_newcomers_are_cut_off() {
    let limits = ServeLimits {
        header_timeout: Duration::from_secs(1),
        ..ServeLimits::default()
    };
    let served = start(hello(), limits).await;
    let started = Instant::now();
    let mut silent = TcpStream::connect(served.address).await.unwrap();
    let mut slow = TcpStream::connect(served.address).await.unwrap();
    let drip = async {
        for byte in b"GET / HTTP/1.1\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" {
            if slow.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        is_closed(&mut slow).await
    };
    let (silent_closed, slow_closed) = tokio::join!(is_closed(&mut silent), drip);
    assert!(silent_closed && slow_closed);
    assert!(started.elapsed() < Duration::from_secs(30));
    // Others were served meanwhile and still are.
    let mut good = TcpStream::connect(served.address).await.unwrap();
    good.write_all(REQUEST).await.unwrap();
    assert!(answer(&mut good).await.ends_with("hello"));
}

#[tokio::test]
async fn a_connection_lives_on_between_requests_longer_than_headers_may_take() {
    let limits = ServeLimits {
        header_timeout: Duration::from_millis(500),
        ..ServeLimits::default()
    };
    let served = start(hello(), limits).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    for _ in 0..2 {
        stream.write_all(REQUEST).await.unwrap();
        assert!(answer(&mut stream).await.ends_with("hello"));
        // The silence is what is tested.
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    stream.write_all(REQUEST).await.unwrap();
    assert!(answer(&mut stream).await.ends_with("hello"));
}

#[tokio::test]
async fn a_connection_that_stays_silent_is_closed() {
    let limits = ServeLimits {
        keep_alive: Duration::from_millis(300),
        ..ServeLimits::default()
    };
    let served = start(hello(), limits).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(REQUEST).await.unwrap();
    assert!(answer(&mut stream).await.ends_with("hello"));
    let closed = tokio::time::timeout(Duration::from_secs(30), is_closed(&mut stream)).await;
    assert_eq!(closed, Ok(true));
}

#[tokio::test]
async fn shutdown_lets_started_requests_end_and_no_new_ones_begin() {
    let (entered, go) = (
        std::sync::Arc::new(Notify::new()),
        std::sync::Arc::new(Notify::new()),
    );
    let (entered_in, go_in) = (entered.clone(), go.clone());
    let router = Router::new().route(
        "/",
        get(move || async move {
            entered_in.notify_one();
            go_in.notified().await;
            "done"
        }),
    );
    let served = start(router, ServeLimits::default()).await;
    let mut idle = TcpStream::connect(served.address).await.unwrap();
    let mut busy = TcpStream::connect(served.address).await.unwrap();
    busy.write_all(REQUEST).await.unwrap();
    entered.notified().await;
    served.shutdown.cancel();
    assert!(is_closed(&mut idle).await, "idle connections end at once");
    go.notify_one();
    assert!(answer(&mut busy).await.ends_with("done"));
    served.ended.await.unwrap().unwrap();
    assert!(TcpStream::connect(served.address).await.is_err());
}

#[tokio::test]
async fn shutdown_has_a_deadline() {
    let router = Router::new().route("/", get(std::future::pending::<&'static str>));
    let limits = ServeLimits {
        drain: Duration::from_millis(200),
        ..ServeLimits::default()
    };
    let served = start(router, limits).await;
    let mut stuck = TcpStream::connect(served.address).await.unwrap();
    stuck.write_all(REQUEST).await.unwrap();
    let mut half = TcpStream::connect(served.address).await.unwrap();
    half.write_all(b"GET / HT").await.unwrap();
    served.shutdown.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(5), served.ended).await;
    ended.expect("must end by its deadline").unwrap().unwrap();
    assert!(is_closed(&mut stuck).await && is_closed(&mut half).await);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_dropped() {
    let large = bytes::Bytes::from(vec![b'x'; 64 * 1024 * 1024]);
    let router = Router::new().route("/", get(move || async move { large }));
    let limits = ServeLimits {
        write_timeout: Duration::from_millis(300),
        max_connections: 1,
        ..ServeLimits::default()
    };
    let served = start(router, limits).await;
    let mut lazy = TcpStream::connect(served.address).await.unwrap();
    lazy.write_all(REQUEST).await.unwrap();
    // There is one slot: that a second client is served shows that the first one was dropped.
    let mut next = TcpStream::connect(served.address).await.unwrap();
    next.write_all(REQUEST).await.unwrap();
    let served_in_time = tokio::time::timeout(Duration::from_secs(10), answer(&mut next)).await;
    assert!(served_in_time.unwrap().starts_with("HTTP/1.1 200"));
}
