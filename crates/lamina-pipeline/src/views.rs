//! Saved views, looked at again when media have been added (contract 14, 22.6).

use std::collections::HashSet;

use lamina_explore::{Explorer, ExplorerOptions, SavedFilters, ThresholdSense};
use lamina_store::views::{self, Found};
use lamina_store::{batches, datasets, media};
use lamina_types::{DatasetId, MediaId};
use uuid::Uuid;

use crate::PipelineError;
use crate::workshop::Workshop;

/// Memory for what is loaded to look at a batch, in bytes. One dataset is, and is given back when it is done.
const SNAPSHOT_BYTES: usize = 2_000_000_000;

/// One addition of media.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// Its id.
    pub id: Uuid,
    /// The `batch` of its media, above 0.
    pub number: i32,
    /// What was added.
    pub media: &'a [MediaId],
}

/// What looking at a batch came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Evaluated {
    /// Views that were looked at.
    pub views: usize,
    /// Notifications that were written.
    pub told: u64,
}

/// Looks at a batch for every view that is monitored since before the batch was recorded
/// ([`batches::record`]; done here if nobody has). Call it when the new media can be found by readers: after the generation that has
/// them is published. May be called again after a crash: each view is answered for once.
///
/// # Errors
/// The database; a dataset that cannot be read just now. A view whose filters cannot be answered at all (a package that is not
/// installed) is left out with a warning.
pub async fn evaluate_batch(
    workshop: &Workshop,
    dataset: DatasetId,
    batch: &Batch<'_>,
) -> Result<Evaluated, PipelineError> {
    let pool = &workshop.pool;
    let mut done = Evaluated::default();
    batches::record(pool, dataset, batch.id, batch.number).await?;
    let waiting = views::waiting_for(pool, dataset, batch.id).await?;
    if waiting.is_empty() {
        return Ok(done);
    }
    let Some(access) = datasets::access_of_worker(pool, dataset).await? else {
        return Ok(done);
    };
    let added = media::ordinals_of(pool, dataset, batch.media).await?;
    let added: HashSet<u32> = added.into_values().collect();
    let options = ExplorerOptions {
        snapshot_bytes: SNAPSHOT_BYTES,
        exact_limit: workshop.exact_limit,
        threshold_sense: ThresholdSense::default(),
    };
    let (blobs, encoders) = (workshop.blobs.clone(), workshop.encoders.clone());
    let explorer = Explorer::new(pool.clone(), blobs, encoders, options);
    for (view, filters) in waiting {
        let plan = serde_json::from_value::<SavedFilters>(filters)
            .ok()
            .and_then(|filters| filters.plan().ok());
        let found = match plan {
            None => {
                tracing::warn!(view.id = %view, "the filters of a saved view cannot be read");
                continue;
            }
            // Videos: there are none.
            Some(None) => Found::default(),
            Some(Some(plan)) => match explorer.matching(&access, &plan).await {
                Ok((pictures, items)) => found(&plan, &pictures, items, &added),
                Err(error) if error.is_of_request() => {
                    tracing::warn!(view.id = %view, "a saved view cannot be answered: {error}");
                    continue;
                }
                Err(error) => return Err(error.into()),
            },
        };
        let mut tx = pool.begin().await?;
        done.told += views::record(&mut tx, view, batch.id, found).await?;
        tx.commit().await?;
        done.views += 1;
    }
    Ok(done)
}

fn found(
    plan: &lamina_explore::ExplorePlan,
    pictures: &[u32],
    items: u64,
    added: &HashSet<u32>,
) -> Found {
    let objects = match plan.entity_type {
        lamina_types::EntityType::Images => 0,
        lamina_types::EntityType::Objects => items,
    };
    Found {
        count: pictures.iter().filter(|one| added.contains(one)).count() as u64,
        images: pictures.len() as u64,
        objects,
    }
}
