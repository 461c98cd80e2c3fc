//! Datasets as answers, and their deletion.

use lamina_api::{CreatedDataset, CreationStatus, DatasetInfo, Timestamp};
use lamina_jobs::{NewJob, Phase};
use lamina_store::datasets::{self, Dataset, DatasetAccess};
use lamina_store::sqlx::Connection as _;
use lamina_types::{DatasetStatus, JobKind, RemoveSpec};

use crate::ApiError;
use crate::snapshots;
use crate::state::AppState;

/// A dataset as contract 3.1 shows it.
pub(crate) fn info(dataset: Dataset) -> DatasetInfo {
    let progress = whole_percent(&dataset);
    DatasetInfo {
        id: dataset.id.as_uuid(),
        display_name: dataset.display_name,
        description: dataset.description,
        source_type: dataset.source_type,
        source_uri: dataset.source_uri,
        preview_uri: String::new(),
        owned_by: "VL".to_owned(),
        created_by: dataset.owner_id.as_uuid(),
        created_at: Timestamp::from(dataset.created_at),
        updated_at: dataset.updated_at.map(Timestamp::from),
        filename: dataset.filename,
        sample: None,
        status: dataset
            .status
            .legacy(dataset.source_dataset_id.is_some())
            .to_owned(),
        status_new: dataset.status,
        progress,
        n_images: i64::from(dataset.n_images),
        n_videos: i64::from(dataset.n_videos),
        n_objects: i64::from(dataset.n_objects),
        fatal_error_msg: dataset.fatal_error_msg,
        source_dataset_id: dataset.source_dataset_id.map(|id| id.as_uuid()),
    }
}

/// A dataset that was just made.
pub(crate) fn created(dataset: &Dataset) -> CreatedDataset {
    CreatedDataset {
        id: dataset.id.as_uuid(),
        dataset_id: dataset.id.as_uuid(),
        display_name: dataset.display_name.clone(),
        status: dataset
            .status
            .legacy(dataset.source_dataset_id.is_some())
            .to_owned(),
        status_new: dataset.status,
    }
}

/// How far it is.
pub(crate) fn creation_status(dataset: &Dataset) -> CreationStatus {
    CreationStatus {
        status: dataset.status,
        progress: whole_percent(dataset),
    }
}

/// Rounded down, so that 100 is only seen when it is complete.
fn whole_percent(dataset: &Dataset) -> u8 {
    dataset.progress.clamp(0.0, 100.0).floor() as u8
}

/// Makes a dataset invisible at once; a job removes what is behind it.
///
/// # Errors
/// 409 while it is being worked on, 404 when it is gone meanwhile.
pub(crate) async fn delete(state: &AppState, access: DatasetAccess) -> Result<(), ApiError> {
    let pool = state.pool.clone();
    state
        .run(async move {
            let mut conn = pool.acquire().await?;
            let mut tx = conn.begin().await?;
            // The update takes the row, so that no operation can start between the look and the deletion.
            datasets::bump_revision(&mut *tx, access.id()).await?;
            let current = datasets::find(&mut *tx, access.id())
                .await?
                .ok_or_else(ApiError::dataset_not_found)?;
            let status = current.status;
            if !status.is_at_rest() {
                return Err(ApiError::conflict(format!(
                    "The dataset is {status}: an operation is running"
                )));
            }
            if !datasets::mark_deleted(&mut *tx, &access).await? {
                return Err(ApiError::dataset_not_found());
            }
            let dataset = access.dataset();
            let job = NewJob::new(
                JobKind::Remove.as_str(),
                Some(dataset.owner_id.as_uuid()),
                Some(dataset.id.as_uuid()),
                &RemoveSpec {
                    dataset_id: dataset.id,
                },
                Phase::single(JobKind::Remove.first_phase()),
            )?;
            lamina_jobs::enqueue(&mut tx, job).await?;
            snapshots::remove(&mut tx, dataset.id, None).await?;
            Ok(tx.commit().await?)
        })
        .await
}

/// Whether a picture may be uploaded for a search.
///
/// # Errors
/// 409 in every other status.
pub(crate) fn must_be_ready(dataset: &Dataset) -> Result<(), ApiError> {
    if dataset.status == DatasetStatus::Ready {
        Ok(())
    } else {
        Err(ApiError::conflict(format!(
            "The dataset is {}, it must be READY for a visual search",
            dataset.status
        )))
    }
}
