//! The runner: claims chunks for its free slots and sees each through to its end.

use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures::FutureExt;
use sqlx::{PgConnection, PgPool};
use tokio::{sync::Notify, task::JoinSet};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

use crate::{
    ClaimRequest, ClaimedChunk, Completed, JobContext, JobError, QueueError, claim,
    failure::{self, RetryRules},
    leases::{self, Leases},
    telemetry, wake,
};

/// Work of one kind. Handlers are idempotent: the same chunk may be run again after any interruption.
#[async_trait]
pub trait JobHandler: Send + Sync {
    /// The kind of jobs this handler runs.
    fn kind(&self) -> &str;

    /// Works on one chunk and completes it by [`JobContext::complete`] in the transaction that has its effects, which it
    /// commits. A panic counts as [`JobError::Retry`].
    async fn run(&self, chunk: &ClaimedChunk, context: &JobContext) -> Result<Completed, JobError>;

    /// Called in the transaction that fails the job, to mark what the job was about; `message` is for the user.
    async fn failed(
        &self,
        conn: &mut PgConnection,
        chunk: &ClaimedChunk,
        message: &str,
    ) -> Result<(), JobError>;
}

/// How a runner works.
#[derive(Debug, Clone)]
pub struct RunnerConfig {
    /// Chunks at a time.
    pub slots: usize,
    /// A chunk is somebody else's after so long without a heartbeat.
    pub lease: Duration,
    /// How often leases are renewed; a third of the lease.
    pub heartbeat: Duration,
    /// How often to look for work without being woken.
    pub poll: Duration,
    /// After so many attempts a unit is exhausted.
    pub max_attempts: i32,
    /// A run without [`JobContext::tick`] for so long is stuck and loses its lease.
    pub attempt_limit: Duration,
    /// Pause after the first failed attempt; doubled each time.
    pub first_pause: Duration,
    /// Longest pause.
    pub longest_pause: Duration,
    /// How long a handler has to return once it is cancelled.
    pub grace: Duration,
    /// Name of this process, for people.
    pub worker: String,
}

impl Default for RunnerConfig {
    fn default() -> Self {
        Self {
            slots: 2,
            lease: Duration::from_secs(30),
            heartbeat: Duration::from_secs(10),
            poll: Duration::from_secs(1),
            max_attempts: 5,
            attempt_limit: Duration::from_secs(30 * 60),
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(60),
            grace: Duration::from_secs(6),
            worker: "worker".to_owned(),
        }
    }
}

/// Claims and runs chunks of the kinds it has handlers for.
pub struct Runner {
    inner: Arc<Inner>,
}

struct Inner {
    pool: PgPool,
    handlers: BTreeMap<String, Arc<dyn JobHandler>>,
    config: RunnerConfig,
    request: ClaimRequest,
    leases: Leases,
}

impl Runner {
    /// A runner for these handlers.
    pub fn new(pool: PgPool, handlers: Vec<Arc<dyn JobHandler>>, config: RunnerConfig) -> Self {
        let handlers: BTreeMap<String, Arc<dyn JobHandler>> = handlers
            .into_iter()
            .map(|handler| (handler.kind().to_owned(), handler))
            .collect();
        let request = ClaimRequest {
            kinds: handlers.keys().cloned().collect(),
            worker: config.worker.clone(),
            lease: config.lease,
            max_attempts: config.max_attempts,
        };
        Self {
            inner: Arc::new(Inner {
                pool,
                handlers,
                config,
                request,
                leases: Leases::default(),
            }),
        }
    }

    /// Works until `shutdown`, then lets running chunks finish or give their lease back. Database trouble is waited out.
    pub async fn run(&self, shutdown: CancellationToken) {
        let inner = &self.inner;
        let wake = Arc::new(Notify::new());
        let background = TaskTracker::new();
        // Leases are renewed until the last chunk has ended, hence a token of their own.
        let stop = CancellationToken::new();
        background.spawn(wake::listen(
            inner.pool.clone(),
            Arc::clone(&wake),
            stop.clone(),
        ));
        background.spawn(heartbeats(Arc::clone(inner), stop.clone()));
        background.spawn(watch(Arc::clone(inner), stop.clone()));
        background.close();

        let mut work: JoinSet<()> = JoinSet::new();
        while !shutdown.is_cancelled() {
            self.fill(&mut work, &shutdown).await;
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = wake.notified() => {}
                () = tokio::time::sleep(inner.config.poll) => {}
                Some(_) = work.join_next(), if !work.is_empty() => {}
            }
        }
        // Each chunk ends itself within the grace; the rest of the time is for writing that down.
        let limit = inner.config.grace + Duration::from_secs(2);
        let ended =
            tokio::time::timeout(limit, async { while work.join_next().await.is_some() {} }).await;
        if ended.is_err() {
            tracing::warn!(
                running = inner.leases.len(),
                "chunks did not end in time; their leases run out by themselves"
            );
        }
        stop.cancel();
        background.wait().await;
    }

    /// Claims one chunk and works on it here and now; false when nothing was due. For tests and one-off tools: without a
    /// running [`Self::run`] nothing renews the lease.
    ///
    /// # Errors
    /// The claim failed.
    pub async fn run_one(&self, shutdown: &CancellationToken) -> Result<bool, QueueError> {
        let Some(chunk) = claim(&self.inner.pool, &self.inner.request).await? else {
            return Ok(false);
        };
        see_through(Arc::clone(&self.inner), chunk, shutdown.child_token()).await;
        Ok(true)
    }

    async fn fill(&self, work: &mut JoinSet<()>, shutdown: &CancellationToken) {
        while work.len() < self.inner.config.slots && !shutdown.is_cancelled() {
            match claim(&self.inner.pool, &self.inner.request).await {
                Ok(Some(chunk)) => {
                    work.spawn(see_through(
                        Arc::clone(&self.inner),
                        chunk,
                        shutdown.child_token(),
                    ));
                }
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "no work could be claimed"
                    );
                    return;
                }
            }
        }
    }
}

/// One chunk from claim to end.
async fn see_through(inner: Arc<Inner>, chunk: ClaimedChunk, cancel: CancellationToken) {
    let span = tracing::info_span!("job", job.id = %chunk.job.id, job.kind = %chunk.job.kind, chunk.id = chunk.id,
        job.phase = %chunk.phase, chunk.attempt = chunk.attempt);
    work_on(inner, chunk, cancel).instrument(span).await;
}

async fn work_on(inner: Arc<Inner>, chunk: ClaimedChunk, cancel: CancellationToken) {
    // Only kinds with a handler are claimed.
    let Some(handler) = inner.handlers.get(&chunk.job.kind).cloned() else {
        return;
    };
    telemetry::claimed(&chunk);
    let started = Instant::now();
    let last_progress = inner.leases.hold(chunk.lease, cancel.clone());
    let context = JobContext::new(&chunk, cancel, last_progress);
    let outcome = if chunk.is_spent {
        Err(JobError::fatal(
            "a part of the work ended the worker each time it was tried",
        ))
    } else {
        run_guarded(handler.as_ref(), &chunk, &context, inner.config.grace).await
    };
    let seconds = started.elapsed().as_secs_f64();
    match outcome {
        Ok(_) => {
            telemetry::ended(&chunk, "done", seconds);
            tracing::debug!(
                duration_ms = (seconds * 1e3) as u64,
                units = chunk.units(),
                "chunk done"
            );
        }
        Err(error) => {
            // A handler that was told to stop says so in one way; whether the lease is lost is known here.
            let error = if inner.leases.holds(chunk.lease) {
                error
            } else {
                JobError::LeaseLost
            };
            telemetry::ended(&chunk, error.outcome(), seconds);
            conclude(&inner, handler.as_ref(), &chunk, &error).await;
        }
    }
    inner.leases.drop_lease(chunk.lease);
}

/// Runs the handler; a panic is an error, and one that does not return after being cancelled is dropped.
async fn run_guarded(
    handler: &dyn JobHandler,
    chunk: &ClaimedChunk,
    context: &JobContext,
    grace: Duration,
) -> Result<Completed, JobError> {
    let overdue = async {
        context.cancelled().cancelled().await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        outcome = AssertUnwindSafe(handler.run(chunk, context)).catch_unwind() => {
            outcome.unwrap_or_else(|payload| Err(panicked(payload.as_ref())))
        }
        () = overdue => Err(JobError::Interrupted),
    }
}

fn panicked(payload: &(dyn std::any::Any + Send)) -> JobError {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    JobError::retry_because(
        "the worker broke down on it",
        text.unwrap_or("panic").to_owned(),
    )
}

/// Writes down what becomes of a failed run, again and again while the database is away and the lease may be ours.
async fn conclude(inner: &Inner, handler: &dyn JobHandler, chunk: &ClaimedChunk, error: &JobError) {
    let rules = RetryRules {
        max_attempts: inner.config.max_attempts,
        first_pause: inner.config.first_pause,
        longest_pause: inner.config.longest_pause,
    };
    let verdict = failure::judge(error, chunk, &rules);
    match error {
        JobError::Fatal { .. } => {
            tracing::error!(error = error as &dyn std::error::Error, "job failed")
        }
        JobError::Retry { .. } | JobError::Wait { .. } => {
            tracing::warn!(
                error = error as &dyn std::error::Error,
                ?verdict,
                "chunk not done"
            );
        }
        JobError::LeaseLost | JobError::Interrupted => tracing::debug!(%error, "chunk not done"),
    }
    let reason = error.to_string();
    let deadline = Instant::now() + inner.config.lease;
    while let Err(trouble) = failure::apply(&inner.pool, handler, chunk, &verdict, &reason).await {
        if Instant::now() >= deadline {
            tracing::error!(
                error = &trouble as &dyn std::error::Error,
                "the end of a chunk could not be recorded"
            );
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn heartbeats(inner: Arc<Inner>, stop: CancellationToken) {
    let mut beat = tokio::time::interval(inner.config.heartbeat);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = beat.tick() => {}
        }
        let renewed = leases::renew(
            &inner.pool,
            &inner.leases,
            inner.config.lease,
            inner.config.attempt_limit,
        )
        .await;
        if let Err(error) = renewed {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "leases could not be renewed"
            );
        }
    }
}

/// Publishes the queue's state, and drops what cancelled and failed jobs left behind.
async fn watch(inner: Arc<Inner>, stop: CancellationToken) {
    let mut look = tokio::time::interval(Duration::from_secs(10));
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = look.tick() => {}
        }
        match telemetry::queue_health(&inner.pool).await {
            Ok(health) => telemetry::publish(&health),
            Err(error) => tracing::debug!(%error, "the queue could not be looked at"),
        }
        if let Err(error) = tidy(&inner.pool).await {
            tracing::debug!(%error, "the queue could not be tidied");
        }
    }
}

/// Chunks of ended jobs that nobody holds any more; failed ones stay for the record.
async fn tidy(pool: &PgPool) -> Result<(), QueueError> {
    let sql = "delete from job_chunks where id in (select c.id from job_chunks c join job_states s on s.job_id = c.job_id \
               where s.state in ('succeeded', 'failed', 'cancelled') and c.state <> 'failed' \
               and (c.state <> 'running' or c.lease_expires_at < now()) order by c.id limit 1000 for update of c skip locked)";
    sqlx::query(sql).execute(pool).await?;
    Ok(())
}
