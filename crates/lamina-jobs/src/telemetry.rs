//! What the queue tells about itself. The oldest expired lease is the alarm to watch (hardening P35): claims take expired
//! chunks themselves, so if it grows, nobody is claiming.

use sqlx::PgPool;

use crate::{ClaimedChunk, QueueError};

/// The state of the whole queue.
#[derive(Debug, Clone, Copy, PartialEq, sqlx::FromRow, serde::Serialize)]
pub struct QueueHealth {
    /// Seconds since the oldest lease ran out without anybody taking the chunk; 0 when there is none.
    pub oldest_expired_lease_s: f64,
    /// Seconds for which the oldest due chunk has waited; 0 when there is none.
    pub oldest_due_s: f64,
    /// Chunks of live jobs that wait.
    pub ready: i64,
    /// Chunks of live jobs under a lease.
    pub running: i64,
}

/// Asks the database.
///
/// # Errors
/// The database.
pub async fn queue_health(pool: &PgPool) -> Result<QueueHealth, QueueError> {
    let sql = "select \
        coalesce(max(extract(epoch from now() - c.lease_expires_at)) \
            filter (where c.state = 'running' and c.lease_expires_at < now()), 0)::float8 as oldest_expired_lease_s, \
        coalesce(max(extract(epoch from now() - c.run_at)) \
            filter (where c.state = 'ready' and c.run_at < now()), 0)::float8 as oldest_due_s, \
        count(*) filter (where c.state = 'ready') as ready, \
        count(*) filter (where c.state = 'running') as running \
        from job_chunks c join job_states s on s.job_id = c.job_id and s.phase = c.phase \
        where s.state in ('queued', 'running') and c.state in ('ready', 'running')";
    Ok(sqlx::query_as(sql).fetch_one(pool).await?)
}

/// Sets the gauges.
pub(crate) fn publish(health: &QueueHealth) {
    metrics::gauge!("lamina_jobs_oldest_expired_lease_seconds").set(health.oldest_expired_lease_s);
    metrics::gauge!("lamina_jobs_oldest_due_seconds").set(health.oldest_due_s);
    metrics::gauge!("lamina_jobs_ready_chunks").set(health.ready as f64);
    metrics::gauge!("lamina_jobs_running_chunks").set(health.running as f64);
}

/// Counts a claim and how long the chunk had waited.
pub(crate) fn claimed(chunk: &ClaimedChunk) {
    metrics::histogram!("lamina_jobs_claim_age_seconds", "kind" => chunk.job.kind.clone())
        .record(chunk.waited_s);
}

/// Counts the end of a run.
pub(crate) fn ended(chunk: &ClaimedChunk, outcome: &'static str, seconds: f64) {
    let kind = chunk.job.kind.clone();
    metrics::counter!("lamina_jobs_chunks_total", "kind" => kind.clone(), "outcome" => outcome)
        .increment(1);
    metrics::histogram!("lamina_jobs_chunk_seconds", "kind" => kind).record(seconds);
}
