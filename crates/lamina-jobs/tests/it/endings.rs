//! Ways a chunk can end other than well.

use std::time::Duration;

use lamina_jobs::{JobError, JobState, Next, Phase, cancel, progress};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::support::{
    Script, config, effect_tables, finish, put, run_all, runner, scalar, skip_pauses,
};

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_retry_waits_and_a_unit_that_never_works_is_handed_over_as_exhausted(pool: PgPool) {
    effect_tables(&pool).await;
    let id = put(&pool, None, Phase::single("p")).await;
    let inner = pool.clone();
    let script = Script(Box::new(move |chunk, context| {
        let pool = inner.clone();
        Box::pin(async move {
            if chunk.exhausted {
                return finish(&pool, chunk, context, "given up", Next::Nothing).await;
            }
            Err(JobError::retry("not today"))
        })
    }));
    let runner = runner(&pool, script, config());
    for attempt in 1..=5 {
        assert_eq!(
            run_all(&runner).await,
            1,
            "attempt {attempt}: one run, then it waits"
        );
        let wait: f64 = scalar(
            &pool,
            "select extract(epoch from run_at - now())::float8 from job_chunks",
        )
        .await;
        let expected = f64::from(1 << (attempt - 1));
        assert!(
            wait > expected * 0.5 && wait < expected * 1.3,
            "attempt {attempt} waits {wait} s"
        );
        skip_pauses(&pool).await;
    }
    assert_eq!(run_all(&runner).await, 1);
    assert_eq!(
        scalar::<String>(&pool, "select note from effects").await,
        "given up"
    );
    assert_eq!(
        progress(&pool, id).await.unwrap().unwrap().state,
        JobState::Succeeded
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn an_exhausted_unit_that_fails_again_fails_the_job_with_its_reason(pool: PgPool) {
    effect_tables(&pool).await;
    let id = put(&pool, None, Phase::chunked("p", 2, 1)).await;
    let script = Script(Box::new(|_, _| {
        Box::pin(async { Err(JobError::retry("no such bucket")) })
    }));
    let runner = runner(&pool, script, config());
    while run_all(&runner).await > 0 {
        skip_pauses(&pool).await;
    }
    let seen = progress(&pool, id).await.unwrap().unwrap();
    assert_eq!(
        (seen.state, seen.error.as_deref()),
        (JobState::Failed, Some("no such bucket"))
    );
    assert_eq!(
        scalar::<i64>(
            &pool,
            "select count(*) from failures where message = 'no such bucket'"
        )
        .await,
        1
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_chunk_that_keeps_failing_is_cut_until_one_unit_is_blamed(pool: PgPool) {
    effect_tables(&pool).await;
    let id = put(&pool, None, Phase::chunked("p", 16, 16)).await;
    let inner = pool.clone();
    let script = Script(Box::new(move |chunk, context| {
        let pool = inner.clone();
        Box::pin(async move {
            let has_bad = (chunk.first_unit..chunk.end_unit).contains(&11);
            if chunk.exhausted {
                assert!(
                    has_bad && chunk.units() == 1,
                    "only the bad unit is given up"
                );
                return finish(&pool, chunk, context, "bad", Next::Nothing).await;
            }
            if has_bad {
                return Err(JobError::retry("bad unit"));
            }
            finish(&pool, chunk, context, "good", Next::Nothing).await
        })
    }));
    let runner = runner(&pool, script, config());
    while run_all(&runner).await > 0 {
        skip_pauses(&pool).await;
    }
    let bad: Vec<i64> = sqlx::query_scalar("select unit from effects where note = 'bad'")
        .fetch_all(&pool)
        .await
        .unwrap();
    assert_eq!(bad, [11]);
    assert_eq!(
        scalar::<i64>(&pool, "select count(distinct unit) from effects").await,
        16
    );
    assert_eq!(
        scalar::<i64>(&pool, "select count(*) from effects").await,
        16,
        "no unit has two effects"
    );
    let seen = progress(&pool, id).await.unwrap().unwrap();
    assert_eq!((seen.state, seen.units_done), (JobState::Succeeded, 16));
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_panicking_handler_is_a_retry(pool: PgPool) {
    effect_tables(&pool).await;
    let id = put(&pool, None, Phase::single("p")).await;
    let inner = pool.clone();
    let script = Script(Box::new(move |chunk, context| {
        let pool = inner.clone();
        Box::pin(async move {
            assert!(chunk.attempt > 1, "the first attempt breaks down");
            finish(&pool, chunk, context, "", Next::Nothing).await
        })
    }));
    let runner = runner(&pool, script, config());
    assert_eq!(run_all(&runner).await, 1);
    assert_eq!(
        progress(&pool, id).await.unwrap().unwrap().state,
        JobState::Running
    );
    skip_pauses(&pool).await;
    assert_eq!(run_all(&runner).await, 1);
    assert_eq!(
        progress(&pool, id).await.unwrap().unwrap().state,
        JobState::Succeeded
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_fatal_error_fails_the_job_and_what_it_was_about_together(pool: PgPool) {
    effect_tables(&pool).await;
    let id = put(&pool, None, Phase::chunked("p", 4, 1)).await;
    let script = Script(Box::new(|_, _| {
        Box::pin(async { Err(JobError::fatal("the source is gone\0")) })
    }));
    let runner = runner(&pool, script, config());
    assert_eq!(run_all(&runner).await, 1, "the other chunks are not tried");
    let seen = progress(&pool, id).await.unwrap().unwrap();
    assert_eq!(
        (seen.state, seen.error.as_deref()),
        (JobState::Failed, Some("the source is gone\u{fffd}"))
    );
    assert!(seen.finished_at.is_some());
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_failing_failed_hook_leaves_the_job_unfailed(pool: PgPool) {
    // Without the table that the hook writes to: both or neither.
    let id = put(&pool, None, Phase::single("p")).await;
    let script = Script(Box::new(|_, _| {
        Box::pin(async { Err(JobError::fatal("x")) })
    }));
    let quick = lamina_jobs::RunnerConfig {
        lease: Duration::from_millis(1),
        ..config()
    };
    // Once: a lease of a millisecond is over before the next look, so there is always one more chunk to claim.
    let runner = runner(&pool, script, quick);
    assert!(runner.run_one(&CancellationToken::new()).await.unwrap());
    assert!(progress(&pool, id).await.unwrap().unwrap().state.is_live());
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn waiting_for_better_times_uses_up_no_attempt(pool: PgPool) {
    put(&pool, None, Phase::chunked("p", 8, 8)).await;
    let wait = || JobError::wait(Duration::from_secs(60), "disk full", None);
    let script = Script(Box::new(move |_, _| Box::pin(async move { Err(wait()) })));
    let runner = runner(&pool, script, config());
    for _ in 0..10 {
        assert_eq!(run_all(&runner).await, 1);
        skip_pauses(&pool).await;
    }
    let (attempt, chunks): (i32, i64) =
        sqlx::query_as("select max(attempt), count(*) from job_chunks")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!((attempt, chunks), (0, 1));
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn shutdown_gives_the_chunk_and_the_attempt_back(pool: PgPool) {
    put(&pool, None, Phase::single("p")).await;
    let script = Script(Box::new(|_, context| {
        Box::pin(async move {
            context.cancelled().cancelled().await;
            Err(JobError::Interrupted)
        })
    }));
    let runner = runner(&pool, script, config());
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    assert!(runner.run_one(&shutdown).await.unwrap());
    let (state, attempt, due): (String, i32, bool) =
        sqlx::query_as("select state, attempt, run_at <= now() from job_chunks")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!((state.as_str(), attempt, due), ("ready", 0, true));
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_handler_that_ignores_shutdown_is_dropped_after_the_grace(pool: PgPool) {
    put(&pool, None, Phase::single("p")).await;
    let script = Script(Box::new(|_, _| Box::pin(std::future::pending())));
    let runner = runner(&pool, script, config());
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    assert!(runner.run_one(&shutdown).await.unwrap());
    assert_eq!(
        scalar::<String>(&pool, "select state from job_chunks").await,
        "ready"
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_chunk_of_a_cancelled_job_cannot_complete(pool: PgPool) {
    effect_tables(&pool).await;
    let id = put(&pool, None, Phase::single("p")).await;
    let inner = pool.clone();
    let script = Script(Box::new(move |chunk, context| {
        let pool = inner.clone();
        Box::pin(async move {
            let mut conn = pool.acquire().await?;
            assert!(cancel(&mut conn, chunk.job.id).await?);
            assert!(matches!(
                context.fence(&mut conn).await,
                Err(JobError::LeaseLost)
            ));
            finish(&pool, chunk, context, "late", Next::Nothing).await
        })
    }));
    run_all(&runner(&pool, script, config())).await;
    assert_eq!(
        scalar::<i64>(&pool, "select count(*) from effects").await,
        0
    );
    assert_eq!(
        progress(&pool, id).await.unwrap().unwrap().state,
        JobState::Cancelled
    );
}
