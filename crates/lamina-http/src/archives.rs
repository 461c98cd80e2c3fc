//! An uploaded zip archive becomes the source of a dataset.

use lamina_store::datasets::{Dataset, DatasetAccess};
use lamina_types::DatasetStatus;

use crate::files::Received;
use crate::state::AppState;
use crate::upload::Parts;
use crate::{ApiError, ingest};

/// How a zip archive begins: its first entry, or the end record of an empty one.
const ZIP_STARTS: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

/// Receives the archive in the field `file`. `operations` may be `READ`, which is all there is.
///
/// # Errors
/// 400 for what is no zip archive, no file, two files or another operation.
pub(crate) async fn receive(state: &AppState, mut parts: Parts) -> Result<Received, ApiError> {
    state.blobs.check_free_space()?;
    let limits = parts.limits().clone();
    let mut archive = None;
    while let Some(part) = parts.next().await? {
        match part.name() {
            "file" if archive.is_none() => {
                let file_name = part.file_name("upload.zip");
                let file = part.spool(&state.spool, limits.max_archive_bytes).await?;
                if !ZIP_STARTS.iter().any(|start| file.head.starts_with(start)) {
                    return Err(ApiError::bad_request(format!(
                        "{file_name:?} is not a zip archive"
                    )));
                }
                archive = Some(Received { file_name, file });
            }
            "file" => return Err(ApiError::bad_request("Only one archive can be sent")),
            "operations" => {
                let operations = part.text(&limits).await?;
                if !operations.is_empty() && operations != "READ" {
                    return Err(ApiError::bad_request("operations must be READ"));
                }
            }
            _ => part.skip().await?,
        }
    }
    archive.ok_or_else(|| ApiError::bad_request("No file was sent"))
}

/// Stores the archive and starts indexing it.
///
/// # Errors
/// 409 when the dataset was not made for an archive or is no longer a draft.
pub(crate) async fn process(
    state: &AppState,
    access: &DatasetAccess,
    archive: Received,
) -> Result<Dataset, ApiError> {
    let dataset = access.dataset();
    if dataset.filename.is_none() {
        return Err(ApiError::conflict(
            "The dataset was not created for an archive",
        ));
    }
    if dataset.status != DatasetStatus::Draft {
        return Err(ApiError::conflict(format!(
            "The dataset is {}, it must be DRAFT to take an archive",
            dataset.status
        )));
    }
    let Received { file_name, file } = archive;
    let (work, owner, id) = (state.clone(), dataset.owner_id, dataset.id);
    state
        .run(async move {
            work.blobs.put_file(owner, file.hash, file.path()).await?;
            ingest::process_archive(&work, id, file.hash, file_name).await
        })
        .await
}
