//! Media for datasets that are complete, and the derivation of clusters anew (contract 8): each begins in one transaction of
//! status and job.

use lamina_jobs::{NewJob, Phase};
use lamina_store::datasets::{Dataset, DatasetAccess};
use lamina_store::remote::{BucketPath, RemoteError, Remotes};
use lamina_store::sqlx::{Connection as _, PgConnection};
use lamina_store::uploads::{self, UploadFile};
use lamina_store::{StoreError, additions, batches, datasets, enrichment};
use lamina_types::{
    AddSpec, DatasetId, DatasetStatus, IngestSource, JobKind, ReindexSpec, ServeMode,
};
use uuid::Uuid;

use crate::files::Received;
use crate::state::AppState;
use crate::upload::{Parts, Spooled};
use crate::{ApiError, places, tasks};

/// Listing pages looked at for a first object behind a bucket's address.
const PAGES: usize = 5;

/// How archives begin: zip, gzip.
const ZIP: &[u8] = b"PK";
const GZIP: &[u8] = &[0x1f, 0x8b];

/// Where a tar archive says that it is one.
const TAR: (usize, &[u8]) = (257, b"ustar");

const ONE_SOURCE: &str = "Exactly one media source must be provided: files[], s3_uri, or archive";

/// What a caller sends.
#[derive(Default)]
pub(crate) struct Addition {
    files: Vec<Received>,
    archive: Option<Received>,
    s3_uri: Option<String>,
    auto_reindex: bool,
}

/// Receives the form. Hints about resources are passed over.
///
/// # Errors
/// 400 for no source or several, a file that is no picture, an archive that is none; 422 for an `auto_reindex` that is neither
/// true nor false.
pub(crate) async fn receive(state: &AppState, mut parts: Parts) -> Result<Addition, ApiError> {
    state.blobs.check_free_space()?;
    let limits = parts.limits().clone();
    let mut sent = Addition::default();
    while let Some(part) = parts.next().await? {
        match part.name() {
            "files" | "files[]" => {
                if sent.files.len() == limits.max_files {
                    return Err(ApiError::bad_request(format!(
                        "At most {} files can be sent at once",
                        limits.max_files
                    )));
                }
                let file_name = part.file_name("unnamed");
                let file = part.spool(&state.spool, limits.max_file_bytes).await?;
                if lamina_media::sniff(&file.head).is_none() {
                    return Err(ApiError::bad_request(format!(
                        "{file_name:?} is not in a supported picture format"
                    )));
                }
                sent.files.push(Received { file_name, file });
            }
            "archive" if sent.archive.is_some() => return Err(ApiError::bad_request(ONE_SOURCE)),
            "archive" => {
                let file_name = part.file_name("archive");
                let file = part.spool(&state.spool, limits.max_archive_bytes).await?;
                if !is_archive(&file) {
                    return Err(ApiError::bad_request(format!(
                        "{file_name:?} is not a .zip, .tar or .tar.gz archive"
                    )));
                }
                sent.archive = Some(Received { file_name, file });
            }
            "s3_uri" => {
                let uri = part.text(&limits).await?;
                sent.s3_uri = Some(uri).filter(|uri| !uri.trim().is_empty());
            }
            "auto_reindex" => {
                sent.auto_reindex = match part.text(&limits).await?.to_ascii_lowercase().as_str() {
                    "true" | "1" => true,
                    "false" | "0" | "" => false,
                    _ => return Err(ApiError::bad_request("auto_reindex must be true or false")),
                };
            }
            "assume_role" => {
                if !part.text(&limits).await?.trim().is_empty() {
                    return Err(ApiError::bad_request(
                        "assume_role is not supported: the operator of this server configures the keys of buckets",
                    ));
                }
            }
            _ => part.skip().await?,
        }
    }
    let sources = usize::from(!sent.files.is_empty())
        + usize::from(sent.archive.is_some())
        + usize::from(sent.s3_uri.is_some());
    if sources == 1 {
        Ok(sent)
    } else {
        Err(ApiError::bad_request(ONE_SOURCE))
    }
}

fn is_archive(file: &Spooled) -> bool {
    let says_tar = file
        .head
        .get(TAR.0..)
        .is_some_and(|rest| rest.starts_with(TAR.1));
    file.head.starts_with(ZIP) || file.head.starts_with(GZIP) || says_tar
}

/// Begins an addition of what was sent.
///
/// # Errors
/// 400 for an address with nothing behind it, 409 in every status but `READY` and `PARTIAL INDEX`.
pub(crate) async fn begin(
    state: &AppState,
    access: &DatasetAccess,
    sent: Addition,
) -> Result<(), ApiError> {
    let (dataset, auto_reindex) = (access.dataset().clone(), sent.auto_reindex);
    // Said before anything is stored; the transaction asks again.
    must_be_free(state, dataset.id, "add_media", may_add).await?;
    if let Some(uri) = sent.s3_uri {
        let source =
            places::in_bucket(&state.config.remotes, &uri).map_err(|_| nothing_behind(&uri))?;
        must_hold_something(&state.config.remotes, &uri).await?;
        return begin_from(state, dataset, source, Vec::new(), auto_reindex).await;
    }
    let (work, owner) = (state.clone(), dataset.owner_id);
    let (files, archive) = (sent.files, sent.archive);
    let stored = state.run(async move {
        if let Some(Received { file_name, file }) = archive {
            work.blobs.put_file(owner, file.hash, file.path()).await?;
            return Ok((Some((file.hash, file_name)), Vec::new()));
        }
        let mut stored = Vec::with_capacity(files.len());
        for Received { file_name, file } in files {
            let byte_size = i64::try_from(file.length).map_err(ApiError::internal)?;
            work.blobs.put_file(owner, file.hash, file.path()).await?;
            stored.push(UploadFile {
                file_name,
                hash: file.hash,
                byte_size,
            });
        }
        Ok((None, stored))
    });
    let (archive, files) = stored.await?;
    match archive {
        Some((content, file_name)) => {
            let source = IngestSource::ArchiveBlob { content, file_name };
            begin_from(state, dataset, source, Vec::new(), auto_reindex).await
        }
        None => begin_with_files(state, dataset, files, auto_reindex).await,
    }
}

/// Begins an addition of what lies at a place that the server can read.
///
/// # Errors
/// As [`begin`].
pub(crate) async fn begin_from(
    state: &AppState,
    dataset: Dataset,
    source: IngestSource,
    roots: Vec<String>,
    auto_reindex: bool,
) -> Result<(), ApiError> {
    let pool = state.pool.clone();
    state
        .run(async move {
            let mut conn = pool.acquire().await?;
            let mut tx = conn.begin().await?;
            enqueue(&mut tx, dataset.id, source, roots, auto_reindex).await?;
            Ok(tx.commit().await?)
        })
        .await
}

async fn begin_with_files(
    state: &AppState,
    dataset: Dataset,
    files: Vec<UploadFile>,
    auto_reindex: bool,
) -> Result<(), ApiError> {
    let pool = state.pool.clone();
    state
        .run(async move {
            let mut conn = pool.acquire().await?;
            let mut tx = conn.begin().await?;
            let transaction = uploads::open(&mut *tx, dataset.id).await?;
            uploads::add_files(&mut tx, dataset.id, transaction, &files).await?;
            uploads::close(&mut tx, dataset.id, transaction).await?;
            let source = IngestSource::Upload { transaction };
            enqueue(&mut tx, dataset.id, source, Vec::new(), auto_reindex).await?;
            Ok(tx.commit().await?)
        })
        .await
}

async fn enqueue(
    conn: &mut PgConnection,
    id: DatasetId,
    source: IngestSource,
    roots: Vec<String>,
    auto_reindex: bool,
) -> Result<(), ApiError> {
    let begun = match additions::begin(&mut *conn, id).await {
        Err(error) => return Err(blocked(conn, id, "add_media", error).await),
        Ok(begun) => begun,
    };
    // Pictures that somebody sent have no other place than ours.
    let serve_mode = match &source {
        IngestSource::Upload { .. } | IngestSource::ArchiveBlob { .. } => ServeMode::Copy,
        IngestSource::Folder { .. }
        | IngestSource::FileList { .. }
        | IngestSource::Bucket { .. }
        | IngestSource::RemoteList { .. }
        | IngestSource::ArchiveFile { .. } => begun.dataset.serve_mode,
    };
    let spec = AddSpec {
        dataset_id: id,
        batch: begun.batch,
        batch_id: Uuid::now_v7(),
        source,
        roots,
        serve_mode,
        auto_reindex,
        previous: begun.previous,
    };
    // Saved views that are made from here on do not look at it.
    let number = i32::try_from(spec.batch).map_err(ApiError::internal)?;
    batches::record(&mut *conn, id, spec.batch_id, number).await?;
    put(conn, &begun.dataset, JobKind::Add, &spec).await
}

/// Begins the derivation of clusters anew.
///
/// # Errors
/// 409 in every status but `PARTIAL INDEX`.
pub(crate) async fn reindex(state: &AppState, access: &DatasetAccess) -> Result<(), ApiError> {
    let (pool, id) = (state.pool.clone(), access.id());
    state
        .run(async move {
            let mut conn = pool.acquire().await?;
            let mut tx = conn.begin().await?;
            let from = [DatasetStatus::PartialIndex];
            let moved = datasets::move_status(&mut tx, id, &from, DatasetStatus::ReadOnly).await;
            let dataset = match moved {
                Err(error) => return Err(blocked(&mut tx, id, "reindex", error).await),
                Ok(dataset) => dataset,
            };
            put(
                &mut tx,
                &dataset,
                JobKind::Reindex,
                &ReindexSpec { dataset_id: id },
            )
            .await?;
            Ok(tx.commit().await?)
        })
        .await
}

/// Enqueues a job about a dataset.
///
/// # Errors
/// The database.
pub(crate) async fn put(
    conn: &mut PgConnection,
    dataset: &Dataset,
    kind: JobKind,
    spec: &impl serde::Serialize,
) -> Result<(), ApiError> {
    let job = NewJob::new(
        kind.as_str(),
        Some(dataset.owner_id.as_uuid()),
        Some(dataset.id.as_uuid()),
        spec,
        Phase::single(kind.first_phase()),
    )?;
    Ok(lamina_jobs::enqueue(conn, job).await?)
}

fn may_add(status: DatasetStatus) -> bool {
    matches!(status, DatasetStatus::Ready | DatasetStatus::PartialIndex)
}

/// Says early that an operation is not possible.
///
/// # Errors
/// 404, 409.
pub(crate) async fn must_be_free(
    state: &AppState,
    id: DatasetId,
    operation: &str,
    is_possible: fn(DatasetStatus) -> bool,
) -> Result<(), ApiError> {
    let mut conn = state.pool.acquire().await?;
    let found = datasets::find(&mut *conn, id).await?;
    let found = found.ok_or_else(ApiError::dataset_not_found)?;
    if is_possible(found.status) {
        return Ok(());
    }
    Err(refusal(&mut conn, id, operation, found.status).await)
}

/// What stands in the way of an operation, when a move of the status was refused.
pub(crate) async fn blocked(
    conn: &mut PgConnection,
    id: DatasetId,
    operation: &str,
    error: StoreError,
) -> ApiError {
    if let StoreError::StatusConflict { current, .. } = error {
        return refusal(conn, id, operation, current).await;
    }
    if matches!(error, StoreError::NotFound(_)) {
        return ApiError::dataset_not_found();
    }
    error.into()
}

async fn refusal(
    conn: &mut PgConnection,
    id: DatasetId,
    operation: &str,
    status: DatasetStatus,
) -> ApiError {
    match running(conn, id).await {
        Ok(Some(task)) => ApiError::conflict(format!(
            "Operation '{operation}' is blocked while {task} task is running"
        )),
        Ok(None) => ApiError::conflict(format!(
            "Operation '{operation}' is not possible while the dataset is {status}"
        )),
        Err(error) => error,
    }
}

/// What is being done to a dataset, in the words of tasks.
async fn running(conn: &mut PgConnection, id: DatasetId) -> Result<Option<&'static str>, ApiError> {
    let live = lamina_jobs::live_of_subject(&mut *conn, id.as_uuid()).await?;
    let named = live.iter().find_map(|job| tasks::type_of_kind(&job.kind));
    if named.is_some() {
        return Ok(named);
    }
    let copies = enrichment::copies_being_made(conn, id).await?;
    let is_enriched = !copies.is_empty();
    Ok(tasks::type_of_kind(JobKind::Enrich.as_str()).filter(|_| is_enriched))
}

fn nothing_behind(uri: &str) -> ApiError {
    let shown: String = uri.chars().take(200).collect();
    ApiError::bad_request(format!("Invalid S3 URI or no media files found at {shown}"))
}

/// Looks for a first object, so that a mistyped address is said at once.
async fn must_hold_something(remotes: &Remotes, uri: &str) -> Result<(), ApiError> {
    let away = |error: RemoteError| {
        if error.is_retryable() {
            ApiError::plain(lamina_api::ErrorCode::Unavailable).with_cause(error)
        } else {
            nothing_behind(uri)
        }
    };
    let path = BucketPath::parse(uri).map_err(away)?;
    let bucket = remotes.bucket(&path.bucket).map_err(away)?;
    let mut after = None;
    for _ in 0..PAGES {
        let page = bucket
            .page(&path.key, after.as_deref())
            .await
            .map_err(away)?;
        if page.objects.iter().any(|object| object.byte_size > 0) {
            return Ok(());
        }
        after = page.objects.last().map(|object| object.key.clone());
        if page.is_last {
            return Err(nothing_behind(uri));
        }
    }
    Ok(())
}
