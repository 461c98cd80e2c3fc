//! What a handler may do with the queue while it holds a chunk.

use std::{sync::PoisonError, time::Instant};

use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;

use crate::{ClaimedChunk, JobError, Next, Phase, QueueError, enqueue, leases::Progress, wake};

/// Handed to a handler with each chunk.
pub struct JobContext {
    pub(crate) chunk_id: i64,
    pub(crate) token: i64,
    pub(crate) job_id: uuid::Uuid,
    pub(crate) phase: String,
    pub(crate) cancel: CancellationToken,
    pub(crate) last_progress: Progress,
}

/// Proof that a chunk was completed; the only thing a handler can return for success.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the transaction still has to be committed, and this returned from the handler"]
pub struct Completed {
    closed_phase: bool,
}

impl Completed {
    /// Whether this was the last chunk of its phase.
    pub const fn closed_phase(&self) -> bool {
        self.closed_phase
    }
}

/// What [`JobContext::settle`] found.
#[derive(Debug)]
#[must_use = "a phase that closed has to be followed by another, or by the end of the job"]
pub enum Settled {
    /// Other chunks of the phase are still open.
    PhaseOpen(Completed),
    /// This was the last one: say what follows, in the same transaction.
    PhaseClosed(Closing),
}

/// A phase that has just been closed, in a transaction that is still open.
#[derive(Debug)]
#[must_use = "call start_phase or succeed, or the job would never end"]
pub struct Closing {
    job_id: uuid::Uuid,
}

impl JobContext {
    pub(crate) fn new(
        chunk: &ClaimedChunk,
        cancel: CancellationToken,
        last_progress: Progress,
    ) -> Self {
        Self {
            chunk_id: chunk.lease.chunk_id,
            token: chunk.lease.token,
            job_id: chunk.job.id,
            phase: chunk.phase.clone(),
            cancel,
            last_progress,
        }
    }

    /// Fires when the process shuts down, the lease is lost or the job is cancelled. Return [`JobError::Interrupted`]
    /// soon; the runner finds out which it was.
    pub const fn cancelled(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Says that the work gets on. Without it (or [`Self::fence`]) for as long as the runner's attempt limit, the lease is
    /// given up.
    pub fn tick(&self) {
        *self
            .last_progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Call inside the transaction of an intermediate write, before or after it: holds the chunk until the transaction
    /// ends, so that nobody can claim it in between.
    ///
    /// # Errors
    /// [`JobError::LeaseLost`]: roll back and stop.
    pub async fn fence(&self, conn: &mut PgConnection) -> Result<(), JobError> {
        self.tick();
        let sql = "select s.state in ('queued', 'running') from job_chunks c join job_states s on s.job_id = c.job_id \
                   where c.id = $1 and c.lease_token = $2 and c.state = 'running' for update of c";
        let is_live: Option<bool> = sqlx::query_scalar(sql)
            .bind(self.chunk_id)
            .bind(self.token)
            .fetch_optional(conn)
            .await?;
        if is_live == Some(true) {
            Ok(())
        } else {
            Err(JobError::LeaseLost)
        }
    }

    /// Completes the chunk; `next` counts if it was the last open chunk of its phase. Call it last in the transaction that
    /// has the chunk's effects: other chunks of the job wait for that transaction from here on.
    ///
    /// # Errors
    /// [`JobError::LeaseLost`]: roll back and stop. A malformed phase is fatal.
    pub async fn complete(
        &self,
        conn: &mut PgConnection,
        next: Next,
    ) -> Result<Completed, JobError> {
        match self.settle(&mut *conn).await? {
            Settled::PhaseOpen(completed) => Ok(completed),
            Settled::PhaseClosed(closing) => match next {
                Next::Nothing => closing.succeed(conn).await,
                Next::Phase(phase) => closing.start_phase(conn, phase).await,
            },
        }
    }

    /// As [`Self::complete`] for handlers that decide what follows only when they know that the phase is closed; they may
    /// do more in the transaction first. Effects of all other chunks of the phase are visible then.
    ///
    /// # Errors
    /// [`JobError::LeaseLost`]: roll back and stop.
    pub async fn settle(&self, conn: &mut PgConnection) -> Result<Settled, JobError> {
        self.tick();
        // The job's state row is the lock under which "am I the last one?" has one answer.
        let sql =
            "select state in ('queued', 'running') from job_states where job_id = $1 for update";
        let is_live: Option<bool> = sqlx::query_scalar(sql)
            .bind(self.job_id)
            .fetch_optional(&mut *conn)
            .await?;
        if is_live != Some(true) {
            return Err(JobError::LeaseLost);
        }
        let sql = "update job_chunks set state = 'done', lease_expires_at = null, worker = null, error_message = null \
                   where id = $1 and lease_token = $2 and state = 'running' returning end_unit - first_unit";
        let units: Option<i64> = sqlx::query_scalar(sql)
            .bind(self.chunk_id)
            .bind(self.token)
            .fetch_optional(&mut *conn)
            .await?;
        let units = units.ok_or(JobError::LeaseLost)?;
        let sql = "update job_states set units_done = units_done + $2, updated_at = now() where job_id = $1 \
                   returning not exists (select from job_chunks where job_id = $1 and phase = $3 and state in ('ready', 'running'))";
        let is_closed: bool = sqlx::query_scalar(sql)
            .bind(self.job_id)
            .bind(units)
            .bind(&self.phase)
            .fetch_one(conn)
            .await?;
        fail::fail_point!("chunk_settled", |_| Err(JobError::retry(
            "injected by a fail point"
        )));
        Ok(if is_closed {
            Settled::PhaseClosed(Closing {
                job_id: self.job_id,
            })
        } else {
            Settled::PhaseOpen(Completed {
                closed_phase: false,
            })
        })
    }
}

impl Closing {
    /// Starts the next phase.
    ///
    /// # Errors
    /// A phase without chunks is fatal; the database.
    pub async fn start_phase(
        self,
        conn: &mut PgConnection,
        phase: Phase,
    ) -> Result<Completed, JobError> {
        phase.check()?;
        let sql = "update job_states set phase = $2, units_total = $3, units_done = 0, updated_at = now() where job_id = $1";
        sqlx::query(sql)
            .bind(self.job_id)
            .bind(&phase.name)
            .bind(phase.units())
            .execute(&mut *conn)
            .await
            .map_err(QueueError::from)?;
        enqueue::drop_waiting_chunks(&mut *conn, self.job_id).await?;
        enqueue::insert_chunks(&mut *conn, self.job_id, &phase).await?;
        wake::notify(conn).await?;
        fail::fail_point!("phase_started", |_| Err(JobError::retry(
            "injected by a fail point"
        )));
        Ok(Completed { closed_phase: true })
    }

    /// Ends the job well.
    ///
    /// # Errors
    /// The database.
    pub async fn succeed(self, conn: &mut PgConnection) -> Result<Completed, JobError> {
        let sql = "update job_states set state = 'succeeded', finished_at = now(), updated_at = now() where job_id = $1";
        sqlx::query(sql)
            .bind(self.job_id)
            .execute(&mut *conn)
            .await?;
        // The state row keeps what the API shows; the queue stays small.
        enqueue::drop_waiting_chunks(conn, self.job_id).await?;
        Ok(Completed { closed_phase: true })
    }
}
