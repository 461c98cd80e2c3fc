//! Phase `list`: what the source holds.

use std::sync::Arc;

use lamina_export::reading::FileRows;
use lamina_jobs::{Completed, JobError, Next, Phase};
use lamina_store::annotation_imports;
use lamina_store::source_items::{self, NewSourceItem};
use lamina_store::sqlx::PgConnection;
use lamina_types::Rejection;

use super::{CREATION, IngestTask, PROCESS, annotations};
use crate::PipelineError;
use crate::sources::{ListedItem, MediaSource, SourceError, SourceLimits};

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
    if let Some(completed) = in_pages(task, &source).await? {
        return Ok(completed);
    }
    let stop = task.context.cancelled().clone();
    let (listed, annotations) = tokio::task::spawn_blocking(move || {
        let mut listed = source.list(&|| stop.is_cancelled())?;
        let annotations = annotations::read(&source, &mut listed)?;
        Ok::<_, PipelineError>((listed, annotations))
    })
    .await??;
    if listed.is_empty() {
        return Err(no_files());
    }
    let (items, rejected) = rows(0, listed);
    let dataset = task.dataset.id;
    let mut tx = workshop.pool.begin().await?;
    task.context.fence(&mut tx).await?;
    // A listing that was cut off may have seen another state of the source: start from nothing.
    source_items::clear(&mut *tx, dataset, task.batch).await?;
    let mut first = 0_u32;
    for part in items.chunks(ROWS) {
        source_items::insert(&mut *tx, dataset, task.batch, first, part).await?;
        first += part.len() as u32;
    }
    source_items::mark_rejected(&mut *tx, dataset, task.batch, &rejected).await?;
    stage(task, &mut tx, annotations).await?;
    let chunks = Phase::chunked(PROCESS, i64::from(first), workshop.chunk_files);
    let completed = task.context.complete(&mut tx, Next::Phase(chunks)).await?;
    tx.commit().await?;
    tracing::info!(dataset.id = %dataset, files = first, rejected = rejected.len(), "listed the source");
    Ok(completed)
}

/// Rows of a part of a listing that begins at a position, and the verdicts that listing allows.
fn rows(first: u32, listed: Vec<ListedItem>) -> (Vec<NewSourceItem>, Vec<(u32, Rejection)>) {
    let mut rejected = Vec::new();
    let mut items = Vec::with_capacity(listed.len());
    for (position, item) in (first..).zip(listed) {
        rejected.extend(item.rejection.map(|rejection| (position, rejection)));
        items.push(NewSourceItem {
            source_key: item.source_key,
            file_name: item.file_name,
            original_uri: item.original_uri,
            source_path: None,
        });
    }
    (items, rejected)
}

/// Lists a source that gives its files a part at a time: each part is stored by itself, and a listing that was interrupted goes
/// on behind the last file that was. `None` from sources that are listed at once.
async fn in_pages(
    task: &IngestTask<'_>,
    source: &Arc<dyn MediaSource>,
) -> Result<Option<Completed>, PipelineError> {
    let (workshop, dataset) = (task.workshop, task.dataset.id);
    let last = source_items::last(&workshop.pool, dataset, task.batch).await?;
    let (mut first, mut after) = match last {
        Some((position, key)) => (position.saturating_add(1), Some(key)),
        None => (0, None),
    };
    let resumed = first;
    loop {
        let (asked, from) = (Arc::clone(source), after.clone());
        let page = tokio::task::spawn_blocking(move || asked.page(from.as_deref()));
        let page = tokio::select! {
            page = page => page?,
            () = task.context.cancelled().cancelled() => return Err(JobError::Interrupted.into()),
        };
        let Some(page) = page.transpose()? else {
            return Ok(None);
        };
        let (items, rejected) = rows(first, page.items);
        let limit = SourceLimits::default().max_files;
        if u64::from(first) + items.len() as u64 > limit {
            return Err(SourceError::TooManyFiles { limit }.into());
        }
        let mut tx = workshop.pool.begin().await?;
        task.context.fence(&mut tx).await?;
        source_items::insert(&mut *tx, dataset, task.batch, first, &items).await?;
        source_items::mark_rejected(&mut *tx, dataset, task.batch, &rejected).await?;
        tx.commit().await?;
        fail::fail_point!("listing_page_committed");
        first = first.saturating_add(u32::try_from(items.len()).unwrap_or(u32::MAX));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if first == 0 {
        return Err(no_files());
    }
    let completed = end_of_pages(task, source, first).await?;
    tracing::info!(dataset.id = %dataset, files = first, resumed, "listed the source");
    Ok(Some(completed))
}

/// Takes the annotation files out of a listing that is stored, and starts the chunks.
async fn end_of_pages(
    task: &IngestTask<'_>,
    source: &Arc<dyn MediaSource>,
    files: u32,
) -> Result<Completed, PipelineError> {
    let (workshop, dataset) = (task.workshop, task.dataset.id);
    let stored = source_items::names(&workshop.pool, dataset, task.batch).await?;
    let asked = Arc::clone(source);
    let (annotations, taken) = tokio::task::spawn_blocking(move || {
        let named: Vec<(&str, &str)> = stored
            .iter()
            .map(|item| (item.source_key.as_str(), item.original_uri.as_str()))
            .collect();
        let (annotations, wanted) = annotations::read_among(&asked, &named)?;
        let taken: Vec<u32> = wanted
            .into_iter()
            .filter_map(|place| stored.get(place).map(|item| item.position))
            .collect();
        Ok::<_, PipelineError>((annotations, taken))
    })
    .await??;
    let mut tx = workshop.pool.begin().await?;
    task.context.fence(&mut tx).await?;
    source_items::forget(&mut *tx, dataset, task.batch, &taken).await?;
    stage(task, &mut tx, annotations).await?;
    let chunks = Phase::chunked(PROCESS, i64::from(files), workshop.chunk_files);
    let completed = task.context.complete(&mut tx, Next::Phase(chunks)).await?;
    tx.commit().await?;
    Ok(completed)
}

fn no_files() -> PipelineError {
    PipelineError::Hopeless("The source holds no files.".to_owned())
}

/// Keeps annotations until the pictures are there. Those that come with an addition are left out: they count at creation, and
/// whenever somebody sends them.
async fn stage(
    task: &IngestTask<'_>,
    conn: &mut PgConnection,
    annotations: Vec<FileRows>,
) -> Result<(), PipelineError> {
    if task.batch != CREATION {
        return Ok(());
    }
    annotation_imports::clear_waiting(&mut *conn, task.dataset.id).await?;
    if !annotations.is_empty() {
        lamina_export::stage(conn, task.dataset.id, None, annotations).await?;
    }
    Ok(())
}
