//! Making datasets and starting their ingest: each operation is one transaction of rows and job.

use lamina_jobs::{NewJob, Phase};
use lamina_store::datasets::{self, Dataset, NewDataset};
use lamina_store::sqlx::{Connection as _, PgConnection};
use lamina_store::{Principal, uploads};
use lamina_types::{
    ContentHash, DatasetId, DatasetStatus, IngestSource, IngestSpec, JobKind, ServeMode, SourceType,
};

use crate::ApiError;
use crate::state::AppState;

/// Whether a user may make datasets.
///
/// # Errors
/// 403 for viewers.
pub(crate) fn may_create(user: &Principal) -> Result<(), ApiError> {
    if user.role.may_create() {
        Ok(())
    } else {
        Err(ApiError::forbidden(
            "Your role does not allow creating datasets",
        ))
    }
}

/// A dataset in `DRAFT`, to be filled by uploads; `archive` names the zip that is announced.
///
/// # Errors
/// The database.
pub(crate) async fn create_draft(
    state: &AppState,
    owner: &Principal,
    name: String,
    archive: Option<String>,
) -> Result<Dataset, ApiError> {
    let new = NewDataset {
        id: DatasetId::new(),
        owner_id: owner.user_id,
        display_name: name,
        description: String::new(),
        source_type: SourceType::Upload,
        source_uri: String::new(),
        filename: archive,
        serve_mode: ServeMode::Copy,
        status: DatasetStatus::Draft,
        source_dataset_id: None,
    };
    let pool = state.pool.clone();
    state
        .run(async move { Ok(datasets::insert(&pool, &new).await?) })
        .await
}

/// A dataset that is being filled from a place the server can see.
///
/// # Errors
/// The database.
pub(crate) async fn create_from_path(
    state: &AppState,
    owner: &Principal,
    name: String,
    source: IngestSource,
    serve_mode: ServeMode,
) -> Result<Dataset, ApiError> {
    let source_uri = match &source {
        IngestSource::Folder { path }
        | IngestSource::FileList { path }
        | IngestSource::ArchiveFile { path } => path.clone(),
        IngestSource::Bucket { bucket, prefix } => format!("s3://{bucket}/{prefix}"),
        // What follows a question mark may be a signature.
        IngestSource::RemoteList { address } => address
            .split(['?', '#'])
            .next()
            .unwrap_or_default()
            .to_owned(),
        IngestSource::ArchiveBlob { .. } | IngestSource::Upload { .. } => String::new(),
    };
    let new = NewDataset {
        id: DatasetId::new(),
        owner_id: owner.user_id,
        display_name: name,
        description: String::new(),
        source_type: type_of(&source),
        source_uri,
        filename: None,
        serve_mode,
        status: DatasetStatus::Indexing,
        source_dataset_id: None,
    };
    let roots = state.config.ingest_roots.texts();
    let pool = state.pool.clone();
    state
        .run(async move {
            let mut conn = pool.acquire().await?;
            let mut tx = conn.begin().await?;
            let dataset = datasets::insert(&mut *tx, &new).await?;
            enqueue_ingest(&mut tx, &dataset, source, roots).await?;
            tx.commit().await?;
            Ok(dataset)
        })
        .await
}

/// What the API calls a place.
fn type_of(source: &IngestSource) -> SourceType {
    match source {
        IngestSource::Bucket { .. } => SourceType::Bucket,
        IngestSource::RemoteList { address } if address.starts_with("s3://") => SourceType::Bucket,
        IngestSource::Folder { .. }
        | IngestSource::FileList { .. }
        | IngestSource::RemoteList { .. }
        | IngestSource::ArchiveFile { .. } => SourceType::Folder,
        IngestSource::ArchiveBlob { .. } | IngestSource::Upload { .. } => SourceType::Upload,
    }
}

/// Closes an upload transaction and starts indexing what was sent.
///
/// # Errors
/// 404 for an unknown transaction, 400 when it has no files, 409 when processing has started before.
pub(crate) async fn process_upload(
    state: &AppState,
    dataset: DatasetId,
    transaction: i64,
) -> Result<(), ApiError> {
    let pool = state.pool.clone();
    state
        .run(async move {
            let mut conn = pool.acquire().await?;
            let mut tx = conn.begin().await?;
            if uploads::close(&mut tx, dataset, transaction).await? == 0 {
                return Err(ApiError::bad_request("No files were uploaded"));
            }
            start(&mut tx, dataset, IngestSource::Upload { transaction }).await?;
            Ok(tx.commit().await?)
        })
        .await
}

/// Starts indexing an archive that lies in the blob store.
///
/// # Errors
/// 409 when the dataset is no longer a draft.
pub(crate) async fn process_archive(
    state: &AppState,
    dataset: DatasetId,
    content: ContentHash,
    file_name: String,
) -> Result<Dataset, ApiError> {
    let pool = state.pool.clone();
    state
        .run(async move {
            let mut conn = pool.acquire().await?;
            let mut tx = conn.begin().await?;
            let dataset = start(
                &mut tx,
                dataset,
                IngestSource::ArchiveBlob { content, file_name },
            )
            .await?;
            tx.commit().await?;
            Ok(dataset)
        })
        .await
}

/// `DRAFT` becomes `INDEXING` with a job behind it; of two callers one gets the conflict.
async fn start(
    conn: &mut PgConnection,
    id: DatasetId,
    source: IngestSource,
) -> Result<Dataset, ApiError> {
    let dataset =
        datasets::move_status(conn, id, &[DatasetStatus::Draft], DatasetStatus::Indexing).await?;
    enqueue_ingest(conn, &dataset, source, Vec::new()).await?;
    Ok(dataset)
}

async fn enqueue_ingest(
    conn: &mut PgConnection,
    dataset: &Dataset,
    source: IngestSource,
    roots: Vec<String>,
) -> Result<(), ApiError> {
    let spec = IngestSpec {
        dataset_id: dataset.id,
        source,
        roots,
        serve_mode: dataset.serve_mode,
    };
    let job = NewJob::new(
        JobKind::Ingest.as_str(),
        Some(dataset.owner_id.as_uuid()),
        Some(dataset.id.as_uuid()),
        &spec,
        Phase::single(JobKind::Ingest.first_phase()),
    )?;
    Ok(lamina_jobs::enqueue(conn, job).await?)
}
