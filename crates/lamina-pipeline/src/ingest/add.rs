//! Additions: more media for a dataset that is complete.
//!
//! The phases are those of an ingest, and the files go the same way. Only the last one differs: the new media are placed into the
//! clusters and duplicate groups that are there (or, with `auto_reindex`, everything is derived anew), and media rows, generation
//! and status appear in one transaction. Until then readers see the dataset as it was; what fails leaves it so.
//!
//! The new media of an enriched dataset are then shown to the models that the others were shown to; until that is done the dataset
//! stays `READ ONLY`, with the new media in it. Where a model cannot be had any more, or fails, the media stay as they
//! are: nothing of this takes an addition back. At last saved views are looked at again.

use async_trait::async_trait;
use lamina_jobs::{ClaimedChunk, Completed, JobContext, JobError, JobHandler, Next, Phase};
use lamina_store::sqlx::PgConnection;
use lamina_store::{additions, datasets, media, objects, source_items};
use lamina_types::{AddSpec, DatasetStatus, IngestSpec, JobKind};

use super::publish::nothing_usable;
use super::sources::OpenSources;
use super::{IngestTask, LIST, PROCESS, PUBLISH, list, living, process};
use crate::PipelineError;
use crate::enrich::added::{self, Added, ENRICHED};
use crate::publication::{Publication, Way, settle_anew};
use crate::views::{Batch, evaluate_batch};
use crate::workshop::Workshop;

/// The phase in which saved views are looked at again.
const VIEWS: &str = "views";

/// Runs additions.
pub struct AddHandler {
    workshop: Workshop,
    sources: OpenSources,
}

impl AddHandler {
    /// A handler that works with these tools.
    pub fn new(workshop: Workshop) -> Self {
        Self {
            workshop,
            sources: OpenSources::default(),
        }
    }
}

#[async_trait]
impl JobHandler for AddHandler {
    fn kind(&self) -> &str {
        JobKind::Add.as_str()
    }

    async fn run(&self, chunk: &ClaimedChunk, context: &JobContext) -> Result<Completed, JobError> {
        let spec: AddSpec = chunk.job.spec()?;
        let dataset = living(&self.workshop, spec.dataset_id).await?;
        let filling = IngestSpec {
            dataset_id: spec.dataset_id,
            source: spec.source.clone(),
            roots: spec.roots.clone(),
            serve_mode: spec.serve_mode,
        };
        let task = IngestTask {
            workshop: &self.workshop,
            sources: &self.sources,
            spec: &filling,
            batch: spec.batch,
            dataset: &dataset,
            chunk,
            context,
        };
        let done = match chunk.phase.as_str() {
            LIST => list::run(&task).await,
            PROCESS => process::run(&task).await,
            PUBLISH => publish(&task, &spec).await,
            phase if added::is_phase(phase) => show_to_models(&task).await,
            ENRICHED => enriched(&task, &spec).await,
            VIEWS => tell(&task, &spec).await,
            other => Err(PipelineError::Hopeless(format!(
                "This version knows no phase {other:?} of an addition."
            ))),
        };
        Ok(task.ended(done)?)
    }

    /// The dataset is what it was; the task says why.
    async fn failed(
        &self,
        conn: &mut PgConnection,
        chunk: &ClaimedChunk,
        _: &str,
    ) -> Result<(), JobError> {
        let spec: AddSpec = chunk.job.spec()?;
        self.sources.close(chunk.job.id);
        if chunk.phase == VIEWS {
            // The media are there; that nobody was told of them takes nothing back.
            return Ok(());
        }
        if chunk.phase == ENRICHED || added::is_phase(&chunk.phase) {
            let kept = async {
                objects::drop_unindexed(&mut *conn, spec.dataset_id).await?;
                datasets::recount(&mut *conn, spec.dataset_id).await?;
                additions::give_back(conn, spec.dataset_id, status_of(&spec)).await
            };
            return Ok(kept.await.map_err(PipelineError::from)?);
        }
        additions::take_back(conn, spec.dataset_id, spec.batch, spec.previous)
            .await
            .map_err(PipelineError::from)?;
        Ok(())
    }
}

/// Makes the new media visible.
async fn publish(task: &IngestTask<'_>, spec: &AddSpec) -> Result<Completed, PipelineError> {
    let (workshop, dataset, batch) = (task.workshop, task.dataset.id, task.batch);
    let space = workshop.index_space(dataset).await?;
    let counts = source_items::counts(&workshop.pool, dataset, Some(batch)).await?;
    if counts.done == 0 {
        return Err(PipelineError::Hopeless(nothing_usable(&counts)));
    }
    let added = additions::vectors(&workshop.pool, dataset, batch, &space.key).await?;
    let first = u32::try_from(media::count(&workshop.pool, dataset).await?).unwrap_or(u32::MAX);
    let taken = u32::try_from(counts.done).unwrap_or(u32::MAX);
    let range = (first, first.saturating_add(taken));
    let models = added::first_phase(workshop, dataset, range).await?;
    let whose = (dataset, task.dataset.owner_id);
    let way = if spec.auto_reindex {
        Way::Anew
    } else {
        Way::Placed
    };
    let publication =
        Publication::with_added(workshop, task.context, whose, &space, added, way).await?;

    let mut tx = workshop.pool.begin().await?;
    task.context.fence(&mut tx).await?;
    let media = source_items::finalize(&mut tx, dataset, batch).await?;
    additions::note_unenriched(&mut *tx, dataset, batch).await?;
    publication.publish(&mut tx).await?;
    let unused = publication.retire_older(&mut tx).await?;
    datasets::recount(&mut *tx, dataset).await?;
    let next = match models {
        Some(phase) => phase,
        None => {
            settle(&mut tx, spec).await?;
            Phase::single(VIEWS)
        }
    };
    let completed = task.context.complete(&mut tx, Next::Phase(next)).await?;
    fail::fail_point!("add_ready_before_commit");
    tx.commit().await?;
    fail::fail_point!("add_ready_committed");
    workshop.delete_files(&unused).await?;
    tracing::info!(dataset.id = %dataset, batch, media, rejected = counts.rejected, "added media to a dataset");
    Ok(completed)
}

/// What a dataset is when an addition is done.
const fn status_of(spec: &AddSpec) -> DatasetStatus {
    if spec.auto_reindex {
        DatasetStatus::Ready
    } else {
        DatasetStatus::PartialIndex
    }
}

async fn settle(conn: &mut PgConnection, spec: &AddSpec) -> Result<(), PipelineError> {
    if spec.auto_reindex {
        return settle_anew(conn, spec.dataset_id).await;
    }
    let from = [DatasetStatus::ReadOnly];
    datasets::move_status(conn, spec.dataset_id, &from, status_of(spec)).await?;
    Ok(())
}

/// What is added, for the models.
async fn added_by<'a>(task: &'a IngestTask<'a>) -> Result<Added<'a>, PipelineError> {
    let (pool, dataset) = (&task.workshop.pool, task.dataset.id);
    let first = media::first_of_batch(pool, dataset, task.batch).await?;
    let gone = || PipelineError::Hopeless("The media that were added are gone.".to_owned());
    Ok(Added {
        workshop: task.workshop,
        dataset: task.dataset,
        first: first.ok_or_else(gone)?,
        chunk: task.chunk,
        context: task.context,
    })
}

/// Has models look at a chunk of the new media. Models that cannot be had leave the media as they are.
async fn show_to_models(task: &IngestTask<'_>) -> Result<Completed, PipelineError> {
    let (added, cancelled) = (added_by(task).await?, task.context.cancelled());
    let looked = tokio::select! {
        looked = added.run() => looked,
        () = cancelled.cancelled() => Err(JobError::Interrupted.into()),
    };
    match looked {
        Err(PipelineError::Hopeless(why)) => {
            tracing::warn!(dataset.id = %task.dataset.id, why, "media that were added are not enriched");
            let mut tx = task.workshop.pool.begin().await?;
            let next = Next::Phase(Phase::single(ENRICHED));
            let completed = task.context.complete(&mut tx, next).await?;
            tx.commit().await?;
            Ok(completed)
        }
        looked => looked,
    }
}

/// Publishes what models found, and settles the dataset.
async fn enriched(task: &IngestTask<'_>, spec: &AddSpec) -> Result<Completed, PipelineError> {
    let (workshop, dataset) = (task.workshop, task.dataset.id);
    let publication = added_by(task).await?.index_objects().await?;
    let mut tx = workshop.pool.begin().await?;
    task.context.fence(&mut tx).await?;
    let mut unused = Vec::new();
    if let Some(publication) = &publication {
        publication.publish(&mut tx).await?;
        unused = publication.retire_older(&mut tx).await?;
    }
    additions::note_enriched(&mut *tx, dataset, task.batch).await?;
    datasets::recount(&mut *tx, dataset).await?;
    settle(&mut tx, spec).await?;
    let next = Next::Phase(Phase::single(VIEWS));
    let completed = task.context.complete(&mut tx, next).await?;
    fail::fail_point!("add_enriched_before_commit");
    tx.commit().await?;
    fail::fail_point!("add_enriched_committed");
    workshop.delete_files(&unused).await?;
    tracing::info!(dataset.id = %dataset, batch = task.batch, "enriched the media that were added");
    Ok(completed)
}

/// Has saved views look at the new media. Each answers for a batch once, however often this is done.
async fn tell(task: &IngestTask<'_>, spec: &AddSpec) -> Result<Completed, PipelineError> {
    let pool = &task.workshop.pool;
    let added = media::of_batch(pool, task.dataset.id, spec.batch).await?;
    let batch = Batch {
        id: spec.batch_id,
        number: i32::try_from(spec.batch).map_err(|_| {
            PipelineError::Hopeless(format!("No addition has the number {}.", spec.batch))
        })?,
        media: &added,
    };
    let done = evaluate_batch(task.workshop, task.dataset.id, &batch).await?;
    let mut tx = pool.begin().await?;
    let completed = task.context.complete(&mut tx, Next::Nothing).await?;
    tx.commit().await?;
    tracing::info!(dataset.id = %task.dataset.id, views = done.views, told = done.told, "looked at saved views again");
    Ok(completed)
}
