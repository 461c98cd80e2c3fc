//! Phase `process`: a chunk of files becomes contents, measures and vectors.

use std::path::PathBuf;

use futures::StreamExt as _;
use lamina_jobs::{Completed, JobError, Next, Phase};
use lamina_store::spaces::DatasetSpace;
use lamina_store::sqlx::PgConnection;
use lamina_store::{contents, datasets, measures, outputs, source_items};
use lamina_types::{RejectReason, Rejection};

use super::item::{Files, NewPicture, Verdict, handle};
use super::{IngestTask, PUBLISH};
use crate::PipelineError;

/// Files of a chunk under way at once: enough to keep decoders and model busy while others are written to disk.
const IN_FLIGHT: usize = 16;

/// From this attempt on a file whose storage fails is rejected instead of tried again.
const LAST_TRY: i32 = 3;

/// The share of an ingest's progress that belongs to this phase, in percent; the rest is building the index.
const SHARE: f32 = 95.0;

/// What became of the files of a chunk.
#[derive(Default)]
struct Outcome {
    new: Vec<(u32, NewPicture)>,
    known: Vec<(u32, i64)>,
    rejected: Vec<(u32, Rejection)>,
    paths: Vec<(u32, String)>,
}

/// Works on one chunk of files.
pub(super) async fn run(task: &IngestTask<'_>) -> Result<Completed, PipelineError> {
    let (workshop, chunk) = (task.workshop, task.chunk);
    let unit = |value: i64| u32::try_from(value).unwrap_or(u32::MAX);
    let (first, end) = (unit(chunk.first_unit), unit(chunk.end_unit));
    let pending =
        source_items::pending(&workshop.pool, task.dataset.id, task.batch, first, end).await?;
    let space = workshop.index_space(task.dataset.id).await?;
    let mut outcome = Outcome::default();
    if chunk.exhausted {
        let detail = "handling this file ended or stopped the worker more than once";
        outcome.rejected = pending
            .iter()
            .map(|item| {
                (
                    item.position,
                    Rejection::new(RejectReason::EndedTheWorker, detail),
                )
            })
            .collect();
    } else {
        let files = Files {
            source: task
                .sources
                .get(workshop, chunk.job.id, task.dataset.owner_id, task.spec)
                .await?,
            encoder: workshop.encoder(&space).await?,
            owner: task.dataset.owner_id,
            serve_mode: task.spec.serve_mode,
            is_last_try: chunk.attempt >= LAST_TRY,
        };
        let mut handled = futures::stream::iter(pending)
            .map(|item| {
                let files = &files;
                async move {
                    (
                        item.position,
                        handle(workshop, files, item.source_key).await,
                    )
                }
            })
            .buffer_unordered(IN_FLIGHT);
        loop {
            let next = tokio::select! {
                next = handled.next() => next,
                () = task.context.cancelled().cancelled() => return Err(JobError::Interrupted.into()),
            };
            let Some((position, verdict)) = next else {
                break;
            };
            let (verdict, path) = verdict?;
            outcome.add(position, verdict, path);
            task.context.tick();
        }
    }
    write(task, &space, outcome).await
}

impl Outcome {
    fn add(&mut self, position: u32, verdict: Verdict, path: Option<PathBuf>) {
        match verdict {
            Verdict::New(picture) => self.new.push((position, *picture)),
            Verdict::Known(content) => self.known.push((position, content.id)),
            Verdict::Rejected(rejection) => self.rejected.push((position, rejection)),
        }
        if let Some(path) = path.and_then(|path| path.into_os_string().into_string().ok()) {
            self.paths.push((position, path));
        }
    }
}

/// One transaction: every effect of the chunk, or none.
async fn write(
    task: &IngestTask<'_>,
    space: &DatasetSpace,
    outcome: Outcome,
) -> Result<Completed, PipelineError> {
    let (workshop, dataset) = (task.workshop, task.dataset.id);
    let mut tx = workshop.pool.begin().await?;
    task.context.fence(&mut tx).await?;
    fail::fail_point!("ingest_chunk_fenced");
    let mut done = outcome.known;
    done.extend(record(task, space, &mut tx, outcome.new).await?);
    source_items::mark_done(&mut *tx, dataset, task.batch, &done).await?;
    source_items::mark_rejected(&mut *tx, dataset, task.batch, &outcome.rejected).await?;
    if !outcome.paths.is_empty() {
        source_items::set_paths(&mut *tx, dataset, task.batch, &outcome.paths).await?;
    }
    let completed = task
        .context
        .complete(&mut tx, Next::Phase(Phase::single(PUBLISH)))
        .await?;
    let share = share_done(task, &mut tx, &completed).await?;
    datasets::set_progress(&mut *tx, dataset, SHARE * share).await?;
    fail::fail_point!("ingest_chunk_before_commit");
    tx.commit().await?;
    fail::fail_point!("ingest_chunk_committed");
    Ok(completed)
}

/// How much of the phase is done, 0 to 1, as the queue counts it: counting the files anew for every chunk would cost more
/// with every file a dataset has.
async fn share_done(
    task: &IngestTask<'_>,
    conn: &mut PgConnection,
    completed: &Completed,
) -> Result<f32, PipelineError> {
    if completed.closed_phase() {
        return Ok(1.0);
    }
    let job = lamina_jobs::progress(conn, task.chunk.job.id)
        .await
        .map_err(JobError::from)?;
    Ok(job.map_or(0.0, |job| {
        job.units_done as f32 / job.units_total.max(1) as f32
    }))
}

/// Rows of new contents with all that was derived from them; content ids by position.
async fn record(
    task: &IngestTask<'_>,
    space: &DatasetSpace,
    conn: &mut PgConnection,
    new: Vec<(u32, NewPicture)>,
) -> Result<Vec<(u32, i64)>, PipelineError> {
    let workshop = task.workshop;
    let (mut positions, mut rows, mut facts) = (Vec::new(), Vec::new(), Vec::new());
    for (position, picture) in new {
        positions.push(position);
        rows.push(picture.content);
        facts.push((picture.measures, picture.vector));
    }
    let ids = contents::record(conn, &workshop.blobs, task.dataset.owner_id, &rows).await?;
    let (mut all_measures, mut vectors) = (Vec::new(), Vec::new());
    for (&id, (measured, vector)) in ids.iter().zip(facts) {
        all_measures.push((id, measured));
        vectors.push((id, vector));
    }
    // The same picture twice in one chunk is one content: one row each.
    all_measures.sort_by_key(|(id, _)| *id);
    all_measures.dedup_by_key(|(id, _)| *id);
    vectors.sort_by_key(|(id, _)| *id);
    vectors.dedup_by_key(|(id, _)| *id);
    measures::put(&mut *conn, &all_measures).await?;
    outputs::put_vectors(&mut *conn, &space.key, space.dimension as usize, &vectors).await?;
    Ok(positions.into_iter().zip(ids).collect())
}
