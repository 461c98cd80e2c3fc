//! Phase `copy`: the rows of the source become rows of the copy, and the run learns how much there is to do.

use lamina_jobs::{Completed, Phase, Settled};
use lamina_store::copies::{self, LeftOut};
use lamina_store::sqlx::PgConnection;
use lamina_store::{datasets, enrichment, objects, outputs};
use lamina_types::{EnrichSpec, EnrichmentType, SpaceKey};

use super::models::Task;
use super::{CROPS, EnrichTask, PICTURES, PUBLISH};
use crate::PipelineError;

/// Objects that a picture is taken to have until they are found; weighs the steps of objects.
const GUESSED_OBJECTS: u64 = 3;

/// What a unit takes that needs no model run any more, in seconds.
const SEEN_SECONDS: f64 = 0.0005;

/// Progress once the copy has its rows, in percent.
pub(super) const COPIED: f32 = 1.0;

pub(super) async fn run(
    task: &EnrichTask<'_>,
    spec: &EnrichSpec,
) -> Result<Completed, PipelineError> {
    let (workshop, copy) = (task.workshop, task.copy.id);
    let types: Vec<EnrichmentType> = spec.steps.iter().map(|step| step.enrichment_type).collect();
    let mut tx = workshop.pool.begin().await?;
    task.context.fence(&mut tx).await?;
    let source = spec.source_dataset_id;
    let media = copies::fill(&mut tx, source, copy, LeftOut::of(&types)).await?;
    enrichment::insert_steps(&mut *tx, copy, &task.plan.rows()).await?;
    let objects = objects::count(&mut *tx, copy).await?;
    measure_steps(task, &mut tx, media, objects).await?;
    let next = if !task.plan.pictures.is_empty() {
        Phase::chunked(PICTURES, count(media), workshop.chunk_files)
    } else if objects > 0 {
        Phase::chunked(CROPS, count(objects), workshop.chunk_files)
    } else {
        Phase::single(PUBLISH)
    };
    let completed = match task.context.settle(&mut tx).await? {
        Settled::PhaseOpen(completed) => completed,
        Settled::PhaseClosed(closing) => {
            datasets::recount(&mut *tx, copy).await?;
            datasets::set_progress(&mut *tx, copy, COPIED).await?;
            closing.start_phase(&mut tx, next).await?
        }
    };
    fail::fail_point!("enrich_copy_before_commit");
    tx.commit().await?;
    fail::fail_point!("enrich_copy_committed");
    tracing::info!(dataset.id = %copy, media, objects, "copied the rows of a dataset");
    Ok(completed)
}

pub(super) fn count(units: u64) -> i64 {
    i64::try_from(units).unwrap_or(i64::MAX)
}

/// What each step has to cover, and what that is expected to take.
async fn measure_steps(
    task: &EnrichTask<'_>,
    conn: &mut PgConnection,
    media: u64,
    objects: u64,
) -> Result<(), PipelineError> {
    let copy = task.copy.id;
    for placed in &task.plan.pictures {
        let key = &placed.step.key;
        let unseen = outputs::count_lacking(&mut *conn, key, copy).await?;
        let seconds = unit_seconds(conn, key, Task::of(placed.step.enrichment_type)).await?;
        let expected = unseen as f64 * seconds + media as f64 * SEEN_SECONDS;
        enrichment::set_extent(&mut *conn, copy, placed.position, media, expected).await?;
    }
    let guessed = if task.plan.crop_vectors.is_some() {
        objects + media * GUESSED_OBJECTS
    } else {
        objects
    };
    let mut of_objects: Vec<(u32, Task, &SpaceKey)> = Vec::new();
    for placed in &task.plan.objects {
        let kind = Task::of(placed.step.enrichment_type);
        of_objects.push((placed.position, kind, &placed.step.key));
    }
    if let Some(position) = task.plan.crop_vectors {
        of_objects.push((position, Task::Encode, &task.plan.index));
    }
    for (position, kind, key) in of_objects {
        let seconds = unit_seconds(conn, key, kind).await?;
        let expected = guessed as f64 * seconds + SEEN_SECONDS;
        enrichment::set_extent(&mut *conn, copy, position, objects, expected).await?;
    }
    Ok(())
}

async fn unit_seconds(
    conn: &mut PgConnection,
    key: &SpaceKey,
    task: Task,
) -> Result<f64, PipelineError> {
    let measured = enrichment::expected_unit_seconds(conn, key).await?;
    Ok(measured.unwrap_or_else(|| task.guessed_seconds()))
}
