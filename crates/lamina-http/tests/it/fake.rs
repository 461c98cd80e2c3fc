//! A read side that answers what it was told to.

use std::sync::Mutex;

use bytes::Bytes;
use lamina_explore::{
    ClusterView, ExploreError, ExploreMetadata, ExplorePage, ExplorePlan, ItemView, MediaView,
    Member, Region,
};
use lamina_export::gather::Wanted;
use lamina_export::{ExportError, Item};
use lamina_http::ReadSide;
use lamina_store::datasets::DatasetAccess;
use lamina_types::{
    AnchorId, ClusterId, EntityType, IssueType, MediaId, RejectReason, Rejection,
    SimilarityThreshold,
};
use tokio::sync::mpsc;
use uuid::Uuid;

/// An anchor that makes the read side panic, as only a bug would.
pub const PANIC_ANCHOR: Uuid = Uuid::from_u128(0xdead);

/// An anchor nobody knows.
pub const UNKNOWN_ANCHOR: Uuid = Uuid::from_u128(0x404);

#[derive(Default)]
pub struct FakeReadSide {
    /// Pictures of the one cluster there is.
    pub members: Mutex<Vec<MediaView>>,
    /// What was asked for last.
    pub asked: Mutex<Option<ExplorePlan>>,
    /// What was searched for last.
    pub region: Mutex<Option<(usize, EntityType, Region)>>,
}

impl FakeReadSide {
    fn members(&self) -> Vec<MediaView> {
        self.members.lock().unwrap().clone()
    }
}

pub const CLUSTER: Uuid = Uuid::from_u128(0xc1);

/// A picture as the read side shows it.
pub fn media_view(id: Uuid, score: Option<f32>) -> MediaView {
    MediaView {
        entity_type: EntityType::Images,
        media_id: id,
        image_id: id,
        caption: None,
        file_name: "00046.jpg".to_owned(),
        original_uri: "trucks/00046.jpg".to_owned(),
        bounding_box: None,
        confidence: None,
        labels: Vec::new(),
        user_tags: Vec::new(),
        width: 786,
        height: 492,
        relevance_score: score,
        size_bytes: 1_536,
    }
}

#[async_trait::async_trait]
impl ReadSide for FakeReadSide {
    async fn explore(
        &self,
        _: &DatasetAccess,
        plan: &ExplorePlan,
    ) -> Result<ExplorePage, ExploreError> {
        *self.asked.lock().unwrap() = Some(plan.clone());
        let anchor = plan.anchor.map(|anchor| anchor.id);
        assert!(anchor != Some(PANIC_ANCHOR), "secret text of a bug");
        if anchor == Some(UNKNOWN_ANCHOR) {
            return Err(ExploreError::UnknownAnchor(UNKNOWN_ANCHOR));
        }
        let members = self.members();
        if members.is_empty() || plan.page_number > 0 {
            return Ok(ExplorePage {
                clusters: Vec::new(),
                total_pages: u32::from(!members.is_empty()),
            });
        }
        let cluster = ClusterView {
            cluster_id: ClusterId::from_uuid(CLUSTER),
            n_images: members.len() as u64,
            n_objects: 0,
            n_frames: 0,
            size_bytes: 1_536,
            relevance_score: members[0].relevance_score,
            captions: Vec::new(),
            labels: std::collections::BTreeMap::new(),
            user_tags: Vec::new(),
            previews: members,
        };
        Ok(ExplorePage {
            clusters: vec![cluster],
            total_pages: 1,
        })
    }

    async fn cluster_page(
        &self,
        _: &DatasetAccess,
        id: ClusterId,
        plan: &ExplorePlan,
    ) -> Result<Option<Vec<MediaView>>, ExploreError> {
        let page = if plan.page_number == 0 {
            self.members()
        } else {
            Vec::new()
        };
        Ok((id.as_uuid() == CLUSTER).then_some(page))
    }

    async fn item(
        &self,
        _: &DatasetAccess,
        _: EntityType,
        id: Uuid,
    ) -> Result<Option<ItemView>, ExploreError> {
        Ok(Some(ItemView {
            media: media_view(id, None),
            uniqueness: Some(0.25),
            issues: vec![(IssueType::Blur, 0.75)],
            suggested_label: None,
        }))
    }

    async fn pictures(
        &self,
        _: &DatasetAccess,
        plan: &ExplorePlan,
        cluster: Option<ClusterId>,
    ) -> Result<Option<Vec<u32>>, ExploreError> {
        *self.asked.lock().unwrap() = Some(plan.clone());
        let is_known = cluster.is_none_or(|id| id.as_uuid() == CLUSTER);
        Ok(is_known.then(|| vec![1, 2]))
    }

    async fn select(
        &self,
        _: &DatasetAccess,
        plan: &ExplorePlan,
        cluster: Option<ClusterId>,
    ) -> Result<Option<Vec<Member>>, ExploreError> {
        *self.asked.lock().unwrap() = Some(plan.clone());
        let is_known = cluster.is_none_or(|id| id.as_uuid() == CLUSTER);
        let count = self.members.lock().unwrap().len() as u32;
        let member = |ordinal| Member {
            ordinal,
            distance: None,
        };
        Ok(is_known.then(|| (0..count).map(member).collect()))
    }

    async fn best(
        &self,
        _: &DatasetAccess,
        plan: &ExplorePlan,
        limit: usize,
    ) -> Result<Vec<MediaView>, ExploreError> {
        *self.asked.lock().unwrap() = Some(plan.clone());
        Ok(self.members().into_iter().take(limit).collect())
    }

    async fn duplicates_of(
        &self,
        _: &DatasetAccess,
        id: MediaId,
    ) -> Result<Option<Vec<MediaId>>, ExploreError> {
        let ids: Vec<MediaId> = self
            .members()
            .iter()
            .map(|view| MediaId::from_uuid(view.media_id))
            .collect();
        let others = ids.iter().copied().filter(|other| *other != id).collect();
        Ok(ids.contains(&id).then_some(others))
    }

    async fn gather(
        &self,
        _: &DatasetAccess,
        _: Wanted,
        _: mpsc::Sender<Vec<Item>>,
    ) -> Result<(), ExportError> {
        Ok(())
    }

    async fn metadata(
        &self,
        _: &DatasetAccess,
        _: SimilarityThreshold,
        _: EntityType,
    ) -> Result<ExploreMetadata, ExploreError> {
        let labels = vec![
            ("bus".to_owned(), 2),
            ("car".to_owned(), 870),
            ("cat".to_owned(), 2),
        ];
        Ok(ExploreMetadata {
            clusters_count: 42,
            media_count: 1_250,
            labels,
        })
    }

    async fn add_anchor(
        &self,
        _: &DatasetAccess,
        bytes: Bytes,
        entity_type: EntityType,
        region: Region,
    ) -> Result<AnchorId, ExploreError> {
        if lamina_media::sniff(&bytes).is_none() {
            let rejection = Rejection::new(
                RejectReason::UnsupportedFormat,
                "not a supported picture format",
            );
            return Err(ExploreError::BadPicture(rejection));
        }
        *self.region.lock().unwrap() = Some((bytes.len(), entity_type, region));
        Ok(AnchorId::new())
    }
}
