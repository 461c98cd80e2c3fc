//! Numbers about a dataset (contract 9.4).

use lamina_api::DatasetStats;
use lamina_store::datasets::DatasetAccess;
use lamina_types::{EntityType, SimilarityThreshold};

use crate::ApiError;
use crate::state::AppState;

/// Counts of a dataset; those of clusters and labels are 0 while it has no content to show.
///
/// # Errors
/// The database, the index.
pub(crate) async fn of_dataset(
    state: &AppState,
    access: &DatasetAccess,
) -> Result<DatasetStats, ApiError> {
    let metadata = state
        .explorer
        .metadata(access, SimilarityThreshold::FINEST, EntityType::Images)
        .await?;
    let dataset = access.dataset();
    Ok(DatasetStats {
        n_images: i64::from(dataset.n_images),
        n_videos: i64::from(dataset.n_videos),
        n_objects: i64::from(dataset.n_objects),
        n_clusters: metadata.clusters_count,
        n_labels: metadata.labels.len() as u64,
    })
}
