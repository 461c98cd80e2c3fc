//! Phase `list`: what the source holds.

use lamina_jobs::{Completed, Next, Phase};
use lamina_store::annotation_imports;
use lamina_store::source_items::{self, NewSourceItem};
use lamina_types::Rejection;

use super::{CREATION, IngestTask, PROCESS, annotations};
use crate::PipelineError;

/// Rows inserted by one statement.
const ROWS: usize = 10_000;

/// Lists the source into `source_items` and starts the chunks.
pub(super) async fn run(task: &IngestTask<'_>) -> Result<Completed, PipelineError> {
    let workshop = task.workshop;
    let source = task
        .sources
        .get(
            workshop,
            task.chunk.job.id,
            task.dataset.owner_id,
            task.spec,
        )
        .await?;
    let stop = task.context.cancelled().clone();
    let (listed, annotations) = tokio::task::spawn_blocking(move || {
        let mut listed = source.list(&|| stop.is_cancelled())?;
        let annotations = annotations::read(&source, &mut listed)?;
        Ok::<_, PipelineError>((listed, annotations))
    })
    .await??;
    if listed.is_empty() {
        return Err(PipelineError::Hopeless(
            "The source holds no files.".to_owned(),
        ));
    }
    let mut rejected: Vec<(u32, Rejection)> = Vec::new();
    let mut items = Vec::with_capacity(listed.len());
    for (position, item) in (0_u32..).zip(listed) {
        rejected.extend(item.rejection.map(|rejection| (position, rejection)));
        items.push(NewSourceItem {
            source_key: item.source_key,
            file_name: item.file_name,
            original_uri: item.original_uri,
            source_path: None,
        });
    }
    let dataset = task.dataset.id;
    let mut tx = workshop.pool.begin().await?;
    task.context.fence(&mut tx).await?;
    // A listing that was cut off may have seen another state of the source: start from nothing.
    source_items::clear(&mut *tx, dataset, CREATION).await?;
    let mut first = 0_u32;
    for part in items.chunks(ROWS) {
        source_items::insert(&mut *tx, dataset, CREATION, first, part).await?;
        first += part.len() as u32;
    }
    source_items::mark_rejected(&mut *tx, dataset, CREATION, &rejected).await?;
    annotation_imports::clear_waiting(&mut *tx, dataset).await?;
    if !annotations.is_empty() {
        lamina_export::stage(&mut tx, dataset, None, annotations).await?;
    }
    let chunks = Phase::chunked(PROCESS, i64::from(first), workshop.chunk_files);
    let completed = task.context.complete(&mut tx, Next::Phase(chunks)).await?;
    tx.commit().await?;
    tracing::info!(dataset.id = %dataset, files = first, rejected = rejected.len(), "listed the source");
    Ok(completed)
}
