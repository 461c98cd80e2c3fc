//! Phase `publish`: vector spaces, clusters of new objects, and both datasets `READY`.

use lamina_jobs::{Completed, Settled};
use lamina_store::enrichment::{self, AppliedModel};
use lamina_store::spaces::{self, DatasetSpace};
use lamina_store::sqlx::{Acquire as _, PgConnection};
use lamina_store::{datasets, objects, vectors};
use lamina_types::{DatasetStatus, EnrichSpec, EnrichmentType, EntityType, Space, SpaceKey};

use super::EnrichTask;
use crate::PipelineError;
use crate::publication::Publication;

/// Progress when the copy is as good as done, in percent.
const NEARLY: f32 = 98.0;

pub(super) async fn run(
    task: &EnrichTask<'_>,
    spec: &EnrichSpec,
) -> Result<Completed, PipelineError> {
    let (workshop, copy) = (task.workshop, task.copy.id);
    let (publication, objects) = prepare(task).await?;

    let mut tx = workshop.pool.begin().await?;
    task.context.fence(&mut tx).await?;
    if let Some(publication) = &publication {
        publication.publish(&mut tx).await?;
    }
    for step in &spec.steps {
        let model = AppliedModel {
            enrichment_type: step.enrichment_type.as_str().to_owned(),
            slot: step.slot.clone(),
            key: step.key.clone(),
        };
        enrichment::put_applied(&mut *tx, copy, &model).await?;
    }
    let completed = match task.context.settle(&mut tx).await? {
        Settled::PhaseOpen(completed) => completed,
        Settled::PhaseClosed(closing) => {
            enrichment::release_source(&mut *tx, spec.source_dataset_id).await?;
            datasets::recount(&mut *tx, copy).await?;
            datasets::move_status(
                &mut tx,
                copy,
                &[DatasetStatus::Indexing],
                DatasetStatus::Ready,
            )
            .await?;
            enrichment::mark_completed(&mut *tx, copy).await?;
            closing.succeed(&mut tx).await?
        }
    };
    fail::fail_point!("enrich_ready_before_commit");
    tx.commit().await?;
    fail::fail_point!("enrich_ready_committed");
    tracing::info!(dataset.id = %copy, objects, "the enriched copy is READY");
    Ok(completed)
}

/// Leaves out objects that could not be cut out, writes down the vector spaces, and derives the clusters of objects; with the number
/// of objects.
///
/// # Errors
/// The database, the index.
pub(super) async fn prepare(
    task: &EnrichTask<'_>,
) -> Result<(Option<Publication>, u64), PipelineError> {
    let (workshop, copy) = (task.workshop, task.copy.id);
    let mut tx = workshop.pool.begin().await?;
    task.context.fence(&mut tx).await?;
    if task.plan.crop_vectors.is_some() {
        let gone = objects::drop_without_vector(&mut tx, copy, &task.plan.index).await?;
        if gone > 0 {
            tracing::warn!(dataset.id = %copy, gone, "left out objects that could not be cut out");
        }
    }
    let objects = objects::count(&mut *tx, copy).await?;
    put_spaces(task, &mut tx, objects).await?;
    datasets::set_progress(&mut *tx, copy, NEARLY).await?;
    tx.commit().await?;
    fail::fail_point!("enrich_spaces_committed");

    let publication = match task.plan.crop_vectors {
        Some(_) if objects > 0 => {
            let space = space(
                task,
                (EntityType::Objects, Space::Index),
                task.plan.index_dimension,
            );
            Some(Publication::prepare(workshop, task.context, copy, &space).await?)
        }
        _ => None,
    };
    Ok((publication, objects))
}

fn space(
    task: &EnrichTask<'_>,
    (entity_type, space): (EntityType, Space),
    dimension: u32,
) -> DatasetSpace {
    DatasetSpace {
        entity_type,
        space,
        key: task.plan.index.clone(),
        dimension,
    }
}

/// Writes down the vector spaces that this run made; one without a single vector is none.
async fn put_spaces(
    task: &EnrichTask<'_>,
    conn: &mut PgConnection,
    objects: u64,
) -> Result<(), PipelineError> {
    use EntityType::{Images, Objects};
    let copy = task.copy.id;
    let of_step = |kind| task.plan.step(kind).map(|step| step.key.clone());
    let captions = |kind, reader: &Option<SpaceKey>| {
        let is_made = task.plan.step(kind).is_some();
        reader.clone().filter(|_| is_made)
    };
    let wanted: [(EntityType, Space, Option<SpaceKey>); 4] = [
        (
            Images,
            Space::MultimodelImage,
            of_step(EnrichmentType::MultimodelImageEncoding),
        ),
        (
            Objects,
            Space::MultimodelObject,
            of_step(EnrichmentType::MultimodelObjectEncoding),
        ),
        (
            Images,
            Space::CaptionText,
            captions(EnrichmentType::CaptionImages, &task.readers.pictures),
        ),
        (
            Objects,
            Space::CaptionText,
            captions(EnrichmentType::CaptionObjects, &task.readers.objects),
        ),
    ];
    for (entity_type, space, key) in wanted {
        let Some(key) = key else { continue };
        let found = vectors::dimension(&mut *conn, copy, entity_type, space, &key).await?;
        if let Some(dimension) = found {
            let space = DatasetSpace {
                entity_type,
                space,
                key,
                dimension,
            };
            spaces::put(conn.acquire().await?, copy, &space).await?;
        }
    }
    if task.plan.crop_vectors.is_some() && objects > 0 {
        let space = space(task, (Objects, Space::Index), task.plan.index_dimension);
        spaces::put(conn.acquire().await?, copy, &space).await?;
    }
    Ok(())
}
