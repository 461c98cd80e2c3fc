//! Notifications: as answers, and as a stream of events (contract 15).

use std::collections::{HashSet, VecDeque};
use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use futures::Stream;
use http::HeaderMap;
use lamina_api::NotificationInfo;
use lamina_store::Principal;
use lamina_store::notifications::{self, Notification, NotificationFilter};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use uuid::Uuid;

use crate::ApiError;
use crate::auth::identify;
use crate::state::AppState;

/// Between two looks at what is new.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Between two pings.
const PING_EVERY: Duration = Duration::from_secs(3);

/// How far back each look reaches: a transaction that began earlier may become visible later.
const OVERLAP: TimeDelta = TimeDelta::seconds(30);

/// Most notifications of one look.
const AT_ONCE: i64 = 1_000;

/// As sent.
pub(crate) fn info(one: Notification) -> NotificationInfo {
    NotificationInfo {
        id: one.id,
        user_id: one.user_id,
        entity_type: one.entity_type,
        entity_id: one.entity_id,
        title: one.title,
        message: one.message,
        metadata: one.metadata,
        dataset_id: one.dataset_id,
        created_at: one.created_at.into(),
        read_at: one.read_at.map(Into::into),
    }
}

/// One client that listens.
pub(crate) struct Listener {
    state: AppState,
    headers: HeaderMap,
    user: Principal,
    dataset: Option<Uuid>,
    /// What was sent, or was there before, of the time that is looked at again.
    seen: HashSet<Uuid>,
    waiting: VecDeque<Bytes>,
    next_ping: Instant,
    _place: OwnedSemaphorePermit,
}

impl Listener {
    /// Listens from now on.
    ///
    /// # Errors
    /// The database.
    pub(crate) async fn new(
        state: AppState,
        headers: HeaderMap,
        user: Principal,
        dataset: Option<Uuid>,
        place: OwnedSemaphorePermit,
    ) -> Result<Self, ApiError> {
        let mut listener = Self {
            state,
            headers,
            user,
            dataset,
            seen: HashSet::new(),
            waiting: VecDeque::new(),
            next_ping: Instant::now(),
            _place: place,
        };
        listener.look().await?;
        listener.waiting.clear();
        Ok(listener)
    }

    /// The events, for as long as the caller is who they were and the server goes on.
    pub(crate) fn events(self) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
        futures::stream::unfold(self, |mut listener| async move {
            let event = listener.next().await?;
            Some((Ok(event), listener))
        })
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            if self.state.readiness.is_stopping() {
                return None;
            }
            if Instant::now() >= self.next_ping {
                self.next_ping = Instant::now() + PING_EVERY;
                // Keys are revoked and accounts end while somebody listens.
                match identify(&self.headers, &self.state).await {
                    Ok(Some(caller)) if caller.principal.user_id == self.user.user_id => {}
                    Ok(_) => return None,
                    Err(error) if error.code() == lamina_api::ErrorCode::Unauthenticated => {
                        return None;
                    }
                    Err(error) => self.waiting.push_back(failure(&error)),
                }
                self.waiting
                    .push_back(Bytes::from_static(b"event: ping\ndata:\n\n"));
                continue;
            }
            tokio::time::sleep(LOOK_EVERY).await;
            if let Err(error) = self.look().await {
                self.waiting.push_back(failure(&error));
            }
        }
    }

    async fn look(&mut self) -> Result<(), ApiError> {
        let filter = NotificationFilter {
            dataset: self.dataset,
            unread_only: false,
            since: Utc::now().checked_sub_signed(OVERLAP),
        };
        let mut conn = self.state.pool.acquire().await?;
        let (found, _) = notifications::list(&mut conn, &self.user, filter, 0, AT_ONCE).await?;
        drop(conn);
        let present: HashSet<Uuid> = found.iter().map(|one| one.id).collect();
        for one in found.into_iter().rev() {
            if self.seen.insert(one.id) {
                self.waiting.push_back(event(&info(one)));
            }
        }
        self.seen.retain(|id| present.contains(id));
        Ok(())
    }
}

/// JSON has no line breaks outside of texts, and escapes those inside: one line.
fn event(one: &NotificationInfo) -> Bytes {
    let data = serde_json::to_string(one).unwrap_or_default();
    Bytes::from(format!("event: notification\ndata: {data}\n\n"))
}

fn failure(error: &ApiError) -> Bytes {
    let data = serde_json::json!({"detail": error.public_text()});
    Bytes::from(format!("event: error\ndata: {data}\n\n"))
}
