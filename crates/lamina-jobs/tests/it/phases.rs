//! Phases follow each other, and progress is told.

use lamina_jobs::{JobState, Next, Phase, Settled, latest_of_subject, progress};
use sqlx::PgPool;

use crate::support::{Script, config, effect_tables, finish, put, run_all, runner, scalar};

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn list_process_publish_run_in_order_and_once(pool: PgPool) {
    effect_tables(&pool).await;
    let id = put(&pool, None, Phase::single("list")).await;
    let inner = pool.clone();
    let script = Script(Box::new(move |chunk, context| {
        let pool = inner.clone();
        Box::pin(async move {
            match chunk.phase.as_str() {
                "list" => {
                    finish(
                        &pool,
                        chunk,
                        context,
                        "list",
                        Next::Phase(Phase::chunked("process", 10, 4)),
                    )
                    .await
                }
                "process" => {
                    let mut tx = pool.begin().await?;
                    sqlx::query("insert into effects select n, 'process' from generate_series($1, $2 - 1) n")
                        .bind(chunk.first_unit)
                        .bind(chunk.end_unit)
                        .execute(&mut *tx)
                        .await?;
                    let completed = match context.settle(&mut tx).await? {
                        Settled::PhaseOpen(completed) => completed,
                        Settled::PhaseClosed(closing) => {
                            // Whoever closes the phase sees what all others did.
                            let seen: i64 = sqlx::query_scalar(
                                "select count(*) from effects where note = 'process'",
                            )
                            .fetch_one(&mut *tx)
                            .await?;
                            assert_eq!(seen, 10);
                            closing
                                .start_phase(&mut tx, Phase::single("publish"))
                                .await?
                        }
                    };
                    tx.commit().await?;
                    Ok(completed)
                }
                _ => finish(&pool, chunk, context, "publish", Next::Nothing).await,
            }
        })
    }));
    assert_eq!(run_all(&runner(&pool, script, config())).await, 1 + 3 + 1);
    let notes: Vec<(String, i64)> =
        sqlx::query_as("select note, count(*) from effects group by note order by note")
            .fetch_all(&pool)
            .await
            .unwrap();
    assert_eq!(
        notes,
        [
            ("list".to_owned(), 1),
            ("process".to_owned(), 10),
            ("publish".to_owned(), 1)
        ]
    );
    let seen = progress(&pool, id).await.unwrap().unwrap();
    assert_eq!(
        (seen.state, seen.phase.as_str()),
        (JobState::Succeeded, "publish")
    );
    assert_eq!((seen.units_done, seen.units_total), (1, 1));
    assert_eq!(latest_of_subject(&pool, id).await.unwrap().unwrap().id, id);
    assert_eq!(
        scalar::<i64>(&pool, "select count(*) from job_chunks").await,
        0,
        "an ended job leaves the queue small"
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn two_last_chunks_at_the_same_time_close_the_phase_once(pool: PgPool) {
    effect_tables(&pool).await;
    let id = put(&pool, None, Phase::chunked("process", 8, 1)).await;
    let inner = pool.clone();
    let script = Script(Box::new(move |chunk, context| {
        let pool = inner.clone();
        Box::pin(async move {
            let next = if chunk.phase == "process" {
                Next::Phase(Phase::single("publish"))
            } else {
                Next::Nothing
            };
            finish(&pool, chunk, context, &chunk.phase, next).await
        })
    }));
    let runner = runner(&pool, script, config());
    futures::future::join_all((0..4).map(|_| run_all(&runner))).await;
    run_all(&runner).await;
    assert_eq!(
        scalar::<i64>(&pool, "select count(*) from effects where note = 'publish'").await,
        1
    );
    assert_eq!(
        scalar::<i64>(&pool, "select count(*) from effects where note = 'process'").await,
        8
    );
    assert_eq!(
        progress(&pool, id).await.unwrap().unwrap().state,
        JobState::Succeeded
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn progress_counts_units_of_the_present_phase(pool: PgPool) {
    effect_tables(&pool).await;
    let id = put(&pool, None, Phase::chunked("p", 10, 4)).await;
    let seen = progress(&pool, id).await.unwrap().unwrap();
    assert_eq!(
        (seen.state, seen.units_done, seen.units_total),
        (JobState::Queued, 0, 10)
    );
    let inner = pool.clone();
    let script = Script(Box::new(move |chunk, context| {
        let pool = inner.clone();
        Box::pin(async move { finish(&pool, chunk, context, "", Next::Nothing).await })
    }));
    let runner = runner(&pool, script, config());
    runner
        .run_one(&tokio_util::sync::CancellationToken::new())
        .await
        .unwrap();
    let seen = progress(&pool, id).await.unwrap().unwrap();
    assert_eq!(
        (seen.state, seen.units_done, seen.units_total),
        (JobState::Running, 4, 10)
    );
    assert!(seen.started_at.is_some() && seen.finished_at.is_none());
}
