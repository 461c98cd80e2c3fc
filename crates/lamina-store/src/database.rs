//! The connection pool and the migrations.

use std::time::{Duration, Instant};

use sqlx::{
    ConnectOptions, Connection, Executor, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{ErrorClass, Secret, StoreError};

/// The schema, embedded. Applied by [`migrate`], or by tests through `#[sqlx::test(migrator = "lamina_store::MIGRATOR")]`.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations");

/// A connection that was idle for so long is asked whether it lives before it is used. All are asked when they are released;
/// a page of answers takes several, one after the other, and need not wait for that answer twice each time.
const TESTED_ANEW: Duration = Duration::from_secs(1);

/// How to reach Postgres.
#[derive(Clone)]
pub struct DatabaseOptions {
    /// `postgres://user@host/database`, or with `?host=/directory` for a unix socket. May hold a password.
    pub url: String,
    /// The password, when it is not in the URL.
    pub password: Option<Secret>,
    /// Most connections of this process.
    pub max_connections: u32,
    /// How long to wait for a free connection before the error is [`ErrorClass::Unavailable`].
    pub acquire_timeout: Duration,
    /// Longest single statement; `None` for workers that move many rows at once.
    pub statement_timeout: Option<Duration>,
    /// How long to wait at start for a Postgres that is not up yet.
    pub start_timeout: Duration,
}

impl std::fmt::Debug for DatabaseOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DatabaseOptions")
            .field("url", &"[redacted]")
            .field("max_connections", &self.max_connections)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .field("start_timeout", &self.start_timeout)
            .finish()
    }
}

impl DatabaseOptions {
    /// Usual values: 10 connections, 2 s to get one, no statement limit, 30 s for Postgres to start.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            password: None,
            max_connections: 10,
            acquire_timeout: Duration::from_secs(2),
            statement_timeout: None,
            start_timeout: Duration::from_secs(30),
        }
    }
}

/// Connects, waiting up to `start_timeout` while Postgres is starting or not there yet.
///
/// Connections go back to the pool clean: dropping a future in the middle of `begin` leaves a transaction open that the
/// driver does not know of (hardening P23), so each released connection is rolled back, or closed when that fails. Those that
/// were idle for a second are tested before they are used, so that a restart of Postgres that takes longer costs no answer.
///
/// # Errors
/// A bad URL or refused login at once; an absent database after `start_timeout`.
pub async fn connect(options: &DatabaseOptions) -> Result<PgPool, StoreError> {
    let mut target: PgConnectOptions = options.url.parse()?;
    if let Some(password) = &options.password {
        target = target.password(password.expose());
    }
    // A worker that hangs inside a transaction would stop vacuum and hold locks.
    target = target
        .application_name("lamina")
        .options([("idle_in_transaction_session_timeout", "10s")]);
    if let Some(limit) = options.statement_timeout {
        target = target.options([("statement_timeout", limit.as_millis().to_string())]);
    }
    let deadline = Instant::now() + options.start_timeout;
    let mut told = false;
    while let Err(error) = probe(&target).await {
        let error = StoreError::from(error);
        if error.class() != ErrorClass::Unavailable || Instant::now() >= deadline {
            return Err(error);
        }
        if !told {
            told = true;
            tracing::info!(error = %std::error::Error::source(&error).unwrap_or(&error), "waiting for Postgres");
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    Ok(PgPoolOptions::new()
        .max_connections(options.max_connections)
        .acquire_timeout(options.acquire_timeout)
        .test_before_acquire(false)
        .before_acquire(|connection, about| {
            Box::pin(
                async move { Ok(about.idle_for < TESTED_ANEW || connection.ping().await.is_ok()) },
            )
        })
        .after_release(|connection, _| {
            Box::pin(async move { Ok(is_clean_after_reset(connection).await) })
        })
        .connect_lazy_with(target))
}

/// One connection, opened and closed: tells a starting server (57P03) from a wrong password.
async fn probe(target: &PgConnectOptions) -> Result<(), sqlx::Error> {
    target.connect().await?.close().await
}

/// Ends whatever transaction the connection is in; false when it has to be closed.
///
/// `begin; rollback` costs one round trip and is silent outside a transaction, while a bare `rollback` there writes a
/// warning into the server's log every time. Inside a failed transaction `begin` is an error, and the connection is closed.
async fn is_clean_after_reset(connection: &mut sqlx::PgConnection) -> bool {
    connection
        .execute(sqlx::raw_sql("begin; rollback"))
        .await
        .is_ok()
}

/// Applies what is missing of the schema. Safe to call from several processes at once: sqlx takes an advisory lock.
///
/// # Errors
/// A changed old migration, a schema from a newer release, or a failing statement.
pub async fn migrate(pool: &PgPool) -> Result<(), StoreError> {
    // A migration may take longer than any request: its own connection without the pool's statement limit.
    let mut connection = pool.acquire().await?;
    connection
        .execute(sqlx::raw_sql(
            "set statement_timeout = 0; set lock_timeout = '5s'",
        ))
        .await?;
    let outcome = MIGRATOR.run(&mut *connection).await;
    connection
        .execute(sqlx::raw_sql("reset statement_timeout; reset lock_timeout"))
        .await?;
    Ok(outcome?)
}
