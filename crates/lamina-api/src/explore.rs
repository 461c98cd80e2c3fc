//! Answers of explore (contract 4.1, 10.3).

use serde::Serialize;
use utoipa::ToSchema;

use crate::ClusterInfo;

/// One page of clusters.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ExploreAnswer {
    /// At most 100; empty past the end.
    pub clusters: Vec<ClusterInfo>,
    /// A constant that clients expect and nobody reads.
    pub metadata: ExploreMetadata,
    /// Number of pages, for the paging helper of older clients.
    pub total_pages: u32,
    /// This page, from 0.
    pub current_page: u32,
}

/// Fixed content; `used_duckdb` is a word of the original service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExploreMetadata {
    /// Always true.
    pub used_duckdb: bool,
}

impl Default for ExploreMetadata {
    fn default() -> Self {
        Self { used_duckdb: true }
    }
}

/// Answer of `GET /explore/{id}/exploration_metadata`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExplorationMetadata {
    /// The dataset's name.
    pub dataset_name: String,
    /// Clusters at the asked level.
    pub clusters_count: u64,
    /// Media, or objects.
    pub media_count: u64,
    /// Labels, most frequent first.
    pub labels: Vec<LabelCount>,
}

/// A label and how often it occurs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LabelCount {
    /// The label.
    pub name: String,
    /// Media that carry it.
    pub count: u64,
}

#[cfg(test)]
mod tests {
    use lamina_types::{EntityType, SimilarityThreshold};
    use uuid::Uuid;

    use super::*;
    use crate::{MediaInfo, Preview};

    fn page() -> ExploreAnswer {
        let media = MediaInfo {
            kind: "IMAGE".to_owned(),
            media_id: Uuid::nil(),
            media_uri: "https://lamina.example/media/a".to_owned(),
            media_thumb_uri: "https://lamina.example/media/b".to_owned(),
            image_id: Uuid::nil(),
            image_uri: "https://lamina.example/media/a".to_owned(),
            caption: None,
            file_name: "00046.jpg".to_owned(),
            original_uri: "trucks/00046.jpg".to_owned(),
            bounding_box: None,
            confidence: None,
            video_uri: String::new(),
            frame_timestamp: None,
            labels: None,
            user_tags: None,
            width: 786,
            height: 492,
        };
        let preview = Preview {
            media,
            relevance_score: Some(0.13),
            relevance_score_type: Some(crate::COSINE_DISTANCE.to_owned()),
        };
        let cluster = ClusterInfo {
            cluster_id: Uuid::nil(),
            kind: EntityType::Images,
            n_images: 7,
            n_objects: 0,
            n_videos: 0,
            n_frames: 0,
            size_display_value: "0B".to_owned(),
            similarity_threshold: SimilarityThreshold::FINEST,
            relevance_score: Some(0.13),
            relevance_score_type: Some(crate::COSINE_DISTANCE.to_owned()),
            formed_by: "SIMILARITY".to_owned(),
            captions: None,
            labels: None,
            user_tags: None,
            previews: vec![preview],
        };
        ExploreAnswer {
            clusters: vec![cluster],
            metadata: ExploreMetadata::default(),
            total_pages: 1,
            current_page: 0,
        }
    }

    #[test]
    fn explore_answers_are_spelt_as_in_the_contract() {
        let nil = "00000000-0000-0000-0000-000000000000";
        let expected = format!(
            concat!(
                r#"{{"clusters":[{{"cluster_id":"{0}","type":"IMAGES","n_images":7,"n_objects":0,"n_videos":0,"n_frames":0,"#,
                r#""size_display_value":"0B","similarity_threshold":"0","relevance_score":0.13,"#,
                r#""relevance_score_type":"cosine_distance","formed_by":"SIMILARITY","captions":null,"labels":null,"#,
                r#""user_tags":null,"previews":[{{"type":"IMAGE","media_id":"{0}","#,
                r#""media_uri":"https://lamina.example/media/a","media_thumb_uri":"https://lamina.example/media/b","#,
                r#""image_id":"{0}","image_uri":"https://lamina.example/media/a","caption":null,"file_name":"00046.jpg","#,
                r#""original_uri":"trucks/00046.jpg","bounding_box":null,"confidence":null,"video_uri":"","frame_timestamp":null,"#,
                r#""labels":null,"user_tags":null,"width":786,"height":492,"relevance_score":0.13,"#,
                r#""relevance_score_type":"cosine_distance"}}]}}],"metadata":{{"used_duckdb":true}},"total_pages":1,"#,
                r#""current_page":0}}"#
            ),
            nil
        );
        assert_eq!(serde_json::to_string(&page()).unwrap(), expected);
    }
}
