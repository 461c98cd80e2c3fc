//! A page of ranked clusters as its readers see it, and the way back from a cluster's id to the cluster.

use lamina_store::datasets::DatasetAccess;
use lamina_store::sqlx::PgPool;
use lamina_types::{ClusterId, EntityType, SimilarityThreshold};

use crate::grouping::Grouping;
use crate::hydrate;
use crate::members::{Member, RankedCluster};
use crate::plan::{ExplorePlan, PREVIEWS};
use crate::view::{ClusterView, MediaView};
use crate::{DatasetSnapshot, ExploreError};

/// What a page is put together for.
pub(crate) struct Assembly<'a> {
    pub(crate) pool: &'a PgPool,
    pub(crate) access: &'a DatasetAccess,
    pub(crate) plan: &'a ExplorePlan,
    pub(crate) snapshot: &'a DatasetSnapshot,
}

impl Assembly<'_> {
    /// The clusters of a page with their previews: one round of queries for all of them.
    ///
    /// # Errors
    /// The database.
    pub(crate) async fn clusters(
        &self,
        page: Vec<RankedCluster>,
    ) -> Result<Vec<ClusterView>, ExploreError> {
        let shown: Vec<Member> = page
            .iter()
            .flat_map(|cluster| cluster.members.iter().take(PREVIEWS))
            .copied()
            .collect();
        let found = hydrate::views(self.pool, self.access.dataset(), self.snapshot, &shown).await?;
        let mut views = found.into_iter();
        let grouping = Grouping::of(self.plan);
        let mut clusters = Vec::with_capacity(page.len());
        for cluster in page {
            let previews: Vec<MediaView> = views
                .by_ref()
                .take(cluster.members.len().min(PREVIEWS))
                .collect();
            clusters.push((
                self.cluster(grouping, &cluster, previews),
                cluster.first_ordinal,
            ));
        }
        if let Grouping::Level(level) = grouping {
            let named = clusters
                .iter()
                .map(|(view, first)| (view.cluster_id, *first));
            self.snapshot.handed_out.put(level, named);
        }
        Ok(clusters.into_iter().map(|(view, _)| view).collect())
    }

    fn id(&self, grouping: Grouping, first_ordinal: u32) -> ClusterId {
        grouping.id(self.access.id(), self.plan.entity_type, first_ordinal)
    }

    fn cluster(
        &self,
        grouping: Grouping,
        cluster: &RankedCluster,
        previews: Vec<MediaView>,
    ) -> ClusterView {
        let members = cluster.members.len() as u64;
        let mut user_tags: Vec<_> = previews
            .iter()
            .flat_map(|view| view.user_tags.iter().cloned())
            .collect();
        user_tags.sort_by(|a, b| a.1.cmp(&b.1).then(a.0.cmp(&b.0)));
        user_tags.dedup();
        let is_images = self.plan.entity_type == EntityType::Images;
        ClusterView {
            cluster_id: self.id(grouping, cluster.first_ordinal),
            n_images: if is_images { members } else { 0 },
            n_objects: if is_images { 0 } else { members },
            n_frames: 0,
            size_bytes: previews.iter().map(|view| view.size_bytes).sum(),
            relevance_score: cluster.best(),
            captions: previews
                .iter()
                .find_map(|view| view.caption.clone())
                .into_iter()
                .collect(),
            labels: self.snapshot.label_counts(&cluster.members),
            user_tags,
            previews,
        }
    }

    /// The grouping and lowest ordinal behind a cluster id; `None` for an id that names no cluster at any level. Looks through
    /// all clusters of an id that was not handed out lately: not for an async thread.
    pub(crate) fn find_cluster(&self, id: ClusterId) -> Option<(Grouping, u32)> {
        let names = |grouping: Grouping, first| self.id(grouping, first) == id;
        if let grouping @ Grouping::Duplicates(_) = Grouping::of(self.plan) {
            let firsts = grouping.groups(self.snapshot).firsts();
            return firsts
                .into_iter()
                .find(|first| names(grouping, *first))
                .map(|first| (grouping, first));
        }
        if let Some((level, first)) = self.snapshot.handed_out.get(id) {
            return Some((Grouping::Level(level), first));
        }
        SimilarityThreshold::all().find_map(|level| {
            let (clusters, grouping) = (self.snapshot.clusters(level), Grouping::Level(level));
            (0..clusters.len())
                .filter_map(|place| clusters.get(place))
                .map(|(first, _)| first)
                .find(|&first| names(grouping, first))
                .map(|first| (grouping, first))
        })
    }
}
