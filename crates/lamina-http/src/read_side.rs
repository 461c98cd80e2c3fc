//! What the routes ask of the read side. A trait, so that the contract of the wire can be tested without a model.

use async_trait::async_trait;
use bytes::Bytes;
use lamina_explore::{
    Abilities, ExploreError, ExploreMetadata, ExplorePage, ExplorePlan, Explorer, ItemView,
    MediaView, Member, Region,
};
use lamina_export::gather::{self, Wanted};
use lamina_export::{ExportError, Item};
use lamina_store::datasets::DatasetAccess;
use lamina_types::{AnchorId, ClusterId, EntityType, MediaId, SimilarityThreshold};
use tokio::sync::mpsc;
use uuid::Uuid;

/// Pages, members, pictures and anchors of a dataset the caller may see. See [`Explorer`], which is the real one.
#[async_trait]
pub trait ReadSide: Send + Sync {
    /// One page of clusters.
    async fn explore(
        &self,
        access: &DatasetAccess,
        plan: &ExplorePlan,
    ) -> Result<ExplorePage, ExploreError>;

    /// One page of a cluster's members; `None` for an unknown cluster.
    async fn cluster_page(
        &self,
        access: &DatasetAccess,
        id: ClusterId,
        plan: &ExplorePlan,
    ) -> Result<Option<Vec<MediaView>>, ExploreError>;

    /// One picture or object.
    async fn item(
        &self,
        access: &DatasetAccess,
        entity_type: EntityType,
        id: Uuid,
    ) -> Result<Option<ItemView>, ExploreError>;

    /// The ordinals of all pictures that match, of one cluster of the answer if it is named; `None` for an unknown cluster.
    async fn pictures(
        &self,
        access: &DatasetAccess,
        plan: &ExplorePlan,
        cluster: Option<ClusterId>,
    ) -> Result<Option<Vec<u32>>, ExploreError>;

    /// Everything that matches, best first, of one cluster if it is named; `None` for an unknown cluster.
    async fn select(
        &self,
        access: &DatasetAccess,
        plan: &ExplorePlan,
        cluster: Option<ClusterId>,
    ) -> Result<Option<Vec<Member>>, ExploreError>;

    /// The best items that match, each by itself.
    async fn best(
        &self,
        access: &DatasetAccess,
        plan: &ExplorePlan,
        limit: usize,
    ) -> Result<Vec<MediaView>, ExploreError>;

    /// The near-copies of a picture; `None` for one that the dataset does not have.
    async fn duplicates_of(
        &self,
        access: &DatasetAccess,
        id: MediaId,
    ) -> Result<Option<Vec<MediaId>>, ExploreError>;

    /// The media items behind a selection, batch by batch, until nobody takes them any more.
    async fn gather(
        &self,
        access: &DatasetAccess,
        wanted: Wanted,
        items: mpsc::Sender<Vec<Item>>,
    ) -> Result<(), ExportError>;

    /// Numbers about the dataset at one level.
    async fn metadata(
        &self,
        access: &DatasetAccess,
        threshold: SimilarityThreshold,
        entity_type: EntityType,
    ) -> Result<ExploreMetadata, ExploreError>;

    /// What the dataset can be searched by; by default nothing.
    async fn abilities(&self, access: &DatasetAccess) -> Result<Abilities, ExploreError> {
        let _ = access;
        Ok(Abilities::default())
    }

    /// Keeps a picture to be searched for.
    async fn add_anchor(
        &self,
        access: &DatasetAccess,
        bytes: Bytes,
        entity_type: EntityType,
        region: Region,
    ) -> Result<AnchorId, ExploreError>;
}

#[async_trait]
impl ReadSide for Explorer {
    async fn explore(
        &self,
        access: &DatasetAccess,
        plan: &ExplorePlan,
    ) -> Result<ExplorePage, ExploreError> {
        Explorer::explore(self, access, plan).await
    }

    async fn cluster_page(
        &self,
        access: &DatasetAccess,
        id: ClusterId,
        plan: &ExplorePlan,
    ) -> Result<Option<Vec<MediaView>>, ExploreError> {
        Explorer::cluster_page(self, access, id, plan).await
    }

    async fn item(
        &self,
        access: &DatasetAccess,
        entity_type: EntityType,
        id: Uuid,
    ) -> Result<Option<ItemView>, ExploreError> {
        Explorer::item(self, access, entity_type, id).await
    }

    async fn pictures(
        &self,
        access: &DatasetAccess,
        plan: &ExplorePlan,
        cluster: Option<ClusterId>,
    ) -> Result<Option<Vec<u32>>, ExploreError> {
        Explorer::pictures(self, access, plan, cluster).await
    }

    async fn select(
        &self,
        access: &DatasetAccess,
        plan: &ExplorePlan,
        cluster: Option<ClusterId>,
    ) -> Result<Option<Vec<Member>>, ExploreError> {
        Explorer::select(self, access, plan, cluster).await
    }

    async fn best(
        &self,
        access: &DatasetAccess,
        plan: &ExplorePlan,
        limit: usize,
    ) -> Result<Vec<MediaView>, ExploreError> {
        Explorer::best(self, access, plan, limit).await
    }

    async fn duplicates_of(
        &self,
        access: &DatasetAccess,
        id: MediaId,
    ) -> Result<Option<Vec<MediaId>>, ExploreError> {
        Explorer::duplicates_of(self, access, id).await
    }

    async fn gather(
        &self,
        access: &DatasetAccess,
        wanted: Wanted,
        items: mpsc::Sender<Vec<Item>>,
    ) -> Result<(), ExportError> {
        gather::send(self, access, wanted, &items).await
    }

    async fn metadata(
        &self,
        access: &DatasetAccess,
        threshold: SimilarityThreshold,
        entity_type: EntityType,
    ) -> Result<ExploreMetadata, ExploreError> {
        Explorer::metadata(self, access, threshold, entity_type).await
    }

    async fn abilities(&self, access: &DatasetAccess) -> Result<Abilities, ExploreError> {
        Explorer::abilities(self, access).await
    }

    async fn add_anchor(
        &self,
        access: &DatasetAccess,
        bytes: Bytes,
        entity_type: EntityType,
        region: Region,
    ) -> Result<AnchorId, ExploreError> {
        Explorer::add_anchor(self, access, bytes, entity_type, region).await
    }
}
