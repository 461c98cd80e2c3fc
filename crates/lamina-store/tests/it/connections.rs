//! The pool never hands out a connection that is inside somebody's transaction (hardening P23, finding 4).

use std::{future::Future, pin::pin, task::Poll, time::Duration};

use lamina_store::{DatabaseOptions, ErrorClass, connect, migrate};
use sqlx::{ConnectOptions, PgPool};

fn options(pool: &PgPool) -> DatabaseOptions {
    DatabaseOptions {
        max_connections: 4,
        acquire_timeout: Duration::from_secs(10),
        start_timeout: Duration::from_secs(2),
        ..DatabaseOptions::new(pool.connect_options().to_url_lossy().to_string())
    }
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn dropping_begin_half_way_leaves_no_transaction_behind(pool: PgPool) {
    let guarded = connect(&options(&pool)).await.unwrap();
    for polls in 1..200 {
        let mut begin = Box::pin(guarded.begin());
        // Polls the future a few times and drops it, as a web server does when its client leaves.
        let mut left = polls % 12;
        std::future::poll_fn(|context| {
            if begin.as_mut().poll(context).is_ready() || left == 0 {
                return Poll::Ready(());
            }
            left -= 1;
            Poll::Pending
        })
        .await;
        drop(begin);
        // A setting made for the transaction is gone in the next statement, unless there is a transaction.
        let mut conn = guarded.acquire().await.unwrap();
        let sql = "select set_config('lamina.mark', 'inside', true)";
        sqlx::query(sql).execute(&mut *conn).await.unwrap();
        let mark: Option<String> =
            sqlx::query_scalar("select current_setting('lamina.mark', true)")
                .fetch_one(&mut *conn)
                .await
                .unwrap();
        assert_ne!(
            mark.as_deref(),
            Some("inside"),
            "round {polls}: the connection was inside a transaction"
        );
    }
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_connection_released_inside_a_transaction_is_rolled_back(pool: PgPool) {
    let one = DatabaseOptions {
        max_connections: 1,
        ..options(&pool)
    };
    let guarded = connect(&one).await.unwrap();
    for sql in ["begin; create table left_over (n int)", "begin; select 1/0"] {
        let mut conn = guarded.acquire().await.unwrap();
        let _ = sqlx::raw_sql(sql).execute(&mut *conn).await;
        drop(conn);
        let found: Option<String> = sqlx::query_scalar("select to_regclass('left_over')::text")
            .fetch_one(&guarded)
            .await
            .unwrap();
        assert_eq!(found, None, "{sql}");
    }
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn settings_reach_the_server(pool: PgPool) {
    let limited = DatabaseOptions {
        statement_timeout: Some(Duration::from_millis(1500)),
        ..options(&pool)
    };
    let guarded = connect(&limited).await.unwrap();
    let show = async |sql: &'static str| {
        sqlx::query_scalar::<_, String>(sql)
            .fetch_one(&guarded)
            .await
            .unwrap()
    };
    assert_eq!(show("show statement_timeout").await, "1500ms");
    assert_eq!(
        show("show idle_in_transaction_session_timeout").await,
        "10s"
    );
    migrate(&guarded).await.unwrap();
    assert_eq!(show("show statement_timeout").await, "1500ms");
}

#[tokio::test]
async fn an_absent_server_is_waited_for_and_then_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!(
        "postgres://lamina:secret@localhost/x?host={}",
        folder.path().display()
    );
    let nowhere = DatabaseOptions {
        start_timeout: Duration::ZERO,
        ..DatabaseOptions::new(url)
    };
    let error = pin!(connect(&nowhere)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unavailable);
    assert!(!format!("{nowhere:?} {error:?}").contains("secret"));
}
