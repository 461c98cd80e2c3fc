//! Leases held by this process, and the task that renews them (hardening P37): apart from the work, so that a long decode
//! does not lose its lease, but only while the work shows progress, so that a stuck one does.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use sqlx::{PgPool, Row};
use tokio_util::sync::CancellationToken;

use crate::{Lease, QueueError};

/// One lease that is held.
struct Held {
    token: i64,
    /// Tells the handler that its lease is lost.
    cancel: CancellationToken,
    last_progress: Arc<Mutex<Instant>>,
}

/// The leases of this process.
#[derive(Default)]
pub(crate) struct Leases(Mutex<HashMap<i64, Held>>);

/// A point in time that the handler moves and the heartbeat reads.
pub(crate) type Progress = Arc<Mutex<Instant>>;

impl Leases {
    /// Takes a lease into the renewals, until [`Self::drop_lease`].
    pub(crate) fn hold(&self, lease: Lease, cancel: CancellationToken) -> Progress {
        let last_progress = Arc::new(Mutex::new(Instant::now()));
        let held = Held {
            token: lease.token,
            cancel,
            last_progress: Arc::clone(&last_progress),
        };
        self.lock().insert(lease.chunk_id, held);
        last_progress
    }

    /// False once it turned out to be lost, or was given up.
    pub(crate) fn holds(&self, lease: Lease) -> bool {
        self.lock()
            .get(&lease.chunk_id)
            .is_some_and(|held| held.token == lease.token)
    }

    pub(crate) fn drop_lease(&self, lease: Lease) {
        let mut held = self.lock();
        if held
            .get(&lease.chunk_id)
            .is_some_and(|held| held.token == lease.token)
        {
            held.remove(&lease.chunk_id);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<i64, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops renewing those without progress for `limit`, and tells their handlers.
    fn give_up_stuck(&self, limit: Duration) {
        self.lock().retain(|chunk, held| {
            let last = *held
                .last_progress
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let is_stuck = last.elapsed() > limit;
            if is_stuck {
                tracing::warn!(
                    chunk.id = chunk,
                    "no progress within the attempt limit: the lease is given up"
                );
                held.cancel.cancel();
            }
            !is_stuck
        });
    }

    fn snapshot(&self) -> (Vec<i64>, Vec<i64>) {
        self.lock()
            .iter()
            .map(|(chunk, held)| (*chunk, held.token))
            .unzip()
    }

    fn lose(&self, lease: Lease) {
        let mut held = self.lock();
        if let Some(lost) = held
            .get(&lease.chunk_id)
            .filter(|held| held.token == lease.token)
        {
            tracing::warn!(chunk.id = lease.chunk_id, "the lease was lost");
            lost.cancel.cancel();
            held.remove(&lease.chunk_id);
        }
    }
}

// Rows that are locked are skipped: either their handler is writing, so it lives, or somebody is claiming them. The outer
// query sees the state before the update and tells which leases are still ours at all.
const RENEW: &str = "\
with mine as (
    select * from unnest($1::bigint[], $2::bigint[]) as t (id, token)
), held as (
    select c.id from job_chunks c join mine on mine.id = c.id and mine.token = c.lease_token
    where c.state = 'running' order by c.id for update of c skip locked
), renewed as (
    update job_chunks c set lease_expires_at = now() + make_interval(secs => $3) from held where c.id = held.id
)
select mine.id, mine.token, c.id is not null and s.state in ('queued', 'running') as is_ours
from mine
left join job_chunks c on c.id = mine.id and c.lease_token = mine.token and c.state = 'running'
left join job_states s on s.job_id = c.job_id";

/// Renews every lease once; those that turn out to be lost are cancelled and forgotten.
pub(crate) async fn renew(
    pool: &PgPool,
    leases: &Leases,
    lease: Duration,
    attempt_limit: Duration,
) -> Result<(), QueueError> {
    fail::fail_point!("heartbeat", |_| Err(QueueError::Database(
        sqlx::Error::WorkerCrashed
    )));
    leases.give_up_stuck(attempt_limit);
    let (chunks, tokens) = leases.snapshot();
    if chunks.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query(RENEW)
        .bind(chunks)
        .bind(tokens)
        .bind(lease.as_secs_f64())
        .fetch_all(pool)
        .await?;
    for row in rows {
        if !row.try_get::<Option<bool>, _>("is_ours")?.unwrap_or(false) {
            leases.lose(Lease {
                chunk_id: row.try_get("id")?,
                token: row.try_get("token")?,
            });
        }
    }
    Ok(())
}
