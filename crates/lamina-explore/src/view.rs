//! What a reader gets: pages of clusters and members, before they are put into wire form.

use lamina_types::{BoundingBox, ClusterId, EntityType, IssueType, TagId};
use std::collections::BTreeMap;
use uuid::Uuid;

/// One page of clusters.
#[derive(Debug, Clone, Default)]
pub struct ExplorePage {
    /// At most [`crate::PAGE_SIZE`] clusters, best or largest first.
    pub clusters: Vec<ClusterView>,
    /// Pages there are in all; 0 when nothing matches.
    pub total_pages: u32,
}

/// One cluster, restricted to the members that match the request.
#[derive(Debug, Clone)]
pub struct ClusterView {
    /// Stable for the dataset state and level.
    pub cluster_id: ClusterId,
    /// Matching pictures.
    pub n_images: u64,
    /// Matching objects.
    pub n_objects: u64,
    /// Matching frames of videos.
    pub n_frames: u64,
    /// Bytes of the originals of the previews' contents that match.
    pub size_bytes: u64,
    /// Smallest cosine distance among the members; `None` when nothing was searched for.
    pub relevance_score: Option<f32>,
    /// Captions, that of the best member first.
    pub captions: Vec<String>,
    /// Matching members by label.
    pub labels: BTreeMap<String, u64>,
    /// Tags of the previews' members.
    pub user_tags: Vec<(TagId, String)>,
    /// One to nine members, best first.
    pub previews: Vec<MediaView>,
}

/// One member: a picture or an object.
#[derive(Debug, Clone, PartialEq)]
pub struct MediaView {
    /// Picture or object.
    pub entity_type: EntityType,
    /// Id of the picture or object.
    pub media_id: Uuid,
    /// Id of the picture; equal to `media_id` for pictures.
    pub image_id: Uuid,
    /// Text about it.
    pub caption: Option<String>,
    /// Base name.
    pub file_name: String,
    /// Path inside the source.
    pub original_uri: String,
    /// Where in the picture, for objects.
    pub bounding_box: Option<BoundingBox>,
    /// How sure the model was of an object, 0 to 1.
    pub confidence: Option<f32>,
    /// Labels, each once, by name.
    pub labels: Vec<String>,
    /// Tags.
    pub user_tags: Vec<(TagId, String)>,
    /// Pixels of the turned picture.
    pub width: u32,
    /// Pixels of the turned picture.
    pub height: u32,
    /// Cosine distance to what was searched for.
    pub relevance_score: Option<f32>,
    /// Bytes of the original.
    pub size_bytes: u64,
}

/// One picture or object by itself, with what no page shows.
#[derive(Debug, Clone)]
pub struct ItemView {
    /// As pages show it.
    pub media: MediaView,
    /// 0 (has very close neighbours) to 1 (stands alone).
    pub uniqueness: Option<f32>,
    /// Issues with their confidence, 0.5 and up.
    pub issues: Vec<(IssueType, f32)>,
    /// The label that its neighbours have, of an item whose own label is probably wrong.
    pub suggested_label: Option<String>,
}

/// Numbers about a dataset at one level (contract 10.3).
#[derive(Debug, Clone, Default)]
pub struct ExploreMetadata {
    /// Clusters at the level.
    pub clusters_count: u64,
    /// Media in the dataset.
    pub media_count: u64,
    /// Labels with the number of media that carry them, by name.
    pub labels: Vec<(String, u64)>,
}

/// What a dataset can be searched by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Abilities {
    /// Some of its pictures carry labels.
    pub labels: bool,
    /// Some of its pictures have captions.
    pub captions: bool,
    /// Its pictures can be compared with texts.
    pub meaning: bool,
}
