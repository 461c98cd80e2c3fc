//! Pages of the read side as answers: links signed, nullability as the contract has it.

use lamina_api::{
    ClusterInfo, ExploreAnswer, ExploreMetadata, ImageInfo, ImageIssue, MediaInfo, ObjectInfo,
    Preview, TagInfo,
};
use lamina_explore::{ClusterView, ExplorePage, ExplorePlan, ItemView, MediaView, ScoreKind};
use lamina_store::boxes::BoxedObject;
use lamina_store::datasets::Dataset;
use lamina_types::{DatasetId, EntityType, IssueType, TagId};
use uuid::Uuid;

use crate::links::{LinkMaker, LinkTarget, Variant};

/// What the links of one dataset are made of.
pub(crate) struct Linker {
    maker: LinkMaker,
    dataset: DatasetId,
    epoch: i32,
}

impl Linker {
    pub(crate) fn new(maker: LinkMaker, dataset: &Dataset) -> Self {
        Self {
            maker,
            dataset: dataset.id,
            epoch: dataset.link_epoch,
        }
    }

    pub(crate) fn link(&self, item: Uuid, variant: Variant) -> String {
        let target = LinkTarget {
            dataset: self.dataset,
            item,
            variant,
        };
        self.maker.link(target, self.epoch)
    }
}

/// One page of explore.
pub(crate) fn explore_answer(
    page: ExplorePage,
    plan: &ExplorePlan,
    linker: &Linker,
) -> ExploreAnswer {
    ExploreAnswer {
        clusters: page
            .clusters
            .into_iter()
            .map(|cluster| cluster_info(cluster, plan, linker))
            .collect(),
        metadata: ExploreMetadata::default(),
        total_pages: page.total_pages,
        current_page: plan.page_number,
    }
}

fn cluster_info(cluster: ClusterView, plan: &ExplorePlan, linker: &Linker) -> ClusterInfo {
    ClusterInfo {
        cluster_id: cluster.cluster_id.as_uuid(),
        kind: plan.entity_type,
        n_images: cluster.n_images,
        n_objects: cluster.n_objects,
        n_videos: 0,
        n_frames: cluster.n_frames,
        size_display_value: display_size(cluster.size_bytes),
        similarity_threshold: plan.threshold,
        relevance_score: cluster.relevance_score,
        relevance_score_type: score_type(cluster.relevance_score, plan),
        formed_by: "SIMILARITY".to_owned(),
        captions: some_if_any(cluster.captions),
        labels: (!cluster.labels.is_empty()).then_some(cluster.labels),
        user_tags: (!cluster.user_tags.is_empty()).then(|| {
            cluster
                .user_tags
                .into_iter()
                .map(|(id, name)| (id.to_string(), name))
                .collect()
        }),
        previews: cluster
            .previews
            .into_iter()
            .map(|media| preview(media, plan, linker))
            .collect(),
    }
}

/// One member of a cluster.
pub(crate) fn preview(media: MediaView, plan: &ExplorePlan, linker: &Linker) -> Preview {
    Preview {
        relevance_score: media.relevance_score,
        relevance_score_type: score_type(media.relevance_score, plan),
        media: media_info(media, linker),
    }
}

fn media_info(media: MediaView, linker: &Linker) -> MediaInfo {
    let (whole, small) = match media.entity_type {
        EntityType::Images => (Variant::Original, Variant::Thumbnail),
        EntityType::Objects => (Variant::Crop, Variant::CropThumbnail),
    };
    let media_uri = linker.link(media.media_id, whole);
    let image_uri = match media.entity_type {
        EntityType::Images => media_uri.clone(),
        EntityType::Objects => linker.link(media.image_id, Variant::Original),
    };
    MediaInfo {
        kind: kind_of(media.entity_type).to_owned(),
        media_id: media.media_id,
        media_uri,
        media_thumb_uri: linker.link(media.media_id, small),
        image_id: media.image_id,
        image_uri,
        caption: media.caption,
        file_name: media.file_name,
        original_uri: media.original_uri,
        bounding_box: media.bounding_box.map(Into::into),
        confidence: media.confidence,
        video_uri: String::new(),
        frame_timestamp: None,
        labels: some_if_any(media.labels),
        user_tags: tags(media.user_tags),
        width: media.width,
        height: media.height,
    }
}

/// One picture or object by itself, with the objects on it.
pub(crate) fn image_info(
    item: ItemView,
    objects: Vec<BoxedObject>,
    dataset: DatasetId,
    linker: &Linker,
) -> ImageInfo {
    let issues = item
        .issues
        .iter()
        .map(|(issue, confidence)| {
            let suggested = item
                .suggested_label
                .as_ref()
                .filter(|_| *issue == IssueType::Mislabels);
            ImageIssue::new(*issue, *confidence).suggesting(suggested.cloned())
        })
        .collect();
    ImageInfo {
        dataset_id: dataset.as_uuid(),
        uniqueness_score: item.uniqueness,
        issues,
        objects: objects.into_iter().map(object_info).collect(),
        media: media_info(item.media, linker),
    }
}

fn object_info(object: BoxedObject) -> ObjectInfo {
    ObjectInfo {
        object_id: object.id.as_uuid(),
        label: object.label,
        confidence: object.confidence,
        bounding_box: object.region.into(),
        source: object.source.as_str().to_owned(),
    }
}

const fn kind_of(entity: EntityType) -> &'static str {
    match entity {
        EntityType::Images => "IMAGE",
        EntityType::Objects => "OBJECT",
    }
}

/// What a score measures; null exactly when the score is.
fn score_type(score: Option<f32>, plan: &ExplorePlan) -> Option<String> {
    let kind = plan.score_kind().unwrap_or(ScoreKind::CosineDistance);
    score.map(|_| kind.as_str().to_owned())
}

fn some_if_any<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn tags(tags: Vec<(TagId, String)>) -> Option<Vec<TagInfo>> {
    some_if_any(
        tags.into_iter()
            .map(|(id, name)| TagInfo {
                id: id.as_uuid(),
                name,
            })
            .collect(),
    )
}

/// `0B`, `512B`, `1.5KB`, `2.0GB`: powers of 1,024.
fn display_size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KB", "MB", "GB", "TB"];
    if bytes < 1_024 {
        return format!("{bytes}B");
    }
    let mut value = bytes as f64 / 1_024.0;
    let mut unit = UNITS[0];
    for next in &UNITS[1..] {
        if value < 1_023.95 {
            break;
        }
        value /= 1_024.0;
        unit = next;
    }
    format!("{value:.1}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short_and_never_read_1024() {
        let shown: Vec<String> = [
            0,
            512,
            1_023,
            1_024,
            1_536,
            1_048_575,
            1_048_576,
            5_000_000_000,
            u64::MAX,
        ]
        .into_iter()
        .map(display_size)
        .collect();
        assert_eq!(
            shown,
            [
                "0B",
                "512B",
                "1023B",
                "1.0KB",
                "1.5KB",
                "1.0MB",
                "1.0MB",
                "4.7GB",
                "16777216.0TB"
            ]
        );
    }
}
