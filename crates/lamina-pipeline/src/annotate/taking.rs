//! Phase `take`: labels, captions and objects, the clusters of all objects, and `READY`.

use lamina_jobs::{Completed, Next};
use lamina_store::annotation_imports;
use lamina_store::snapshots::{self, NewSnapshot};
use lamina_store::sqlx::{Acquire as _, PgConnection};
use lamina_store::{datasets, objects, spaces, spaces::DatasetSpace, vectors};
use lamina_types::{CAPTION_TEXT_SLOT, DatasetStatus, EntityType, Space, SpaceKey};

use super::AnnotateTask;
use crate::PipelineError;
use crate::enrich::texts;
use crate::publication::Publication;

pub(super) async fn run(task: &AnnotateTask<'_>) -> Result<Completed, PipelineError> {
    let (workshop, dataset, import) = (task.workshop, task.dataset.id, task.spec.import_id);
    let captions_key = read_captions(task).await?;

    let mut tx = workshop.pool.begin().await?;
    task.context.fence(&mut tx).await?;
    annotation_imports::drop_without_vector(&mut tx, import, &task.index.key).await?;
    let taken = annotation_imports::take(&mut tx, dataset, import).await?;
    let count = objects::count(&mut *tx, dataset).await?;
    tx.commit().await?;
    fail::fail_point!("annotate_taken");

    let space = DatasetSpace {
        entity_type: EntityType::Objects,
        space: Space::Index,
        key: task.index.key.clone(),
        dimension: task.index.dimension,
    };
    // Objects without a place in the index are not shown yet; readers go on with those they know.
    let publication = if taken.boxes > 0 && count > 0 {
        Some(Publication::prepare(workshop, task.context, dataset, &space).await?)
    } else {
        None
    };

    let mut tx = workshop.pool.begin().await?;
    task.context.fence(&mut tx).await?;
    let mut unused = Vec::new();
    if let Some(publication) = &publication {
        spaces::put(tx.acquire().await?, dataset, &space).await?;
        publication.publish(&mut tx).await?;
        unused = publication.retire_older(&mut tx).await?;
    }
    if let Some(key) = captions_key {
        put_caption_space(&mut tx, task, key).await?;
    }
    annotation_imports::complete(&mut tx, import, taken).await?;
    datasets::recount(&mut *tx, dataset).await?;
    let from = [DatasetStatus::Indexing, DatasetStatus::ReadOnly];
    let ready = datasets::move_status(&mut tx, dataset, &from, DatasetStatus::Ready).await?;
    if snapshots::find(&mut *tx, dataset, None).await?.is_none() {
        snapshots::create(&mut tx, NewSnapshot::of_creation(&ready)).await?;
    }
    let completed = task.context.complete(&mut tx, Next::Nothing).await?;
    fail::fail_point!("annotate_ready_before_commit");
    tx.commit().await?;
    workshop.delete_files(&unused).await?;
    tracing::info!(
        dataset.id = %dataset, boxes = taken.boxes, labels = taken.labels, captions = taken.captions,
        "took annotations over"
    );
    Ok(completed)
}

/// Vectors of the captions of this import, by what the dataset's captions are compared with, else by the sentence encoder if there
/// is one; `None` without captions or encoder: then only their words are found.
async fn read_captions(task: &AnnotateTask<'_>) -> Result<Option<SpaceKey>, PipelineError> {
    let (workshop, dataset) = (task.workshop, task.dataset);
    let mut conn = workshop.pool.acquire().await?;
    let captions = annotation_imports::captions(&mut conn, task.spec.import_id).await?;
    drop(conn);
    if captions.is_empty() {
        return Ok(None);
    }
    let (entity, space) = (EntityType::Images, Space::CaptionText);
    let key = match spaces::find(&workshop.pool, dataset.id, entity, space).await? {
        Some(space) => space.key,
        None => {
            let bound = workshop.encoders.bound(&workshop.pool, CAPTION_TEXT_SLOT);
            match bound.await {
                Ok(bound) if workshop.encoders.manifest(&bound.key()).is_some() => bound.key(),
                Ok(_) | Err(lamina_explore::ExploreError::Unbound(_)) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    };
    /// Captions whose vectors are kept in one transaction.
    const TEXTS: usize = 512;
    for part in captions.chunks(TEXTS) {
        let read = texts::read(workshop, dataset.owner_id, &key, part).await?;
        if let Some(read) = read {
            let mut tx = workshop.pool.begin().await?;
            task.context.fence(&mut tx).await?;
            read.keep(&mut tx, dataset.owner_id).await?;
            tx.commit().await?;
        }
        task.context.tick();
    }
    Ok(Some(key))
}

async fn put_caption_space(
    conn: &mut PgConnection,
    task: &AnnotateTask<'_>,
    key: SpaceKey,
) -> Result<(), PipelineError> {
    let (dataset, entity_type, space) = (task.dataset.id, EntityType::Images, Space::CaptionText);
    let found = vectors::dimension(&mut *conn, dataset, entity_type, space, &key).await?;
    if let Some(dimension) = found {
        let space = DatasetSpace {
            entity_type,
            space,
            key,
            dimension,
        };
        spaces::put(conn, dataset, &space).await?;
    }
    Ok(())
}
