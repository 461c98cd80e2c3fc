//! Files of the upload flows: received, recognised, stored.

use lamina_export::reading::annotation_files;
use lamina_store::datasets::DatasetAccess;
use lamina_store::sqlx::Connection as _;
use lamina_store::uploads::{self, UploadFile};
use lamina_types::DatasetStatus;

use crate::ApiError;
use crate::state::AppState;
use crate::upload::{Parts, Spooled, missing_field};

/// A file that has arrived and is what it should be.
pub(crate) struct Received {
    /// Its name, for people.
    pub(crate) file_name: String,
    /// Its bytes, on disk.
    pub(crate) file: Spooled,
}

/// 404 for an upload transaction: unknown, of another dataset, no number at all.
pub(crate) fn transaction_not_found() -> ApiError {
    ApiError::not_found("Upload transaction not found")
}

/// Opens an upload transaction of a dataset that is still a draft.
///
/// # Errors
/// 409 in every other status.
pub(crate) async fn open_transaction(
    state: &AppState,
    access: &DatasetAccess,
) -> Result<i64, ApiError> {
    let dataset = access.dataset();
    if dataset.status != DatasetStatus::Draft {
        return Err(ApiError::conflict(format!(
            "The dataset is {}, it must be DRAFT to take files",
            dataset.status
        )));
    }
    let (pool, id) = (state.pool.clone(), dataset.id);
    state
        .run(async move { Ok(uploads::open(&pool, id).await?) })
        .await
}

/// Checks that a transaction is one of this dataset, before its files are received.
///
/// # Errors
/// 404.
pub(crate) async fn must_exist(
    state: &AppState,
    access: &DatasetAccess,
    transaction: i64,
) -> Result<(), ApiError> {
    let found = uploads::find(&state.pool, access.id(), transaction).await?;
    found.map(|_| ()).ok_or_else(transaction_not_found)
}

/// Receives the pictures of one request, and annotation files among them. All or none are taken: one that is neither refuses the
/// request.
///
/// # Errors
/// 422 for a field of another name or none at all, 400 for what is no picture.
pub(crate) async fn receive(state: &AppState, mut parts: Parts) -> Result<Vec<Received>, ApiError> {
    state.blobs.check_free_space()?;
    let limits = parts.limits().clone();
    let mut received = Vec::new();
    while let Some(part) = parts.next().await? {
        if part.name() != "files" {
            return Err(missing_field("files"));
        }
        if received.len() == limits.max_files {
            return Err(ApiError::bad_request(format!(
                "At most {} files can be sent at once",
                limits.max_files
            )));
        }
        let file_name = part.file_name("unnamed");
        let file = part.spool(&state.spool, limits.max_file_bytes).await?;
        let is_annotation = annotation_files([file_name.as_str()].into_iter()).len() == 1;
        if !is_annotation && lamina_media::sniff(&file.head).is_none() {
            return Err(ApiError::bad_request(format!(
                "{file_name:?} is not in a supported picture format"
            )));
        }
        received.push(Received { file_name, file });
    }
    if received.is_empty() {
        return Err(missing_field("files"));
    }
    Ok(received)
}

/// Stores received pictures and writes them into the transaction.
///
/// # Errors
/// 409 when processing has started.
pub(crate) async fn add(
    state: &AppState,
    access: &DatasetAccess,
    transaction: i64,
    received: Vec<Received>,
) -> Result<(), ApiError> {
    let (work, dataset) = (state.clone(), access.dataset().clone());
    state
        .run(async move {
            let mut files = Vec::with_capacity(received.len());
            for Received { file_name, file } in received {
                let byte_size = i64::try_from(file.length).map_err(ApiError::internal)?;
                work.blobs
                    .put_file(dataset.owner_id, file.hash, file.path())
                    .await?;
                files.push(UploadFile {
                    file_name,
                    hash: file.hash,
                    byte_size,
                });
            }
            let mut conn = work.pool.acquire().await?;
            let mut tx = conn.begin().await?;
            uploads::add_files(&mut tx, dataset.id, transaction, &files).await?;
            Ok(tx.commit().await?)
        })
        .await
}
