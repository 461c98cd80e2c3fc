//! Explore: pages of clusters, members of a cluster, numbers about the whole (contract 4, 10.2, 10.3).

use axum::Json;
use axum::extract::{FromRequestParts, State};
use http::HeaderMap;
use http::request::Parts;
use lamina_api::{ClusterMembers, ErrorBody, ExplorationMetadata, ExploreAnswer, LabelCount};
use lamina_explore::{ExploreMetadata, ExplorePage};
use lamina_types::ClusterId;

use crate::ApiError;
use crate::explore_query::ExploreQuery;
use crate::extract::{OpenDataset, Query, path_parameter};
use crate::filter_query::FilterQuery;
use crate::state::AppState;
use crate::views::{self, Linker};

/// One page of clusters: browsing, or what matches all filters of the request.
#[utoipa::path(get, path = "/explore/{dataset_id}", tag = "explore",
    params(("dataset_id" = Uuid, Path, description = "The dataset"), ExploreQuery, FilterQuery), responses(
    (status = 200, description = "At most 100 clusters; none past the end", body = ExploreAnswer),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown or invisible dataset, unknown anchor", body = ErrorBody),
    (status = 422, description = "A parameter cannot be parsed or is out of range", body = ErrorBody),
))]
pub(crate) async fn explore_dataset(
    State(state): State<AppState>,
    open: OpenDataset,
    Query(query): Query<ExploreQuery>,
    headers: HeaderMap,
) -> Result<Json<ExploreAnswer>, ApiError> {
    let plan = query.plan();
    let page = if query.is_of_videos() {
        ExplorePage::default()
    } else {
        state.explorer.explore(&open.access, &plan).await?
    };
    let linker = Linker::new(state.link_maker(&headers), open.access.dataset());
    Ok(Json(views::explore_answer(page, &plan, &linker)))
}

/// The cluster of a path; text that is no id names no cluster.
pub(crate) struct ClusterPath(ClusterId);

impl FromRequestParts<AppState> for ClusterPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        path_parameter(parts, "cluster_id")
            .await
            .map(Self)
            .ok_or_else(cluster_not_found)
    }
}

fn cluster_not_found() -> ApiError {
    ApiError::not_found("Cluster not found")
}

/// The members of one cluster, 100 a page.
#[utoipa::path(get, path = "/explore/{dataset_id}/similarity_cluster/{cluster_id}", tag = "explore",
    params(("dataset_id" = Uuid, Path, description = "The dataset"),
        ("cluster_id" = Uuid, Path, description = "A cluster of an explore answer"), ExploreQuery, FilterQuery), responses(
    (status = 200, description = "At most 100 members; none past the end", body = ClusterMembers),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown or invisible dataset, unknown cluster", body = ErrorBody),
    (status = 422, description = "A parameter cannot be parsed or is out of range", body = ErrorBody),
))]
pub(crate) async fn get_similarity_cluster(
    State(state): State<AppState>,
    open: OpenDataset,
    ClusterPath(cluster): ClusterPath,
    Query(query): Query<ExploreQuery>,
    headers: HeaderMap,
) -> Result<Json<ClusterMembers>, ApiError> {
    if query.is_of_videos() {
        return Err(cluster_not_found());
    }
    let plan = query.plan();
    let members = state
        .explorer
        .cluster_page(&open.access, cluster, &plan)
        .await?;
    let members = members.ok_or_else(cluster_not_found)?;
    let linker = Linker::new(state.link_maker(&headers), open.access.dataset());
    let previews = members
        .into_iter()
        .map(|media| views::preview(media, &plan, &linker))
        .collect();
    Ok(Json(ClusterMembers { previews }))
}

/// Numbers about a whole dataset at one level; filters do not count here.
#[utoipa::path(get, path = "/explore/{dataset_id}/exploration_metadata", tag = "explore",
    params(("dataset_id" = Uuid, Path, description = "The dataset"), ExploreQuery), responses(
    (status = 200, description = "Counts", body = ExplorationMetadata),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
    (status = 422, description = "A parameter cannot be parsed or is out of range", body = ErrorBody),
))]
pub(crate) async fn get_exploration_metadata(
    State(state): State<AppState>,
    open: OpenDataset,
    Query(query): Query<ExploreQuery>,
) -> Result<Json<ExplorationMetadata>, ApiError> {
    let plan = query.plan();
    let found = if query.is_of_videos() {
        ExploreMetadata::default()
    } else {
        state
            .explorer
            .metadata(&open.access, plan.threshold, plan.entity_type)
            .await?
    };
    let mut labels: Vec<LabelCount> = found
        .labels
        .into_iter()
        .map(|(name, count)| LabelCount { name, count })
        .collect();
    labels.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
    Ok(Json(ExplorationMetadata {
        dataset_name: open.access.dataset().display_name.clone(),
        clusters_count: found.clusters_count,
        media_count: found.media_count,
        labels,
    }))
}
