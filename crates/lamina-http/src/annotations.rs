//! Annotation files on their way in, and what is told of them.

use lamina_api::{AnnotationImport as Shown, AnnotationProblem};
use lamina_export::reading::{AnnotationReader, FileRows};
use lamina_jobs::{NewJob, Phase};
use lamina_store::annotation_imports::{self, AnnotationImport, RowProblem};
use lamina_store::datasets;
use lamina_store::sqlx::Connection as _;
use lamina_types::{AnnotateSpec, DatasetStatus, JobKind};

use crate::ApiError;
use crate::extract::OpenDataset;
use crate::state::AppState;
use crate::upload::{Parts, missing_field};

/// Bytes of one file, which is read whole.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// Files of one request.
const MAX_FILES: usize = 100_000;

/// Receives the files in the fields `files` and reads them.
///
/// # Errors
/// 422 without a file, 400 for one that is too large. What is wrong inside of a file is in the report.
pub(crate) async fn receive(state: &AppState, mut parts: Parts) -> Result<Vec<FileRows>, ApiError> {
    state.blobs.check_free_space()?;
    let mut reader = AnnotationReader::default();
    let mut files = 0_usize;
    while let Some(part) = parts.next().await? {
        if !matches!(part.name(), "files" | "file") {
            part.skip().await?;
            continue;
        }
        files += 1;
        if files > MAX_FILES {
            return Err(ApiError::bad_request(format!(
                "At most {MAX_FILES} files can be sent at once"
            )));
        }
        let name = part.file_name("unnamed");
        let file = part.spool(&state.spool, MAX_FILE_BYTES).await?;
        let bytes = file.read().await?;
        reader = tokio::task::spawn_blocking(move || {
            reader.add(&name, &bytes);
            reader
        })
        .await
        .map_err(ApiError::internal)?;
    }
    if files == 0 {
        return Err(missing_field("files"));
    }
    tokio::task::spawn_blocking(move || reader.finish())
        .await
        .map_err(ApiError::internal)
}

/// Writes down what was read, and the job that takes it over. The dataset is `READ ONLY` until it is done.
///
/// # Errors
/// 409 unless the dataset is `READY`; the database.
pub(crate) async fn start(
    state: &AppState,
    open: &OpenDataset,
    files: Vec<FileRows>,
) -> Result<AnnotationImport, ApiError> {
    let user = open.changer()?.user_id;
    let (pool, dataset_id) = (state.pool.clone(), open.access.id());
    state
        .run(async move {
            let mut conn = pool.acquire().await?;
            let mut tx = conn.begin().await?;
            let from = [DatasetStatus::Ready];
            datasets::move_status(&mut tx, dataset_id, &from, DatasetStatus::ReadOnly).await?;
            let import = lamina_export::stage(&mut tx, dataset_id, Some(user), files).await?;
            let job = NewJob::new(
                JobKind::Annotate.as_str(),
                Some(user.as_uuid()),
                Some(dataset_id.as_uuid()),
                &AnnotateSpec {
                    dataset_id,
                    import_id: import.id,
                },
                Phase::single(JobKind::Annotate.first_phase()),
            )?;
            lamina_jobs::enqueue(&mut tx, job).await?;
            tx.commit().await?;
            Ok(import)
        })
        .await
}

/// What a caller is told.
pub(crate) fn shown(import: AnnotationImport, problems: Vec<RowProblem>) -> Shown {
    Shown {
        id: import.id,
        dataset_id: import.dataset_id.as_uuid(),
        status: import.status,
        created_at: import.created_at.into(),
        finished_at: import.finished_at.map(Into::into),
        files: import.files,
        boxes: import.boxes,
        labels: import.labels,
        captions: import.captions,
        problems_count: import.problems,
        problems: problems
            .into_iter()
            .map(|problem| AnnotationProblem {
                file: problem.file,
                place: problem.place.unsigned_abs(),
                picture: problem.picture,
                problem: problem.problem,
            })
            .collect(),
        result_message: import.result_message,
    }
}

/// One import of a dataset, with its report.
///
/// # Errors
/// 404 for an unknown one; the database.
pub(crate) async fn report(
    state: &AppState,
    open: &OpenDataset,
    id: Option<uuid::Uuid>,
) -> Result<Shown, ApiError> {
    /// Rows shown.
    const ROWS: u32 = 1_000;
    let found = match id {
        Some(id) => annotation_imports::find(&state.pool, id).await?,
        None => None,
    };
    let import = found
        .filter(|import| import.dataset_id == open.access.id())
        .ok_or_else(|| ApiError::not_found("Annotations not found"))?;
    let problems = annotation_imports::problems(&state.pool, import.id, ROWS).await?;
    Ok(shown(import, problems))
}
