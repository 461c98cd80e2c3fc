//! The whole runner: woken by NOTIFY, renewing leases, telling handlers that lost theirs.

use std::{sync::Arc, time::Duration};

use lamina_jobs::{JobError, JobState, Next, Phase, RunnerConfig, cancel, progress};
use sqlx::PgPool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::support::{Script, config, effect_tables, finish, put, runner, scalar};

/// Fails a test that would otherwise hang.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .unwrap_or_else(|_| panic!("timed out: {what}"))
}

/// Waits for a condition on the database.
async fn until(pool: &PgPool, what: &str, sql: &'static str) {
    soon(what, async {
        while !scalar::<bool>(pool, sql).await {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_commit_wakes_the_runner_long_before_it_polls(pool: PgPool) {
    effect_tables(&pool).await;
    let inner = pool.clone();
    let done = Arc::new(Notify::new());
    let told = Arc::clone(&done);
    let script = Script(Box::new(move |chunk, context| {
        let (pool, told) = (inner.clone(), Arc::clone(&told));
        Box::pin(async move {
            let completed = finish(&pool, chunk, context, "", Next::Nothing).await?;
            told.notify_one();
            Ok(completed)
        })
    }));
    // It would poll once an hour: only a notification can be why it works.
    let never = RunnerConfig {
        poll: Duration::from_secs(3600),
        ..config()
    };
    let runner = runner(&pool, script, never);
    let shutdown = CancellationToken::new();
    let running = Box::pin(runner.run(shutdown.clone()));
    let scenario = Box::pin(async {
        let listening = "select exists (select from pg_stat_activity where datname = current_database() and query ilike 'listen%')";
        until(&pool, "the runner listens", listening).await;
        for _ in 0..3 {
            put(&pool, None, Phase::single("p")).await;
            soon("woken by the commit", done.notified()).await;
        }
        shutdown.cancel();
    });
    soon("the runner stops", async {
        tokio::join!(running, scenario)
    })
    .await;
    assert_eq!(
        scalar::<i64>(
            &pool,
            "select count(*) from job_states where state = 'succeeded'"
        )
        .await,
        3
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn heartbeats_keep_a_lease_longer_than_it_lasts(pool: PgPool) {
    effect_tables(&pool).await;
    put(&pool, None, Phase::single("p")).await;
    let (inner, go) = (pool.clone(), Arc::new(Notify::new()));
    let wait = Arc::clone(&go);
    let script = Script(Box::new(move |chunk, context| {
        let (pool, wait) = (inner.clone(), Arc::clone(&wait));
        Box::pin(async move {
            wait.notified().await;
            finish(&pool, chunk, context, "", Next::Nothing).await
        })
    }));
    let config = RunnerConfig {
        lease: Duration::from_secs(60),
        heartbeat: Duration::from_millis(20),
        ..config()
    };
    let runner = runner(&pool, script, config);
    let shutdown = CancellationToken::new();
    let running = Box::pin(runner.run(shutdown.clone()));
    let scenario = Box::pin(async {
        until(
            &pool,
            "claimed",
            "select exists (select from job_chunks where state = 'running')",
        )
        .await;
        // The lease is nearly over; a heartbeat moves it forward again.
        sqlx::query("update job_chunks set lease_expires_at = now() + interval '3 seconds'")
            .execute(&pool)
            .await
            .unwrap();
        until(
            &pool,
            "renewed",
            "select lease_expires_at > now() + interval '30 seconds' from job_chunks",
        )
        .await;
        go.notify_one();
        until(&pool, "done", "select state = 'succeeded' from job_states").await;
        shutdown.cancel();
    });
    soon("the runner stops", async {
        tokio::join!(running, scenario)
    })
    .await;
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_cancelled_job_interrupts_its_handler(pool: PgPool) {
    let id = put(&pool, None, Phase::single("p")).await;
    let told = Arc::new(Notify::new());
    let tell = Arc::clone(&told);
    let script = Script(Box::new(move |_, context| {
        let tell = Arc::clone(&tell);
        Box::pin(async move {
            context.cancelled().cancelled().await;
            tell.notify_one();
            Err(JobError::Interrupted)
        })
    }));
    let runner = runner(
        &pool,
        script,
        RunnerConfig {
            heartbeat: Duration::from_millis(20),
            ..config()
        },
    );
    let shutdown = CancellationToken::new();
    let running = Box::pin(runner.run(shutdown.clone()));
    let scenario = Box::pin(async {
        until(
            &pool,
            "claimed",
            "select exists (select from job_chunks where state = 'running')",
        )
        .await;
        cancel(&mut pool.acquire().await.unwrap(), id)
            .await
            .unwrap();
        soon("the handler is told", told.notified()).await;
        shutdown.cancel();
    });
    soon("the runner stops", async {
        tokio::join!(running, scenario)
    })
    .await;
    assert_eq!(
        progress(&pool, id).await.unwrap().unwrap().state,
        JobState::Cancelled
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_stuck_handler_loses_its_lease(pool: PgPool) {
    put(&pool, None, Phase::single("p")).await;
    let told = Arc::new(Notify::new());
    let tell = Arc::clone(&told);
    let script = Script(Box::new(move |_, context| {
        let tell = Arc::clone(&tell);
        Box::pin(async move {
            context.cancelled().cancelled().await;
            tell.notify_one();
            std::future::pending().await
        })
    }));
    let config = RunnerConfig {
        heartbeat: Duration::from_millis(20),
        attempt_limit: Duration::from_millis(50),
        slots: 1,
        ..config()
    };
    let runner = runner(&pool, script, config);
    let shutdown = CancellationToken::new();
    let running = Box::pin(runner.run(shutdown.clone()));
    let scenario = Box::pin(async {
        soon("the handler is told", told.notified()).await;
        shutdown.cancel();
    });
    soon("the runner stops", async {
        tokio::join!(running, scenario)
    })
    .await;
    // Left to run out, as after a crash: it counts against the chunk.
    let (state, attempt): (String, i32) = sqlx::query_as("select state, attempt from job_chunks")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!((state.as_str(), attempt), ("running", 1));
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_stopped_runner_leaves_chunks_ready_for_the_next(pool: PgPool) {
    effect_tables(&pool).await;
    let id = put(&pool, None, Phase::chunked("p", 6, 1)).await;
    let script = Script(Box::new(|_, context| {
        Box::pin(async move {
            context.cancelled().cancelled().await;
            Err(JobError::Interrupted)
        })
    }));
    let first = runner(
        &pool,
        script,
        RunnerConfig {
            slots: 3,
            ..config()
        },
    );
    let shutdown = CancellationToken::new();
    let running = Box::pin(first.run(shutdown.clone()));
    let scenario = Box::pin(async {
        until(
            &pool,
            "claimed",
            "select count(*) = 3 from job_chunks where state = 'running'",
        )
        .await;
        shutdown.cancel();
    });
    soon("the runner stops", async {
        tokio::join!(running, scenario)
    })
    .await;
    assert_eq!(
        scalar::<i64>(
            &pool,
            "select count(*) from job_chunks where state = 'ready' and attempt = 0"
        )
        .await,
        6
    );
    let inner = pool.clone();
    let script = Script(Box::new(move |chunk, context| {
        let pool = inner.clone();
        Box::pin(async move { finish(&pool, chunk, context, "", Next::Nothing).await })
    }));
    let second = runner(&pool, script, config());
    let shutdown = CancellationToken::new();
    let running = Box::pin(second.run(shutdown.clone()));
    let scenario = Box::pin(async {
        until(&pool, "done", "select state = 'succeeded' from job_states").await;
        shutdown.cancel();
    });
    soon("the second runner stops", async {
        tokio::join!(running, scenario)
    })
    .await;
    assert_eq!(progress(&pool, id).await.unwrap().unwrap().units_done, 6);
    assert_eq!(
        scalar::<i64>(&pool, "select count(*) from effects").await,
        6
    );
}
