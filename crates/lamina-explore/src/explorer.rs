//! The reading side as its callers see it.

use std::sync::Arc;

use bytes::Bytes;
use lamina_index::StopFlag;
use lamina_inference::DistanceBands;
use lamina_store::datasets::{Dataset, DatasetAccess};
use lamina_store::spaces::DatasetSpace;
use lamina_store::sqlx::PgPool;
use lamina_store::{BlobStore, annotations, captions, media, spaces};
use lamina_types::{
    AnchorId, ClusterId, EntityType, INDEX_SLOT, MediaId, SimilarityThreshold, Space, SpaceKey,
};

use crate::anchors;
use crate::cache::SnapshotCache;
use crate::columns::Columns;
use crate::context::Context;
use crate::encoders::{Encoders, index_settings};
use crate::filters::{Filter, Similarity};
use crate::generations::Shelf;
use crate::grouping::Grouping;
use crate::hydrate;
use crate::matching::{Node, evaluate};
use crate::members::{Member, RankedCluster};
use crate::plan::{ExplorePlan, PAGE_SIZE, PREVIEWS, Region};
use crate::texts::TextVectors;
use crate::threshold_sense::ThresholdSense;
use crate::view::{Abilities, ClusterView, ExploreMetadata, ExplorePage, MediaView};
use crate::{DatasetSnapshot, ExploreError};

/// What an operator decides about reading.
#[derive(Debug, Clone, Copy)]
pub struct ExplorerOptions {
    /// Memory for loaded datasets, in bytes.
    pub snapshot_bytes: usize,
    /// Vectors up to which a dataset is searched exactly.
    pub exact_limit: usize,
    /// What a caller's distance threshold means.
    pub threshold_sense: ThresholdSense,
}

/// Answers explore requests. A cheap handle.
#[derive(Debug, Clone)]
pub struct Explorer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pool: PgPool,
    blobs: BlobStore,
    encoders: Encoders,
    options: ExplorerOptions,
    snapshots: SnapshotCache<DatasetSnapshot>,
    texts: TextVectors,
    stop: StopFlag,
}

/// A dataset opened for one request.
struct Opened {
    space: DatasetSpace,
    snapshot: Arc<DatasetSnapshot>,
}

impl Explorer {
    /// Nothing is loaded until it is asked for.
    pub fn new(
        pool: PgPool,
        blobs: BlobStore,
        encoders: Encoders,
        options: ExplorerOptions,
    ) -> Self {
        let snapshots = SnapshotCache::new(options.snapshot_bytes);
        Self(Arc::new(Inner {
            pool,
            blobs,
            encoders,
            options,
            snapshots,
            texts: TextVectors::default(),
            stop: StopFlag::new(),
        }))
    }

    /// Stops building graphs in the background.
    pub fn stop(&self) {
        self.0.stop.stop();
    }

    /// Bytes held by loaded datasets.
    pub fn bytes_in_memory(&self) -> usize {
        self.0.snapshots.bytes_in_memory()
    }

    /// The models at hand.
    pub fn encoders(&self) -> &Encoders {
        &self.0.encoders
    }

    /// One page of clusters.
    ///
    /// # Errors
    /// An unknown anchor; the database, the index.
    pub async fn explore(
        &self,
        access: &DatasetAccess,
        plan: &ExplorePlan,
    ) -> Result<ExplorePage, ExploreError> {
        let Some(opened) = self.open(access.dataset(), plan.entity_type).await? else {
            return Ok(ExplorePage::default());
        };
        let first = plan.page_number as usize * PAGE_SIZE;
        let nodes = self.resolve(access, plan, &opened).await?;
        let (snapshot, grouping) = (Arc::clone(&opened.snapshot), Grouping::of(plan));
        let (page, total) = tokio::task::spawn_blocking(move || {
            let matched = evaluate(nodes, &snapshot)?;
            Ok::<_, ExploreError>(grouping.page(&matched, &snapshot, first))
        })
        .await??;
        let snapshot = &opened.snapshot;
        let clusters = self.cluster_views(access, plan, snapshot, page).await?;
        Ok(ExplorePage {
            clusters,
            total_pages: u32::try_from(total.div_ceil(PAGE_SIZE)).unwrap_or(u32::MAX),
        })
    }

    /// One page of the members of one cluster; `None` when the dataset has no such cluster at any level.
    ///
    /// # Errors
    /// As [`Self::explore`].
    pub async fn cluster_page(
        &self,
        access: &DatasetAccess,
        id: ClusterId,
        plan: &ExplorePlan,
    ) -> Result<Option<Vec<MediaView>>, ExploreError> {
        let Some(opened) = self.open(access.dataset(), plan.entity_type).await? else {
            return Ok(None);
        };
        let snapshot = &opened.snapshot;
        let found = find_cluster(access, plan, snapshot, id);
        let Some((grouping, first_ordinal)) = found else {
            return Ok(None);
        };
        let nodes = self.resolve(access, plan, &opened).await?;
        let shared = Arc::clone(snapshot);
        let members = tokio::task::spawn_blocking(move || {
            let matched = evaluate(nodes, &shared)?;
            Ok::<_, ExploreError>(grouping.members(&matched, &shared, first_ordinal))
        })
        .await??;
        let first = plan.page_number as usize * PAGE_SIZE;
        let page: Vec<Member> = members.into_iter().skip(first).take(PAGE_SIZE).collect();
        Ok(Some(
            hydrate::views(&self.0.pool, access.id(), snapshot.generation(), &page).await?,
        ))
    }

    /// One picture of the dataset.
    ///
    /// # Errors
    /// The database, the index.
    pub async fn media(
        &self,
        access: &DatasetAccess,
        id: MediaId,
    ) -> Result<Option<MediaView>, ExploreError> {
        let Some(opened) = self.open(access.dataset(), EntityType::Images).await? else {
            return Ok(None);
        };
        let ordinals = media::ordinals_of(&self.0.pool, access.id(), &[id]).await?;
        let Some(&ordinal) = ordinals.get(&id) else {
            return Ok(None);
        };
        let member = [Member {
            ordinal,
            distance: None,
        }];
        let views = hydrate::views(
            &self.0.pool,
            access.id(),
            opened.snapshot.generation(),
            &member,
        )
        .await?;
        Ok(views.into_iter().next())
    }

    /// Numbers about the dataset at one level.
    ///
    /// # Errors
    /// The database, the index.
    pub async fn metadata(
        &self,
        access: &DatasetAccess,
        threshold: SimilarityThreshold,
        entity_type: EntityType,
    ) -> Result<ExploreMetadata, ExploreError> {
        let Some(opened) = self.open(access.dataset(), entity_type).await? else {
            return Ok(ExploreMetadata::default());
        };
        let snapshot = opened.snapshot;
        Ok(tokio::task::spawn_blocking(move || ExploreMetadata {
            clusters_count: snapshot.clusters(threshold).len() as u64,
            media_count: snapshot.len() as u64,
            labels: snapshot.label_totals(),
        })
        .await?)
    }

    /// Keeps an uploaded picture, or a region of it, to be searched for.
    ///
    /// # Errors
    /// Bytes that are no usable picture, a region outside of it, an overloaded model, a package that is not installed.
    pub async fn add_anchor(
        &self,
        access: &DatasetAccess,
        bytes: Bytes,
        entity_type: EntityType,
        region: Region,
    ) -> Result<AnchorId, ExploreError> {
        let space =
            spaces::find(&self.0.pool, access.id(), EntityType::Images, Space::Index).await?;
        let encoders = &self.0.encoders;
        let key = match space {
            Some(space) => space.key,
            None => encoders.bound(&self.0.pool, INDEX_SLOT).await?.key(),
        };
        anchors::add(
            &self.0.pool,
            &encoders.pictures(&key).await?,
            access.id(),
            entity_type,
            bytes,
            region,
        )
        .await
    }

    /// What the dataset can be searched by. Loads nothing.
    ///
    /// # Errors
    /// The database.
    pub async fn abilities(&self, access: &DatasetAccess) -> Result<Abilities, ExploreError> {
        let (pool, id, entities) = (&self.0.pool, access.id(), EntityType::Images);
        let space = spaces::find(pool, id, entities, Space::Index).await?;
        Ok(Abilities {
            labels: annotations::labels_exist(pool, id).await?,
            captions: captions::exist(pool, id, entities).await?,
            meaning: space.is_some_and(|space| self.0.encoders.reads_text(&space.key)),
        })
    }

    /// The plan's filters, the anchor first, after everything that needs waiting.
    async fn resolve(
        &self,
        access: &DatasetAccess,
        plan: &ExplorePlan,
        opened: &Opened,
    ) -> Result<Vec<Node>, ExploreError> {
        let context = Context {
            pool: &self.0.pool,
            dataset: access.id(),
            space: &opened.space,
            snapshot: &opened.snapshot,
            encoders: &self.0.encoders,
            texts: &self.0.texts,
            sense: self.0.options.threshold_sense,
        };
        let anchor = plan.anchor.map(|anchor| Similarity {
            anchor,
            threshold: None,
        });
        let anchor = anchor.map(Filter::from);
        let mut nodes = Vec::with_capacity(plan.filters.len() + 1);
        for filter in anchor.iter().chain(&plan.filters) {
            nodes.push(filter.resolve(&context).await?);
        }
        Ok(nodes)
    }

    /// The dataset's snapshot; `None` while it has nothing to show for these entities.
    async fn open(
        &self,
        dataset: &Dataset,
        entity_type: EntityType,
    ) -> Result<Option<Opened>, ExploreError> {
        if !dataset.status.is_browsable() {
            return Ok(None);
        }
        let Some(space) = spaces::find(&self.0.pool, dataset.id, entity_type, Space::Index).await?
        else {
            return Ok(None);
        };
        // Objects get snapshots of their own when they get vectors of their own.
        let load = || self.load(dataset, &space);
        let snapshot = self
            .0
            .snapshots
            .get(dataset.id, dataset.revision, load)
            .await?;
        Ok(Some(Opened { space, snapshot }))
    }

    /// Distances of a space. A dataset whose package is gone can still be looked at, with the distances of today's.
    async fn bands(&self, key: &SpaceKey) -> Result<DistanceBands, ExploreError> {
        let encoders = &self.0.encoders;
        if let Some(bands) = encoders.bands(key) {
            return Ok(bands);
        }
        let bound = encoders.bound(&self.0.pool, INDEX_SLOT).await?;
        let bands = encoders.bands(&bound.key());
        bands.ok_or_else(|| ExploreError::MissingPackage(key.package.clone()))
    }

    async fn load(
        &self,
        dataset: &Dataset,
        space: &DatasetSpace,
    ) -> Result<DatasetSnapshot, ExploreError> {
        let inner = &self.0;
        let bands = self.bands(&space.key).await?;
        let settings = index_settings(&bands, inner.options.exact_limit);
        let shelf = Shelf {
            pool: &inner.pool,
            blobs: &inner.blobs,
            owner: dataset.owner_id,
            settings,
        };
        let generation = shelf.take(dataset.id, space).await?;
        let columns = Columns::load(&inner.pool, dataset.id, generation.vectors.len()).await?;
        let snapshot = DatasetSnapshot::new(generation, columns);
        if let Some(job) = snapshot.graph_job(settings, inner.stop.clone()) {
            tokio::task::spawn_blocking(job);
        }
        Ok(snapshot)
    }

    async fn cluster_views(
        &self,
        access: &DatasetAccess,
        plan: &ExplorePlan,
        snapshot: &DatasetSnapshot,
        page: Vec<RankedCluster>,
    ) -> Result<Vec<ClusterView>, ExploreError> {
        let shown: Vec<Member> = page
            .iter()
            .flat_map(|cluster| cluster.members.iter().take(PREVIEWS))
            .copied()
            .collect();
        let mut views = hydrate::views(&self.0.pool, access.id(), snapshot.generation(), &shown)
            .await?
            .into_iter();
        let mut clusters = Vec::with_capacity(page.len());
        for cluster in page {
            let previews: Vec<MediaView> = views
                .by_ref()
                .take(cluster.members.len().min(PREVIEWS))
                .collect();
            clusters.push(cluster_view(access, plan, snapshot, &cluster, previews));
        }
        Ok(clusters)
    }
}

/// The grouping and lowest ordinal behind a cluster id.
fn find_cluster(
    access: &DatasetAccess,
    plan: &ExplorePlan,
    snapshot: &DatasetSnapshot,
    id: ClusterId,
) -> Option<(Grouping, u32)> {
    let names = |grouping: Grouping, first| grouping.id(access.id(), plan.entity_type, first) == id;
    if let grouping @ Grouping::Duplicates(_) = Grouping::of(plan) {
        let groups = grouping.group_of(snapshot);
        return (0..)
            .zip(groups.iter())
            .filter(|(ordinal, first)| ordinal == *first)
            .find(|(first, _)| names(grouping, *first))
            .map(|(first, _)| (grouping, first));
    }
    SimilarityThreshold::all().find_map(|level| {
        let (clusters, grouping) = (snapshot.clusters(level), Grouping::Level(level));
        (0..clusters.len())
            .filter_map(|place| clusters.get(place))
            .map(|(first, _)| first)
            .find(|&first| names(grouping, first))
            .map(|first| (grouping, first))
    })
}

fn cluster_view(
    access: &DatasetAccess,
    plan: &ExplorePlan,
    snapshot: &DatasetSnapshot,
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
    let is_images = plan.entity_type == EntityType::Images;
    ClusterView {
        cluster_id: Grouping::of(plan).id(access.id(), plan.entity_type, cluster.first_ordinal),
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
        labels: snapshot.label_counts(&cluster.members),
        user_tags,
        previews,
    }
}
