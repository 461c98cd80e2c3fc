//! Claiming: the one statement that decides who works on what.

use std::time::Duration;

use sqlx::{PgPool, Row, postgres::PgRow};

use crate::{ClaimedChunk, Job, Lease, QueueError};

/// Who claims, and by which rules.
#[derive(Debug, Clone)]
pub struct ClaimRequest {
    /// Kinds of jobs the claimer can run.
    pub kinds: Vec<String>,
    /// Name of the claimer, for people.
    pub worker: String,
    /// How long the chunk is the claimer's unless it says more.
    pub lease: Duration,
    /// After so many attempts a single unit is exhausted.
    pub max_attempts: i32,
}

/// How many lost leases make a chunk of several units be cut in half; one is enough for a half.
const EXPIRIES_BEFORE_SPLIT: i32 = 3;

/// How many times a suspect unit may end its worker alone before it is given up. Workers are also ended by what has nothing to
/// do with their work (restarts, a host short of memory), and a picture given up for that is a picture wrongly left out.
const EXPIRIES_OF_A_SUSPECT: i32 = 3;

/// How many times a unit is handed over to be given up. That takes no model and next to no time, so whoever is ended each time
/// has a cause that no giving up removes.
const LAST_CHANCES: i32 = 3;

// `load`: running chunks per owner. `line`: live jobs in the order of turns: the owner with the fewest running chunks, of
// several the one who was served longest ago (with one slot nothing is running when it is asked, and with more owners than
// slots the older jobs would always win). `turn` remembers that. `picked`: the first due chunk of the first job
// in line that has one that is not locked by another claimer; the lateral join is walked in the line's order and stops at the
// first hit. It is ordered by unit, not by id, so that the planner takes the partial index and not the whole primary key
// (measured with 80,000 chunks in 20 jobs). `other_half`: a chunk whose lease ran out again and again is cut in the same statement.
const CLAIM: &str = "\
with load as materialized (
    select j.owner_id, count(*) as running
    from job_chunks c join jobs j on j.id = c.job_id
    where c.state = 'running' and c.lease_expires_at > now()
    group by j.owner_id
), line as materialized (
    select s.job_id, s.phase
    from job_states s join jobs j on j.id = s.job_id left join load l on l.owner_id is not distinct from j.owner_id
    left join job_turns t on t.owner_id = coalesce(j.owner_id, '00000000-0000-0000-0000-000000000000')
    where s.state in ('queued', 'running') and j.kind = any($1)
    order by j.priority desc, coalesce(l.running, 0), t.served_at nulls first, j.created_at, j.id
), picked as (
    select due.* from line cross join lateral (
        select c.id, c.job_id, c.phase, c.first_unit, c.end_unit, c.expiries, c.is_suspect,
               c.state = 'running' as is_expired,
               extract(epoch from now() - case c.state when 'ready' then c.run_at else c.lease_expires_at end)::float8 as waited_s
        from job_chunks c
        where c.job_id = line.job_id and c.phase = line.phase and c.state in ('ready', 'running')
          and case c.state when 'ready' then c.run_at else c.lease_expires_at end <= now()
        order by c.first_unit limit 1
        for update skip locked
    ) due limit 1
), judged as (
    select *, expiries + is_expired::integer as ran_out, first_unit + (end_unit - first_unit) / 2 as middle,
           is_expired and end_unit - first_unit > 1 and (is_suspect or expiries + 1 >= $4) as is_split
    from picked
), other_half as (
    insert into job_chunks (job_id, phase, first_unit, end_unit, is_suspect)
    select job_id, phase, middle, end_unit, true from judged where is_split
), taken as (
    update job_chunks c set
        state = 'running', worker = $2, lease_token = c.lease_token + 1,
        lease_expires_at = now() + make_interval(secs => $3),
        end_unit = case when g.is_split then g.middle else c.end_unit end,
        attempt = case when g.is_split then 1 else c.attempt + 1 end,
        expiries = case when g.is_split then 0 else g.ran_out end,
        is_suspect = c.is_suspect or g.is_split
    from judged g where c.id = g.id
    returning c.*, g.waited_s
), turn as (
    insert into job_turns (owner_id, served_at)
    select coalesce(j.owner_id, '00000000-0000-0000-0000-000000000000'), clock_timestamp()
    from judged g join jobs j on j.id = g.job_id
    on conflict (owner_id) do update set served_at = excluded.served_at
)
select t.id, t.phase, t.first_unit, t.end_unit, t.attempt, t.expiries, t.is_suspect, t.lease_token, t.waited_s,
       j.id as job_id, j.kind, j.owner_id, j.subject_id, j.spec, s.state = 'queued' as is_first
from taken t join jobs j on j.id = t.job_id join job_states s on s.job_id = t.job_id";

/// Claims one chunk, or none when nothing is due.
///
/// # Errors
/// The database.
pub async fn claim(
    pool: &PgPool,
    request: &ClaimRequest,
) -> Result<Option<ClaimedChunk>, QueueError> {
    let row = sqlx::query(CLAIM)
        .bind(&request.kinds)
        .bind(&request.worker)
        .bind(request.lease.as_secs_f64())
        .bind(EXPIRIES_BEFORE_SPLIT)
        .fetch_optional(pool)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let chunk = read(&row, request.max_attempts)?;
    if row.try_get("is_first")? {
        // Not in the claiming statement: that would lock the job's state after the chunk, while everybody else locks them
        // the other way round.
        let sql = "update job_states set state = 'running', started_at = coalesce(started_at, now()), updated_at = now() \
                   where job_id = $1 and state = 'queued'";
        sqlx::query(sql).bind(chunk.job.id).execute(pool).await?;
    }
    fail::fail_point!("chunk_claimed", |_| Err(QueueError::Database(
        sqlx::Error::WorkerCrashed
    )));
    Ok(Some(chunk))
}

fn read(row: &PgRow, max_attempts: i32) -> Result<ClaimedChunk, sqlx::Error> {
    let id = row.try_get("id")?;
    let (first_unit, end_unit): (i64, i64) = (row.try_get("first_unit")?, row.try_get("end_unit")?);
    let history = History {
        is_single: end_unit - first_unit <= 1,
        attempt: row.try_get("attempt")?,
        expiries: row.try_get("expiries")?,
        is_suspect: row.try_get("is_suspect")?,
    };
    Ok(ClaimedChunk {
        id,
        job: Job {
            id: row.try_get("job_id")?,
            kind: row.try_get("kind")?,
            owner_id: row.try_get("owner_id")?,
            subject_id: row.try_get("subject_id")?,
            spec: row.try_get("spec")?,
        },
        phase: row.try_get("phase")?,
        first_unit,
        end_unit,
        attempt: history.attempt,
        expiries: history.expiries,
        exhausted: history.is_exhausted(max_attempts),
        is_spent: history.is_spent(max_attempts),
        waited_s: row.try_get("waited_s")?,
        lease: Lease {
            chunk_id: id,
            token: row.try_get("lease_token")?,
        },
    })
}

/// What a chunk has been through, this claim included.
struct History {
    is_single: bool,
    attempt: i32,
    expiries: i32,
    is_suspect: bool,
}

impl History {
    const fn is_exhausted(&self, max_attempts: i32) -> bool {
        self.is_single
            && (self.attempt > max_attempts
                || self.is_suspect && self.expiries >= EXPIRIES_OF_A_SUSPECT)
    }

    /// It was handed over as exhausted often enough, and no worker lived to say what came of it.
    const fn is_spent(&self, max_attempts: i32) -> bool {
        self.is_single
            && (self.attempt > max_attempts + LAST_CHANCES
                || self.is_suspect && self.expiries >= EXPIRIES_OF_A_SUSPECT + LAST_CHANCES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_single_units_are_exhausted() {
        let history = |is_single, attempt, expiries, is_suspect| History {
            is_single,
            attempt,
            expiries,
            is_suspect,
        };
        assert!(!history(true, 5, 0, false).is_exhausted(5));
        assert!(
            history(true, 6, 0, false).is_exhausted(5) && !history(true, 6, 0, false).is_spent(5)
        );
        assert!(history(true, 9, 0, false).is_spent(5) && !history(true, 8, 0, false).is_spent(5));
        assert!(!history(false, 9, 9, true).is_exhausted(5));
        // A unit on its own that ended its worker three times; an ordinary single chunk may be unlucky more often.
        assert!(
            history(true, 4, 3, true).is_exhausted(5)
                && !history(true, 4, 3, false).is_exhausted(5)
        );
        assert!(!history(true, 5, 5, true).is_spent(5) && history(true, 5, 6, true).is_spent(5));
    }
}
