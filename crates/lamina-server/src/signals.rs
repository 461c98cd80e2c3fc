//! Signals: the first asks to stop, the second ends at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit code of a process that was told twice to stop.
const TOLD_TWICE: i32 = 130;

/// A token that is cancelled by the first SIGINT or SIGTERM. The second one ends the process.
///
/// # Errors
/// The handlers cannot be installed.
pub fn stop_token(tasks: &tokio_util::task::TaskTracker) -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let cancelled = token.clone();
    tasks.spawn(async move {
        let mut told = false;
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                // Whoever stops for another reason must not wait for a signal.
                () = cancelled.cancelled(), if !told => {}
            }
            if told {
                tracing::warn!("told twice to stop: ending at once");
                #[expect(clippy::disallowed_methods, reason = "the user asked to skip the orderly end")]
                std::process::exit(TOLD_TWICE);
            }
            told = true;
            if cancelled.is_cancelled() {
                return;
            }
            tracing::info!("stopping: chunks under way are put back, requests under way are answered");
            cancelled.cancel();
        }
    });
    Ok(token)
}
