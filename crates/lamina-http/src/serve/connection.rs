//! One connection's clocks: headers, silence between requests, refusal to read.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::ServeLimits;

/// Requests of a connection that are being answered; 0 or 1, HTTP/1.1 has no more.
#[derive(Debug, Clone, Default)]
pub(super) struct Activity(Arc<AtomicUsize>);

impl Activity {
    /// Counts a request until the guard is dropped, which is when its answer is written.
    pub(super) fn begin(&self) -> Busy {
        self.0.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(&self.0))
    }

    fn is_busy(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

/// A request in the making.
#[derive(Debug)]
pub(super) struct Busy(Arc<AtomicUsize>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An answer's body that keeps its request counted until it is written or given up.
pub(super) struct Counted {
    body: Body,
    _busy: Busy,
}

impl Counted {
    pub(super) fn new(body: Body, busy: Busy) -> Self {
        Self { body, _busy: busy }
    }
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What the client has to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expecting {
    /// Finish the headers it has begun, or, on a new connection, begin them.
    Headers,
    /// Send another request, or go.
    NextRequest,
    /// Nothing: a request is being answered. How fast a body must come is the handler's business.
    Nothing,
}

/// A stream that ends itself when its client is too slow.
pub(super) struct Guarded {
    stream: TcpStream,
    activity: Activity,
    expecting: Expecting,
    read_deadline: Pin<Box<Sleep>>,
    write_deadline: Option<Pin<Box<Sleep>>>,
    header_timeout: Duration,
    keep_alive: Duration,
    write_timeout: Duration,
}

impl Guarded {
    pub(super) fn new(stream: TcpStream, activity: Activity, limits: &ServeLimits) -> Self {
        Self {
            stream,
            activity,
            expecting: Expecting::Headers,
            read_deadline: Box::pin(tokio::time::sleep(limits.header_timeout)),
            write_deadline: None,
            header_timeout: limits.header_timeout,
            keep_alive: limits.keep_alive,
            write_timeout: limits.write_timeout,
        }
    }

    fn expect(&mut self, next: Expecting, within: Duration) {
        self.expecting = next;
        self.read_deadline.as_mut().reset(Instant::now() + within);
    }

    /// Runs the clock of a write that may have to wait.
    fn watch_write<T>(
        &mut self,
        cx: &mut Context<'_>,
        progress: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            self.write_deadline = None;
            return progress;
        }
        let within = self.write_timeout;
        let deadline = self
            .write_deadline
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(within)));
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client does not read its answer",
        )))
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.activity.is_busy() {
            self.expecting = Expecting::Nothing;
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        if self.expecting == Expecting::Nothing {
            let within = self.keep_alive;
            self.expect(Expecting::NextRequest, within);
        }
        // The clock comes first: a client that always has one more byte must not outrun it.
        if self.read_deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(match self.expecting {
                // To the protocol this is the client's own goodbye.
                Expecting::NextRequest => Ok(()),
                Expecting::Headers | Expecting::Nothing => Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the client does not finish its headers",
                )),
            });
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let has_begun = read.is_ready() && buffer.filled().len() > before;
        if has_begun && self.expecting == Expecting::NextRequest {
            let within = self.header_timeout;
            self.expect(Expecting::Headers, within);
        }
        read
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch_write(cx, progress)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.watch_write(cx, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
