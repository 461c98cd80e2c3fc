//! Putting jobs in, and taking them out again before they are done.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::{NewJob, Phase, QueueError, wake};

/// Enqueues a job. It exists if and only if the caller's transaction commits; workers are woken then.
///
/// # Errors
/// A phase without chunks; the database.
pub async fn enqueue(conn: &mut PgConnection, new: NewJob<'_>) -> Result<(), QueueError> {
    new.first.check()?;
    let sql = "insert into jobs (id, kind, owner_id, subject_id, spec, priority) values ($1, $2, $3, $4, $5, $6)";
    sqlx::query(sql)
        .bind(new.id)
        .bind(new.kind)
        .bind(new.owner_id)
        .bind(new.subject_id)
        .bind(&new.spec)
        .bind(new.priority)
        .execute(&mut *conn)
        .await?;
    sqlx::query("insert into job_states (job_id, phase, units_total) values ($1, $2, $3)")
        .bind(new.id)
        .bind(&new.first.name)
        .bind(new.first.units())
        .execute(&mut *conn)
        .await?;
    insert_chunks(conn, new.id, &new.first).await?;
    fail::fail_point!("job_enqueued", |_| Err(QueueError::Database(
        sqlx::Error::WorkerCrashed
    )));
    wake::notify(conn).await
}

/// The chunks of a phase.
pub(crate) async fn insert_chunks(
    conn: &mut PgConnection,
    job: Uuid,
    phase: &Phase,
) -> Result<(), QueueError> {
    let (first, end): (Vec<i64>, Vec<i64>) = phase.ranges.iter().copied().unzip();
    let sql = "insert into job_chunks (job_id, phase, first_unit, end_unit) \
               select $1, $2, t.first_unit, t.end_unit \
               from unnest($3::bigint[], $4::bigint[]) with ordinality as t (first_unit, end_unit, n) order by t.n";
    sqlx::query(sql)
        .bind(job)
        .bind(&phase.name)
        .bind(first)
        .bind(end)
        .execute(conn)
        .await?;
    Ok(())
}

/// Cancels a job; false when it has ended already. Chunks that are being worked on lose their lease: their handler is told
/// at the next heartbeat, and cannot complete.
///
/// # Errors
/// The database.
pub async fn cancel(conn: &mut PgConnection, job: Uuid) -> Result<bool, QueueError> {
    let sql = "update job_states set state = 'cancelled', finished_at = now(), updated_at = now() \
               where job_id = $1 and state in ('queued', 'running')";
    let cancelled = sqlx::query(sql)
        .bind(job)
        .execute(&mut *conn)
        .await?
        .rows_affected()
        > 0;
    if cancelled {
        drop_waiting_chunks(conn, job).await?;
    }
    Ok(cancelled)
}

/// Cancels every live job about `subject`; how many there were.
///
/// # Errors
/// The database.
pub async fn cancel_of_subject(
    conn: &mut PgConnection,
    subject: Uuid,
) -> Result<usize, QueueError> {
    let sql = "select s.job_id from job_states s join jobs j on j.id = s.job_id \
               where j.subject_id = $1 and s.state in ('queued', 'running') order by s.job_id";
    let live: Vec<Uuid> = sqlx::query_scalar(sql)
        .bind(subject)
        .fetch_all(&mut *conn)
        .await?;
    let mut cancelled = 0;
    for job in live {
        cancelled += usize::from(cancel(&mut *conn, job).await?);
    }
    Ok(cancelled)
}

/// What became of a job that was to begin anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// It waits for a worker.
    Queued,
    /// It has not failed and was not cancelled.
    NotStopped,
    /// A worker is writing for it at this moment: roll back and try again.
    Busy,
}

/// Makes a job that failed or was cancelled begin anew with `first`, under its id and with its spec. It does if and only if the
/// caller's transaction commits.
///
/// # Errors
/// A phase without chunks; the database.
pub async fn restart(
    conn: &mut PgConnection,
    job: Uuid,
    first: &Phase,
) -> Result<Restart, QueueError> {
    first.check()?;
    let sql = "update job_states set state = 'queued', phase = $2, units_total = $3, units_done = 0, error_message = null, \
               started_at = null, finished_at = null, updated_at = now() \
               where job_id = $1 and state in ('failed', 'cancelled')";
    let queued = sqlx::query(sql)
        .bind(job)
        .bind(&first.name)
        .bind(first.units())
        .execute(&mut *conn)
        .await?;
    if queued.rows_affected() == 0 {
        return Ok(Restart::NotStopped);
    }
    // Whoever still holds one of these between two writes loses its lease with it.
    let sql = "delete from job_chunks where id in \
               (select id from job_chunks where job_id = $1 order by id for update skip locked)";
    sqlx::query(sql).bind(job).execute(&mut *conn).await?;
    let sql = "select exists (select from job_chunks where job_id = $1)";
    let is_busy: bool = sqlx::query_scalar(sql)
        .bind(job)
        .fetch_one(&mut *conn)
        .await?;
    if is_busy {
        return Ok(Restart::Busy);
    }
    insert_chunks(conn, job, first).await?;
    wake::notify(conn).await?;
    Ok(Restart::Queued)
}

/// Chunks of an ended job that nobody works on. Those in use are left alone: waiting for their rows could deadlock with a
/// handler that holds one and waits for the job's state.
pub(crate) async fn drop_waiting_chunks(
    conn: &mut PgConnection,
    job: Uuid,
) -> Result<(), QueueError> {
    let sql = "delete from job_chunks where id in \
               (select id from job_chunks where job_id = $1 and state in ('ready', 'done') order by id for update skip locked)";
    sqlx::query(sql).bind(job).execute(conn).await?;
    Ok(())
}
