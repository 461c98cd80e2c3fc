//! Wake-ups by NOTIFY. Only a hint: a runner that misses one still polls (hardening P38).

use std::{sync::Arc, time::Duration};

use sqlx::{PgConnection, PgPool, postgres::PgListener};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::QueueError;

/// The channel on which "there is work" is said.
pub const CHANNEL: &str = "lamina_jobs";

/// Wakes every runner when the transaction commits.
pub(crate) async fn notify(conn: &mut PgConnection) -> Result<(), QueueError> {
    sqlx::query("select pg_notify($1, '')")
        .bind(CHANNEL)
        .execute(conn)
        .await?;
    Ok(())
}

/// Passes notifications on to `wake` until `stop`. Also wakes after each (re)connection: what was said while nobody
/// listened is lost.
pub(crate) async fn listen(pool: PgPool, wake: Arc<Notify>, stop: CancellationToken) {
    let listening = async {
        loop {
            if let Err(error) = listen_once(&pool, &wake).await {
                tracing::debug!(error = %error, "listening for jobs was interrupted");
            }
            wake.notify_one();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = listening => {}
    }
}

async fn listen_once(pool: &PgPool, wake: &Notify) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    wake.notify_one();
    // `None` means that the connection broke and notifications may have been lost.
    while listener.try_recv().await?.is_some() {
        wake.notify_one();
    }
    Ok(())
}
