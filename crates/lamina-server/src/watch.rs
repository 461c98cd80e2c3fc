//! Waiting for a dataset, with a progress bar for people.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use lamina_jobs::JobProgress;
use lamina_store::datasets::{self, Dataset};
use lamina_store::enrichment::{self, Step};
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

/// How an enrichment ended.
pub struct EndedEnrichment {
    /// The copy as it is now.
    pub dataset: Dataset,
    /// What each model did.
    pub steps: Vec<Step>,
    /// How long it took from here.
    pub elapsed: Duration,
}

/// Waits until a copy is at rest.
///
/// # Errors
/// It was deleted; the database; the user wants to stop waiting.
pub async fn until_enriched(
    pool: &PgPool,
    copy: DatasetId,
    show: bool,
    stop: &CancellationToken,
) -> anyhow::Result<EndedEnrichment> {
    let begun = Instant::now();
    let bar = if show {
        ProgressBar::new(PROMILLE)
    } else {
        ProgressBar::hidden()
    };
    bar.set_style(ProgressStyle::with_template(
        "{percent:>3}% {wide_bar} {msg}",
    )?);
    let mut every = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = stop.cancelled() => anyhow::bail!("stopped waiting; the enrichment goes on when a worker runs"),
        }
        let dataset = datasets::find(pool, copy)
            .await?
            .context("the copy was deleted")?;
        let steps = enrichment::steps(pool, copy).await?;
        if matches!(dataset.status, DatasetStatus::Ready | DatasetStatus::Error) {
            bar.finish_and_clear();
            return Ok(EndedEnrichment {
                dataset,
                steps,
                elapsed: begun.elapsed(),
            });
        }
        bar.set_position((dataset.progress * 10.0) as u64);
        bar.set_message(rate_and_rest(&steps, dataset.progress, begun.elapsed()));
    }
}

/// Steps of the bar.
const PROMILLE: u64 = 1_000;

/// Units a second, and what is left if it goes on like this.
fn rate_and_rest(steps: &[Step], progress: f32, elapsed: Duration) -> String {
    let done: u64 = steps.iter().map(|step| step.units_done).sum();
    let seconds = elapsed.as_secs_f64().max(0.001);
    let mut text = format!("{:.1}/s", done as f64 / seconds);
    if progress >= 2.0 {
        let left = seconds * f64::from(100.0 - progress) / f64::from(progress);
        text = format!("{text}  {left:.0} s left");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_is_told_as_soon_as_it_is_more_than_a_guess() {
        let text = |progress| rate_and_rest(&[], progress, Duration::from_secs(10));
        assert_eq!(text(1.0), "0.0/s");
        assert_eq!(text(50.0), "0.0/s  10 s left");
    }
}
