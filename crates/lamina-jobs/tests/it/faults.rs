//! Workers that die, stall or come back.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use lamina_jobs::{JobError, JobState, Next, Phase, claim, progress};
use sqlx::PgPool;

use crate::support::{
    Script, claim_one, config, effect_tables, expire, finish, put, request, run_all, runner, scalar,
};

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_worker_that_lost_its_lease_writes_nothing(pool: PgPool) {
    effect_tables(&pool).await;
    let id = put(&pool, None, Phase::single("p")).await;
    let inner = pool.clone();
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let script = Script(Box::new(move |chunk, context| {
        let (pool, runs) = (inner.clone(), Arc::clone(&counted));
        Box::pin(async move {
            runs.fetch_add(1, Ordering::SeqCst);
            // Stalls; meanwhile the lease runs out and somebody else takes over.
            expire(&pool, chunk.id).await;
            let taken = claim(&pool, &request("other")).await.unwrap().unwrap();
            assert_eq!(taken.id, chunk.id);
            let mut tx = pool.begin().await?;
            assert!(matches!(
                context.fence(&mut tx).await,
                Err(JobError::LeaseLost)
            ));
            tx.rollback().await?;
            finish(&pool, chunk, context, "stale", Next::Nothing).await
        })
    }));
    run_all(&runner(&pool, script, config())).await;
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    assert_eq!(
        scalar::<i64>(&pool, "select count(*) from effects").await,
        0
    );
    let (state, worker, attempt): (String, String, i32) =
        sqlx::query_as("select state, worker, attempt from job_chunks")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(
        (state.as_str(), worker.as_str(), attempt),
        ("running", "other", 2),
        "the new holder is untouched"
    );
    assert!(progress(&pool, id).await.unwrap().unwrap().state.is_live());
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn an_unknown_commit_is_not_done_twice(pool: PgPool) {
    // The commit went through but its answer was lost: the handler reports an error after completing.
    effect_tables(&pool).await;
    let id = put(&pool, None, Phase::chunked("p", 2, 1)).await;
    let inner = pool.clone();
    let script = Script(Box::new(move |chunk, context| {
        let pool = inner.clone();
        Box::pin(async move {
            let completed = finish(&pool, chunk, context, "", Next::Nothing).await?;
            if chunk.first_unit == 0 {
                Err(JobError::retry("connection lost"))
            } else {
                Ok(completed)
            }
        })
    }));
    run_all(&runner(&pool, script, config())).await;
    assert_eq!(
        scalar::<i64>(&pool, "select count(*) from effects").await,
        2
    );
    assert_eq!(
        progress(&pool, id).await.unwrap().unwrap().state,
        JobState::Succeeded
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_unit_that_ends_the_worker_is_found_by_halving(pool: PgPool) {
    effect_tables(&pool).await;
    let id = put(&pool, None, Phase::chunked("p", 256, 256)).await;
    let crashes = Arc::new(AtomicUsize::new(0));
    let (inner, counted) = (pool.clone(), Arc::clone(&crashes));
    let script = Script(Box::new(move |chunk, context| {
        let (pool, crashes) = (inner.clone(), Arc::clone(&counted));
        Box::pin(async move {
            let has_deadly = (chunk.first_unit..chunk.end_unit).contains(&200);
            if chunk.exhausted {
                assert!(
                    has_deadly && chunk.units() == 1,
                    "only the deadly unit is given up"
                );
                return finish(&pool, chunk, context, "blamed", Next::Nothing).await;
            }
            if has_deadly {
                // As after kill -9: nothing is written, and the lease runs out.
                crashes.fetch_add(1, Ordering::SeqCst);
                expire(&pool, chunk.id).await;
                return Err(JobError::LeaseLost);
            }
            finish(&pool, chunk, context, "good", Next::Nothing).await
        })
    }));
    run_all(&runner(&pool, script, config())).await;
    // 3 of the whole, 1 at each of 7 halvings down to 2 units, 3 of the unit alone.
    assert_eq!(crashes.load(Ordering::SeqCst), 3 + 7 + 3);
    let blamed: Vec<i64> = sqlx::query_scalar("select unit from effects where note = 'blamed'")
        .fetch_all(&pool)
        .await
        .unwrap();
    assert_eq!(blamed, [200]);
    assert_eq!(
        scalar::<i64>(&pool, "select count(distinct unit) from effects").await,
        256
    );
    assert_eq!(
        scalar::<i64>(&pool, "select count(*) from effects").await,
        256,
        "no unit has two effects"
    );
    assert_eq!(
        progress(&pool, id).await.unwrap().unwrap().state,
        JobState::Succeeded
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_unit_that_ends_even_the_last_worker_fails_the_job_without_being_run(pool: PgPool) {
    effect_tables(&pool).await;
    let id = put(&pool, None, Phase::single("p")).await;
    let mut runs = 0;
    for _ in 0..8 {
        let chunk = claim_one(&pool).await;
        runs += 1;
        assert_eq!(chunk.exhausted, runs > 5, "run {runs}");
        expire(&pool, chunk.id).await;
    }
    let script = Script(Box::new(|_, _| {
        Box::pin(async { panic!("must not be run") })
    }));
    assert_eq!(run_all(&runner(&pool, script, config())).await, 1);
    let seen = progress(&pool, id).await.unwrap().unwrap();
    assert_eq!(seen.state, JobState::Failed);
    assert!(seen.error.unwrap().contains("ended the worker"));
    assert_eq!(
        scalar::<i64>(&pool, "select count(*) from failures").await,
        1
    );
}
