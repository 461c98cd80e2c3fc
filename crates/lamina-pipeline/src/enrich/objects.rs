//! Phase `objects`: the boxes that were found become numbered objects of the copy.

use lamina_jobs::{Completed, Phase, Settled};
use lamina_store::{datasets, enrichment, objects};
use lamina_types::EnrichmentType;

use super::copy::count;
use super::{CROPS, EnrichTask, PUBLISH};
use crate::PipelineError;

pub(super) async fn run(task: &EnrichTask<'_>) -> Result<Completed, PipelineError> {
    let copy = task.copy.id;
    let mut tx = task.workshop.pool.begin().await?;
    task.context.fence(&mut tx).await?;
    let objects = match task.plan.step(EnrichmentType::ObjectDetection) {
        Some(step) => objects::append_found(&mut tx, copy, &step.key).await?,
        None => objects::count(&mut *tx, copy).await?,
    };
    let positions: Vec<u32> = task
        .plan
        .objects
        .iter()
        .map(|placed| placed.position)
        .chain(task.plan.crop_vectors)
        .collect();
    for position in positions {
        enrichment::set_extent(&mut *tx, copy, position, objects, 0.0).await?;
    }
    let completed = match task.context.settle(&mut tx).await? {
        Settled::PhaseOpen(completed) => completed,
        Settled::PhaseClosed(closing) => {
            datasets::recount(&mut *tx, copy).await?;
            let next = if objects > 0 {
                Phase::chunked(CROPS, count(objects), task.workshop.chunk_files)
            } else {
                Phase::single(PUBLISH)
            };
            closing.start_phase(&mut tx, next).await?
        }
    };
    fail::fail_point!("enrich_objects_before_commit");
    tx.commit().await?;
    tracing::info!(dataset.id = %copy, objects, "numbered the objects of a dataset");
    Ok(completed)
}
