//! Waiting for a dataset, with a progress bar for people.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use lamina_jobs::JobProgress;
use lamina_store::datasets::{self, Dataset};
use lamina_store::source_items::{self, OutcomeCounts};
use lamina_store::sqlx::PgPool;
use lamina_types::{DatasetId, DatasetStatus};
use tokio_util::sync::CancellationToken;

/// How often to look.
const EVERY: Duration = Duration::from_millis(250);

/// How an ingest ended.
pub struct Ended {
    /// The dataset as it is now.
    pub dataset: Dataset,
    /// What became of its files.
    pub counts: OutcomeCounts,
    /// How long it took from here.
    pub elapsed: Duration,
}

/// Waits until the dataset is at rest.
///
/// # Errors
/// It was deleted; the database; the user wants to stop waiting.
pub async fn until_at_rest(
    pool: &PgPool,
    id: DatasetId,
    show: bool,
    stop: &CancellationToken,
) -> anyhow::Result<Ended> {
    let begun = Instant::now();
    let bar = if show {
        ProgressBar::new(0)
    } else {
        ProgressBar::hidden()
    };
    bar.set_style(ProgressStyle::with_template(
        "{msg:<10} {wide_bar} {pos}/{len} files  {per_sec}  {eta} left",
    )?);
    let mut every = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = stop.cancelled() => anyhow::bail!("stopped waiting; the ingest goes on when a worker runs"),
        }
        let dataset = datasets::find(pool, id)
            .await?
            .context("the dataset was deleted")?;
        if matches!(dataset.status, DatasetStatus::Ready | DatasetStatus::Error) {
            bar.finish_and_clear();
            let counts = source_items::counts(pool, id, None).await?;
            return Ok(Ended {
                dataset,
                counts,
                elapsed: begun.elapsed(),
            });
        }
        if let Some(job) = lamina_jobs::latest_of_subject(pool, id.as_uuid()).await? {
            show_progress(&bar, &job);
        }
    }
}

fn show_progress(bar: &ProgressBar, job: &JobProgress) {
    bar.set_message(job.phase.clone());
    bar.set_length(job.units_total.unsigned_abs());
    bar.set_position(job.units_done.unsigned_abs());
}
