//! Clusters inside answers (contract 4.1, 10.2).

use std::collections::BTreeMap;

use lamina_types::{EntityType, SimilarityThreshold};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Preview;

/// A cluster: members that match the request.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ClusterInfo {
    /// The cluster; stable for a dataset state and threshold.
    pub cluster_id: Uuid,
    /// `IMAGES` or `OBJECTS`.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub kind: EntityType,
    /// Pictures that match.
    pub n_images: u64,
    /// Objects that match.
    pub n_objects: u64,
    /// Videos that match.
    pub n_videos: u64,
    /// Frames that match.
    pub n_frames: u64,
    /// Human-readable size of the members.
    pub size_display_value: String,
    /// The request's `threshold`, as text.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, example = "0")]
    pub similarity_threshold: SimilarityThreshold,
    /// Best (smallest) distance of a member, null when nothing was searched for.
    pub relevance_score: Option<f32>,
    /// `cosine_distance`, null exactly when the score is.
    pub relevance_score_type: Option<String>,
    /// `SIMILARITY`.
    pub formed_by: String,
    /// Captions of the members, the first one is shown; null when there are none.
    pub captions: Option<Vec<String>>,
    /// Label to number of members; null when there are none.
    pub labels: Option<BTreeMap<String, u64>>,
    /// Tag id to tag name; null when there are none.
    pub user_tags: Option<BTreeMap<String, String>>,
    /// 1 to 9 members, best first.
    pub previews: Vec<Preview>,
}

/// One page of the members of a cluster; empty past the end.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ClusterMembers {
    /// The members.
    pub previews: Vec<Preview>,
}

fn as_text<S: Serializer>(
    threshold: &SimilarityThreshold,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(threshold)
}
