//! Phase `objects`: the boxes that were found become numbered objects of the copy.

use lamina_jobs::{Completed, Phase, Settled};
use lamina_store::{datasets, enrichment, objects};
use lamina_types::EnrichmentType;

use super::copy::count;
use super::{CROPS, EnrichTask};
use crate::PipelineError;

pub(super) async fn run(task: &EnrichTask<'_>) -> Result<Completed, PipelineError> {
    let copy = task.copy.id;
    let mut tx = task.workshop.pool.begin().await?;
    task.context.fence(&mut tx).await?;
    let there = match task.added_from {
        Some(_) => objects::count(&mut *tx, copy).await?,
        None => 0,
    };
    let first = task.added_from.unwrap_or(0);
    let objects = match task.plan.step(EnrichmentType::ObjectDetection) {
        Some(step) => objects::append_found_from(&mut tx, copy, &step.key, first).await?,
        None => objects::count(&mut *tx, copy).await?,
    };
    if task.added_from.is_none() {
        let positions = task.plan.objects.iter().map(|placed| placed.position);
        for position in positions.chain(task.plan.crop_vectors) {
            enrichment::set_extent(&mut *tx, copy, position, objects, 0.0).await?;
        }
    }
    let completed = match task.context.settle(&mut tx).await? {
        Settled::PhaseOpen(completed) => completed,
        Settled::PhaseClosed(closing) => {
            // What is added is counted when it can be seen.
            if task.added_from.is_none() {
                datasets::recount(&mut *tx, copy).await?;
            }
            let next = if objects > there {
                let (first, end) = (count(there), count(objects));
                Phase::chunked_from(CROPS, first, end, task.workshop.chunk_files)
            } else {
                Phase::single(task.last_phase())
            };
            closing.start_phase(&mut tx, next).await?
        }
    };
    fail::fail_point!("enrich_objects_before_commit");
    tx.commit().await?;
    tracing::info!(dataset.id = %copy, objects, "numbered the objects of a dataset");
    Ok(completed)
}
