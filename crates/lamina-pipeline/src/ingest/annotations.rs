//! Annotation files of a source (contract 7.5): read when it is listed, taken over when its pictures are there.

use std::sync::Arc;

use lamina_export::reading::{AnnotationReader, FileRows, annotation_files};
use lamina_jobs::{NewJob, Phase};
use lamina_store::annotation_imports;
use lamina_store::datasets::Dataset;
use lamina_store::sqlx::PgConnection;
use lamina_types::{AnnotateSpec, JobKind};

use crate::PipelineError;
use crate::sources::{FetchError, ListedItem, MediaSource};

/// Bytes of one annotation file, which is read whole.
const MAX_BYTES: u64 = 1 << 30;

/// Takes the annotation files out of a listing and reads them; a file that cannot be read is a problem in the report. Blocks.
///
/// # Errors
/// The storage failed.
pub(super) fn read(
    source: &Arc<dyn MediaSource>,
    listed: &mut Vec<ListedItem>,
) -> Result<Vec<FileRows>, PipelineError> {
    let named = listed
        .iter()
        .map(|item| (item.source_key.as_str(), item.original_uri.as_str()));
    let (rows, wanted) = read_among(source, &named.collect::<Vec<_>>())?;
    let mut places = 0_usize..;
    listed.retain(|_| {
        places
            .next()
            .is_none_or(|place| wanted.binary_search(&place).is_err())
    });
    Ok(rows)
}

/// Reads the annotation files among files with these keys and names; which they are, ascending. Blocks.
///
/// # Errors
/// The storage failed.
pub(super) fn read_among(
    source: &Arc<dyn MediaSource>,
    named: &[(&str, &str)],
) -> Result<(Vec<FileRows>, Vec<usize>), PipelineError> {
    let wanted = annotation_files(named.iter().map(|(_, uri)| *uri));
    let mut reader = AnnotationReader::default();
    let mut unread = Vec::new();
    for place in &wanted {
        let Some((key, uri)) = named.get(*place) else {
            continue;
        };
        match source.fetch(key, MAX_BYTES) {
            Ok(fetched) => reader.add(uri, &fetched.bytes),
            Err(FetchError::Rejected(rejection)) => {
                unread.push(FileRows::unreadable(uri, &rejection.detail));
            }
            Err(error) => return Err(PipelineError::Fetch(error)),
        }
    }
    unread.extend(reader.finish());
    Ok((unread, wanted))
}

/// Leaves the end of a creation to a job if annotations wait for the dataset; whether they do.
///
/// # Errors
/// The database.
pub(super) async fn hand_over(
    conn: &mut PgConnection,
    dataset: &Dataset,
) -> Result<bool, PipelineError> {
    let Some(import_id) = annotation_imports::waiting(&mut *conn, dataset.id).await? else {
        return Ok(false);
    };
    let job = NewJob::new(
        JobKind::Annotate.as_str(),
        Some(dataset.owner_id.as_uuid()),
        Some(dataset.id.as_uuid()),
        &AnnotateSpec {
            dataset_id: dataset.id,
            import_id,
        },
        Phase::single(JobKind::Annotate.first_phase()),
    )
    .map_err(lamina_jobs::JobError::from)?;
    lamina_jobs::enqueue(conn, job)
        .await
        .map_err(lamina_jobs::JobError::from)?;
    Ok(true)
}
