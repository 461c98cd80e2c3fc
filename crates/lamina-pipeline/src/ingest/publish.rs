//! Phase `publish`: media rows, clusters, the generation file, `READY`.

use lamina_jobs::{Completed, Next};
use lamina_store::snapshots::{self, NewSnapshot};
use lamina_store::source_items::OutcomeCounts;
use lamina_store::{datasets, source_items};
use lamina_types::DatasetStatus;

use super::{IngestTask, annotations};
use crate::PipelineError;
use crate::publication::Publication;

/// Makes the dataset searchable.
pub(super) async fn run(task: &IngestTask<'_>) -> Result<Completed, PipelineError> {
    let (workshop, dataset) = (task.workshop, task.dataset.id);
    let space = workshop.index_space(dataset).await?;

    let mut tx = workshop.pool.begin().await?;
    task.context.fence(&mut tx).await?;
    let media = source_items::finalize(&mut tx, dataset, task.batch).await?;
    let counts = source_items::counts(&mut *tx, dataset, Some(task.batch)).await?;
    if media == 0 {
        return Err(PipelineError::Hopeless(nothing_usable(&counts)));
    }
    tx.commit().await?;
    fail::fail_point!("ingest_media_committed");

    let publication = Publication::prepare(workshop, task.context, dataset, &space).await?;

    let mut tx = workshop.pool.begin().await?;
    task.context.fence(&mut tx).await?;
    publication.publish(&mut tx).await?;
    datasets::recount(&mut *tx, dataset).await?;
    if !annotations::hand_over(&mut tx, task.dataset).await? {
        let from = [DatasetStatus::Indexing];
        let ready = datasets::move_status(&mut tx, dataset, &from, DatasetStatus::Ready).await?;
        snapshots::create(&mut tx, NewSnapshot::of_creation(&ready)).await?;
    }
    let completed = task.context.complete(&mut tx, Next::Nothing).await?;
    fail::fail_point!("ingest_ready_before_commit");
    tx.commit().await?;
    fail::fail_point!("ingest_ready_committed");
    tracing::info!(dataset.id = %dataset, media, rejected = counts.rejected, "dataset is READY");
    Ok(completed)
}

/// Why a dataset without a single usable file failed, for its owner.
pub(super) fn nothing_usable(counts: &OutcomeCounts) -> String {
    let reasons: Vec<String> = counts
        .by_reason
        .iter()
        .take(3)
        .map(|(reason, number)| format!("{number} x {reason}"))
        .collect();
    format!(
        "None of the {} files could be used ({}).",
        counts.rejected,
        reasons.join(", ")
    )
}
