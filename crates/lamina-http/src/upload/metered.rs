//! A request body with a meter on it: total bytes, silence, speed, and bytes that lead nowhere.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures::Stream;
use tokio::time::{Instant, Sleep};

/// What one upload request may take.
#[derive(Debug, Clone)]
pub struct UploadLimits {
    /// Bytes of one file.
    pub max_file_bytes: u64,
    /// Bytes of one request of the upload flow, all files together.
    pub max_request_bytes: u64,
    /// Bytes of one archive.
    pub max_archive_bytes: u64,
    /// Files in one request.
    pub max_files: usize,
    /// Bytes of one text field.
    pub max_text_bytes: u64,
    /// Longest silence of a client that is sending.
    pub idle_timeout: Duration,
    /// Slowest average speed, after [`Self::grace`].
    pub min_bytes_per_second: u64,
    /// Time before the speed is looked at.
    pub grace: Duration,
}

impl Default for UploadLimits {
    fn default() -> Self {
        Self {
            max_file_bytes: 200 * 1_000_000,
            max_request_bytes: 10 * 1_000_000_000,
            max_archive_bytes: 100 * 1_000_000_000,
            max_files: 1_000,
            max_text_bytes: 64 * 1024,
            idle_timeout: Duration::from_secs(30),
            // A quarter of a slow home line's uplink; drips of a few bytes a second are what this is against.
            min_bytes_per_second: 16 * 1024,
            grace: Duration::from_secs(30),
        }
    }
}

/// Why a body was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MeterError {
    /// More bytes than this request may have.
    #[error("the request is larger than {0} bytes")]
    TooLarge(u64),
    /// Nothing came for too long, or too little.
    #[error("the request is sent too slowly")]
    TooSlow,
    /// The headers of a part do not end.
    #[error("a part of the request has headers that are too long")]
    EndlessHeaders,
    /// The client is gone, or the transfer is malformed.
    #[error("the request body could not be read")]
    Broken,
}

/// Bytes since the reader last got something out of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Fed(Arc<AtomicU64>);

impl Fed {
    pub(super) fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// Longest run of bytes without a complete part header. More than one network read, far less than memory.
const MAX_FED: u64 = 2 * 1024 * 1024;

/// The body's bytes. Gives one piece per wake-up: the multipart reader takes all it can get before it hands anything on, and
/// would buffer as fast as a client can send.
pub(super) struct Metered {
    body: BodyDataStream,
    limit: u64,
    seen: u64,
    fed: Fed,
    started: Instant,
    idle: Pin<Box<Sleep>>,
    idle_timeout: Duration,
    min_bytes_per_second: u64,
    grace: Duration,
    gave: bool,
}

impl Metered {
    /// A meter on `body` that ends it after `limit` bytes.
    pub(super) fn new(body: Body, limit: u64, limits: &UploadLimits) -> (Self, Fed) {
        let fed = Fed::default();
        let metered = Self {
            body: body.into_data_stream(),
            limit,
            seen: 0,
            fed: fed.clone(),
            started: Instant::now(),
            idle: Box::pin(tokio::time::sleep(limits.idle_timeout)),
            idle_timeout: limits.idle_timeout,
            min_bytes_per_second: limits.min_bytes_per_second,
            grace: limits.grace,
            gave: false,
        };
        (metered, fed)
    }

    fn admit(&mut self, piece: &Bytes) -> Result<(), MeterError> {
        let length = piece.len() as u64;
        self.seen += length;
        if self.seen > self.limit {
            return Err(MeterError::TooLarge(self.limit));
        }
        if self.fed.0.fetch_add(length, Ordering::Relaxed) + length > MAX_FED {
            return Err(MeterError::EndlessHeaders);
        }
        let elapsed = self.started.elapsed();
        if elapsed > self.grace && self.seen < elapsed.as_secs() * self.min_bytes_per_second {
            return Err(MeterError::TooSlow);
        }
        Ok(())
    }
}

impl Stream for Metered {
    type Item = Result<Bytes, MeterError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.gave) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        match Pin::new(&mut self.body).poll_next(cx) {
            Poll::Ready(Some(Ok(piece))) => {
                let deadline = Instant::now() + self.idle_timeout;
                self.idle.as_mut().reset(deadline);
                self.gave = true;
                Poll::Ready(Some(self.admit(&piece).map(|()| piece)))
            }
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(MeterError::Broken))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                ready!(self.idle.as_mut().poll(cx));
                Poll::Ready(Some(Err(MeterError::TooSlow)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;

    fn pieces(sizes: &[usize]) -> Body {
        let pieces: Vec<Result<Bytes, std::io::Error>> = sizes
            .iter()
            .map(|size| Ok(Bytes::from(vec![b'x'; *size])))
            .collect();
        Body::from_stream(futures::stream::iter(pieces))
    }

    async fn outcome(body: Body, limit: u64, reset: bool) -> Result<u64, MeterError> {
        let (mut metered, fed) = Metered::new(body, limit, &UploadLimits::default());
        let mut total = 0;
        while let Some(piece) = metered.next().await {
            total += piece?.len() as u64;
            if reset {
                fed.reset();
            }
        }
        Ok(total)
    }

    #[tokio::test]
    async fn bytes_beyond_the_limit_end_the_body() {
        assert_eq!(outcome(pieces(&[10, 10]), 20, true).await, Ok(20));
        assert_eq!(
            outcome(pieces(&[10, 11]), 20, true).await,
            Err(MeterError::TooLarge(20))
        );
    }

    #[tokio::test]
    async fn bytes_that_never_become_a_part_end_the_body() {
        let megabytes = [1024 * 1024; 3];
        assert_eq!(
            outcome(pieces(&megabytes), u64::MAX, false).await,
            Err(MeterError::EndlessHeaders)
        );
        assert_eq!(
            outcome(pieces(&megabytes), u64::MAX, true).await,
            Ok(3 * 1024 * 1024)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn silence_and_drips_end_the_body() {
        let silent = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(outcome(silent, 1_000, true).await, Err(MeterError::TooSlow));
        let drips = futures::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b"x")), ()))
        });
        let started = Instant::now();
        assert_eq!(
            outcome(Body::from_stream(drips), 1_000, true).await,
            Err(MeterError::TooSlow)
        );
        assert!(started.elapsed() < Duration::from_secs(35));
    }
}
