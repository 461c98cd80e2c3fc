//! Upkeep: what has expired, or was left behind by a crash, goes.

use std::time::{Duration, Instant};

use lamina_explore::Encoders;
use lamina_jobs::{NewJob, Phase};
use lamina_pipeline::CONTENT_GRACE;
use lamina_store::sqlx::PgPool;
use lamina_store::{BlobStore, anchors, enrichment, exports, removal, sessions, settings};
use lamina_types::{INDEX_SLOT, JobKind, RemoveSpec};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::home::Home;
use crate::telemetry::LogControl;

/// Between two rounds. The first one comes at the start: that is when a crash has just been.
const EVERY: Duration = Duration::from_secs(600);

/// Between two looks at the models.
const MODELS_EVERY: Duration = Duration::from_secs(15);

/// Between two looks at the level that an admin wants logged.
const LOG_LEVEL_EVERY: Duration = Duration::from_secs(2);

/// Expired anchors deleted at once.
const ANCHORS: u32 = 10_000;

/// Expired exports deleted at once.
const EXPORTS: u32 = 1_000;

/// Rounds between two looks at every blob, which is slow on a large store.
const ROUNDS_PER_SWEEP: u32 = 144;

/// Starts the rounds.
pub fn start(home: &Home, tasks: &TaskTracker, stop: &CancellationToken) {
    let (pool, blobs, stop) = (home.pool.clone(), home.blobs.clone(), stop.clone());
    tasks.spawn(async move {
        let mut every = tokio::time::interval(EVERY);
        for round in 0_u32.. {
            tokio::select! {
                _ = every.tick() => {}
                () = stop.cancelled() => return,
            }
            let work = tidy(&pool, &blobs, round.is_multiple_of(ROUNDS_PER_SWEEP));
            tokio::select! {
                outcome = work => if let Err(error) = outcome {
                    tracing::warn!("upkeep failed and is tried again later: {error:#}");
                },
                () = stop.cancelled() => return,
            }
        }
    });
}

/// Starts the rounds over models: those that nobody uses are unloaded, and the one of the `INDEX` slot is kept warm, whichever that
/// is by now.
pub fn start_models(
    home: &Home,
    encoders: &Encoders,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) {
    let (pool, encoders, stop) = (home.pool.clone(), encoders.clone(), stop.clone());
    tasks.spawn(async move {
        let mut every = tokio::time::interval(MODELS_EVERY);
        loop {
            tokio::select! {
                _ = every.tick() => {}
                () = stop.cancelled() => return,
            }
            if let Err(error) = keep_index_warm(&encoders, &pool).await {
                tracing::warn!("the INDEX encoder cannot be loaded: {error:#}");
            }
            for package in encoders.models().unload_idle(Instant::now()) {
                tracing::info!(package, "the model was idle and is unloaded");
            }
        }
    });
}

/// Follows the log level that an admin has set, if one has: whichever process was asked to set it, all do.
pub fn start_log_level(
    home: &Home,
    log: LogControl,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) {
    let (pool, stop) = (home.pool.clone(), stop.clone());
    tasks.spawn(async move {
        let mut every = tokio::time::interval(LOG_LEVEL_EVERY);
        let mut current = None;
        loop {
            tokio::select! {
                _ = every.tick() => {}
                () = stop.cancelled() => return,
            }
            // A database that is away is said by those who need it.
            let Ok(Some(wanted)) = settings::log_level(&pool).await else {
                continue;
            };
            if current == Some(wanted) {
                continue;
            }
            // Not `log.level`: what is named `log.` is left out of the text, as it belongs to the crate `log`.
            tracing::info!(log_level = wanted.as_str(), "the log level is changed");
            if let Err(error) = log.set(wanted) {
                tracing::warn!("the log level cannot be changed: {error:#}");
            }
            current = Some(wanted);
        }
    });
}

async fn keep_index_warm(encoders: &Encoders, pool: &PgPool) -> anyhow::Result<()> {
    let index = encoders.bound(pool, INDEX_SLOT).await?;
    encoders.pictures(&index.key()).await?;
    Ok(())
}

async fn tidy(pool: &PgPool, blobs: &BlobStore, with_sweep: bool) -> anyhow::Result<()> {
    let anchors = anchors::delete_expired(pool, ANCHORS).await?;
    let exports = exports::delete_expired(pool, EXPORTS).await?;
    for key in &exports {
        blobs.delete(key).await?;
    }
    let sessions = sessions::delete_expired(pool).await?;
    let staged = blobs.sweep_staging(CONTENT_GRACE).await?;
    let stranded = enrichment::release_stranded(pool).await?;
    if stranded > 0 {
        tracing::warn!(
            stranded,
            "gave back datasets that were READ ONLY for nobody"
        );
    }
    for dataset_id in removal::unfinished(pool).await? {
        let mut tx = pool.begin().await?;
        let live = lamina_jobs::live_of_subject(&mut *tx, dataset_id.as_uuid()).await?;
        if live.iter().all(|job| job.kind != JobKind::Remove.as_str()) {
            let job = NewJob::new(
                JobKind::Remove.as_str(),
                None,
                Some(dataset_id.as_uuid()),
                &RemoveSpec { dataset_id },
                Phase::single(JobKind::Remove.first_phase()),
            )?
            .with_priority(-1);
            lamina_jobs::enqueue(&mut tx, job).await?;
            tx.commit().await?;
        }
    }
    let orphans = if with_sweep {
        // What an account that has ended left to others is theirs, but lies in its name until nobody refers to it.
        for owner in removal::ended_owners(pool).await? {
            removal::collect_contents(pool, blobs, owner, CONTENT_GRACE).await?;
        }
        removal::sweep_orphans(pool, blobs, CONTENT_GRACE).await?
    } else {
        0
    };
    if anchors + sessions + staged + orphans > 0 || !exports.is_empty() {
        tracing::info!(
            anchors,
            sessions,
            exports = exports.len(),
            staged,
            orphans,
            "upkeep removed what had expired or was left behind"
        );
    }
    Ok(())
}
