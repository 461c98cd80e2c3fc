//! Signals: the first asks to stop, the second ends at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Exit code of a process that was told twice to stop.
const TOLD_TWICE: i32 = 130;

/// A token that is cancelled by the first SIGINT or SIGTERM. The second one ends the process.
///
/// # Errors
/// The handlers cannot be installed.
pub fn stop_token() -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let cancelled = token.clone();
    // Nobody waits for this task: it listens until the process ends.
    TaskTracker::new().spawn(async move {
        for told in 0.. {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if told > 0 {
                tracing::warn!("told twice to stop: ending at once");
                #[expect(
                    clippy::disallowed_methods,
                    reason = "the user asked to skip the orderly end"
                )]
                std::process::exit(TOLD_TWICE);
            }
            tracing::info!(
                "stopping: chunks under way are put back, requests under way are answered"
            );
            cancelled.cancel();
        }
    });
    Ok(token)
}
