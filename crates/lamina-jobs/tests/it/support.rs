//! What the tests share: jobs to enqueue, a handler whose behaviour is a closure, and ways to move time.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::future::BoxFuture;
use lamina_jobs::{
    ClaimRequest, ClaimedChunk, Completed, JobContext, JobError, JobHandler, NewJob, Next, Phase,
    Runner, RunnerConfig, claim, enqueue,
};
use sqlx::{PgConnection, PgPool};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub const KIND: &str = "test";

pub fn request(worker: &str) -> ClaimRequest {
    ClaimRequest {
        kinds: vec![KIND.to_owned()],
        worker: worker.to_owned(),
        lease: Duration::from_secs(30),
        max_attempts: 5,
    }
}

/// Enqueues a job of one phase and returns its id.
pub async fn put(pool: &PgPool, owner: Option<Uuid>, first: Phase) -> Uuid {
    let mut tx = pool.begin().await.unwrap();
    let spec = serde_json::json!({ "n": 1 });
    let mut job = NewJob::new(KIND, owner, None, &spec, first).unwrap();
    let id = job.id;
    job.subject_id = Some(id);
    enqueue(&mut tx, job).await.unwrap();
    tx.commit().await.unwrap();
    id
}

pub async fn claim_one(pool: &PgPool) -> ClaimedChunk {
    claim(pool, &request("w"))
        .await
        .unwrap()
        .expect("a chunk is due")
}

/// Lets the lease of a chunk run out, as if its worker had been killed a while ago.
pub async fn expire(pool: &PgPool, chunk: i64) {
    let sql = "update job_chunks set lease_expires_at = now() - interval '1 second' where id = $1 and state = 'running'";
    assert_eq!(
        sqlx::query(sql)
            .bind(chunk)
            .execute(pool)
            .await
            .unwrap()
            .rows_affected(),
        1
    );
}

/// Makes chunks that wait for their next attempt due now.
pub async fn skip_pauses(pool: &PgPool) {
    sqlx::query("update job_chunks set run_at = now() where state = 'ready'")
        .execute(pool)
        .await
        .unwrap();
}

pub async fn scalar<T>(pool: &PgPool, sql: &'static str) -> T
where
    T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}

type Behaviour = dyn for<'a> Fn(&'a ClaimedChunk, &'a JobContext) -> BoxFuture<'a, Result<Completed, JobError>>
    + Send
    + Sync;

/// A handler that does what a closure says, and on failure writes the message into the job's spec table `failures`.
pub struct Script(pub Box<Behaviour>);

#[async_trait]
impl JobHandler for Script {
    fn kind(&self) -> &str {
        KIND
    }

    async fn run(&self, chunk: &ClaimedChunk, context: &JobContext) -> Result<Completed, JobError> {
        (self.0)(chunk, context).await
    }

    async fn failed(
        &self,
        conn: &mut PgConnection,
        chunk: &ClaimedChunk,
        message: &str,
    ) -> Result<(), JobError> {
        sqlx::query("insert into failures (job_id, message) values ($1, $2)")
            .bind(chunk.job.id)
            .bind(message)
            .execute(conn)
            .await?;
        Ok(())
    }
}

/// Tables for effects: one row per unit, and what `failed` was told.
pub async fn effect_tables(pool: &PgPool) {
    let sql = "create table effects (unit bigint not null, note text); create table failures (job_id uuid, message text)";
    sqlx::raw_sql(sql).execute(pool).await.unwrap();
}

/// Writes one effect per unit and completes, in one transaction.
pub async fn finish(
    pool: &PgPool,
    chunk: &ClaimedChunk,
    context: &JobContext,
    note: &str,
    next: Next,
) -> Result<Completed, JobError> {
    let mut tx = pool.begin().await?;
    sqlx::query("insert into effects select n, $3 from generate_series($1, $2 - 1) n")
        .bind(chunk.first_unit)
        .bind(chunk.end_unit)
        .bind(note)
        .execute(&mut *tx)
        .await?;
    let completed = context.complete(&mut tx, next).await?;
    tx.commit().await?;
    Ok(completed)
}

pub fn config() -> RunnerConfig {
    RunnerConfig {
        worker: "w".to_owned(),
        grace: Duration::from_millis(200),
        ..RunnerConfig::default()
    }
}

pub fn runner(pool: &PgPool, script: Script, config: RunnerConfig) -> Runner {
    Runner::new(pool.clone(), vec![Arc::new(script)], config)
}

/// Runs chunks here and now until nothing is due.
pub async fn run_all(runner: &Runner) -> usize {
    let mut count = 0;
    while runner.run_one(&CancellationToken::new()).await.unwrap() {
        count += 1;
    }
    count
}
