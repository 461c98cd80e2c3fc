//! What becomes of a chunk that was not completed: again later, cut in half, given back, or the end of its job.

use std::time::Duration;

use sqlx::{PgConnection, PgPool};

use crate::{ClaimedChunk, JobError, Lease, QueueError, enqueue, runner::JobHandler, wake};

/// How attempts are spaced and counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryRules {
    pub(crate) max_attempts: i32,
    pub(crate) first_pause: Duration,
    pub(crate) longest_pause: Duration,
}

impl RetryRules {
    /// The pause after attempt number `attempt`: doubled each time, up to a limit, and a quarter more or less by chance so
    /// that chunks that failed together do not come back together.
    fn pause(&self, attempt: i32) -> Duration {
        let doublings = u32::try_from(attempt - 1).unwrap_or(0).min(16);
        let pause = self
            .first_pause
            .saturating_mul(1 << doublings)
            .min(self.longest_pause);
        pause.mul_f64(rand::random_range(0.75..1.25))
    }
}

/// What is to be done about a failed run.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Again in so long; one attempt is used up.
    Again(Duration),
    /// Two halves, each with all attempts.
    Split,
    /// Back as if it had not been tried, due in so long.
    GiveBack(Duration),
    /// The job has failed, and says this.
    Fail(String),
    /// Nothing: the chunk is not ours any more.
    Drop,
}

/// Decides; pure.
pub(crate) fn judge(error: &JobError, chunk: &ClaimedChunk, rules: &RetryRules) -> Verdict {
    match error {
        JobError::LeaseLost => Verdict::Drop,
        JobError::Interrupted => Verdict::GiveBack(Duration::ZERO),
        JobError::Wait { after, .. } => Verdict::GiveBack(*after),
        JobError::Fatal { message, .. } => Verdict::Fail(storable(message)),
        JobError::Retry { reason, .. } if chunk.exhausted => Verdict::Fail(storable(reason)),
        JobError::Retry { .. } if chunk.attempt >= rules.max_attempts && chunk.units() > 1 => {
            Verdict::Split
        }
        JobError::Retry { after, .. } => {
            Verdict::Again(after.unwrap_or_else(|| rules.pause(chunk.attempt)))
        }
    }
}

/// Writes a verdict, fenced by the lease: a chunk that is somebody else's is left alone.
pub(crate) async fn apply(
    pool: &PgPool,
    handler: &dyn JobHandler,
    chunk: &ClaimedChunk,
    verdict: &Verdict,
    reason: &str,
) -> Result<(), JobError> {
    match verdict {
        Verdict::Drop => Ok(()),
        Verdict::Again(pause) => put_back(pool, chunk.lease, *pause, reason, false).await,
        Verdict::GiveBack(pause) => {
            fail::fail_point!("lease_release", |_| Err(JobError::retry(
                "injected by a fail point"
            )));
            put_back(pool, chunk.lease, *pause, reason, true).await
        }
        Verdict::Split => split(pool, chunk.lease, reason).await,
        Verdict::Fail(message) => fail_job(pool, handler, chunk, message).await,
    }
}

async fn put_back(
    pool: &PgPool,
    lease: Lease,
    pause: Duration,
    reason: &str,
    uncounted: bool,
) -> Result<(), JobError> {
    let sql = "update job_chunks set state = 'ready', run_at = now() + make_interval(secs => $3), lease_expires_at = null, \
               worker = null, error_message = $4, attempt = attempt - case when $5 then 1 else 0 end \
               where id = $1 and lease_token = $2 and state = 'running'";
    let mut tx = pool.begin().await?;
    sqlx::query(sql)
        .bind(lease.chunk_id)
        .bind(lease.token)
        .bind(pause.as_secs_f64())
        .bind(storable(reason))
        .bind(uncounted)
        .execute(&mut *tx)
        .await?;
    if pause.is_zero() {
        wake::notify(&mut tx).await?;
    }
    Ok(tx.commit().await?)
}

async fn split(pool: &PgPool, lease: Lease, reason: &str) -> Result<(), JobError> {
    let sql = "with cut as (update job_chunks set state = 'ready', run_at = now(), lease_expires_at = null, worker = null, \
               error_message = $3, attempt = 0, expiries = 0, is_suspect = true, \
               end_unit = first_unit + (end_unit - first_unit) / 2 \
               where id = $1 and lease_token = $2 and state = 'running' returning job_id, phase, end_unit), \
               whole as (select end_unit from job_chunks where id = $1) \
               insert into job_chunks (job_id, phase, first_unit, end_unit, is_suspect, error_message) \
               select cut.job_id, cut.phase, cut.end_unit, whole.end_unit, true, $3 from cut, whole";
    let mut tx = pool.begin().await?;
    sqlx::query(sql)
        .bind(lease.chunk_id)
        .bind(lease.token)
        .bind(storable(reason))
        .execute(&mut *tx)
        .await?;
    wake::notify(&mut tx).await?;
    Ok(tx.commit().await?)
}

/// Ends the job; the handler's own rows change in the same transaction.
async fn fail_job(
    pool: &PgPool,
    handler: &dyn JobHandler,
    chunk: &ClaimedChunk,
    message: &str,
) -> Result<(), JobError> {
    let mut tx = pool.begin().await?;
    if !mark_failed(&mut tx, chunk, message).await? {
        return Ok(());
    }
    handler.failed(&mut tx, chunk, message).await?;
    fail::fail_point!("job_failed", |_| Err(JobError::retry(
        "injected by a fail point"
    )));
    Ok(tx.commit().await?)
}

/// False when the lease is lost or the job has ended.
async fn mark_failed(
    conn: &mut PgConnection,
    chunk: &ClaimedChunk,
    message: &str,
) -> Result<bool, QueueError> {
    let sql = "update job_states set state = 'failed', error_message = $2, finished_at = now(), updated_at = now() \
               where job_id = $1 and state in ('queued', 'running')";
    let is_live = sqlx::query(sql)
        .bind(chunk.job.id)
        .bind(message)
        .execute(&mut *conn)
        .await?
        .rows_affected()
        > 0;
    if !is_live {
        return Ok(false);
    }
    let sql = "update job_chunks set state = 'failed', lease_expires_at = null, error_message = $3 \
               where id = $1 and lease_token = $2 and state = 'running'";
    let is_ours = sqlx::query(sql)
        .bind(chunk.lease.chunk_id)
        .bind(chunk.lease.token)
        .bind(message)
        .execute(&mut *conn)
        .await?
        .rows_affected()
        > 0;
    if is_ours {
        enqueue::drop_waiting_chunks(conn, chunk.job.id).await?;
    }
    Ok(is_ours)
}

/// An error's text may hold what Postgres does not store.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Job;

    const RULES: RetryRules = RetryRules {
        max_attempts: 5,
        first_pause: Duration::from_secs(1),
        longest_pause: Duration::from_secs(60),
    };

    fn chunk(units: i64, attempt: i32, exhausted: bool) -> ClaimedChunk {
        let id = uuid::Uuid::nil();
        ClaimedChunk {
            id: 1,
            job: Job {
                id,
                kind: "k".into(),
                owner_id: None,
                subject_id: None,
                spec: serde_json::Value::Null,
            },
            phase: "p".into(),
            first_unit: 0,
            end_unit: units,
            attempt,
            expiries: 0,
            exhausted,
            is_spent: false,
            waited_s: 0.0,
            lease: Lease {
                chunk_id: 1,
                token: 1,
            },
        }
    }

    #[test]
    fn pauses_double_up_to_a_limit() {
        for (attempt, seconds) in [(1, 1.0), (2, 2.0), (5, 16.0), (7, 60.0), (40, 60.0)] {
            let pause = RULES.pause(attempt).as_secs_f64();
            assert!(
                (seconds * 0.75..seconds * 1.25).contains(&pause),
                "{attempt}: {pause}"
            );
        }
    }

    #[test]
    fn verdicts_follow_attempts_and_units() {
        let retry = JobError::retry("no");
        assert!(matches!(
            judge(&retry, &chunk(8, 4, false), &RULES),
            Verdict::Again(_)
        ));
        assert_eq!(judge(&retry, &chunk(8, 5, false), &RULES), Verdict::Split);
        // The next claim of a single unit makes it exhausted; only then does its failure fail the job.
        assert!(matches!(
            judge(&retry, &chunk(1, 5, false), &RULES),
            Verdict::Again(_)
        ));
        assert_eq!(
            judge(&retry, &chunk(1, 6, true), &RULES),
            Verdict::Fail("no".into())
        );
        assert_eq!(
            judge(&JobError::fatal("f"), &chunk(8, 1, false), &RULES),
            Verdict::Fail("f".into())
        );
        assert_eq!(
            judge(&JobError::Interrupted, &chunk(8, 5, false), &RULES),
            Verdict::GiveBack(Duration::ZERO)
        );
        assert_eq!(
            judge(&JobError::LeaseLost, &chunk(8, 5, false), &RULES),
            Verdict::Drop
        );
    }
}
