//! The reading side as its callers see it.

use std::sync::Arc;

use bytes::Bytes;
use lamina_index::StopFlag;
use lamina_store::datasets::DatasetAccess;
use lamina_store::spaces::DatasetSpace;
use lamina_store::sqlx::PgPool;
use lamina_store::{BlobStore, annotations, boxes, captions, media, spaces};
use lamina_types::{
    AnchorId, ClusterId, DatasetId, EntityType, INDEX_SLOT, MediaId, ObjectId, SimilarityThreshold,
    Space,
};
use roaring::RoaringBitmap;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::anchors;
use crate::assembly::Assembly;
use crate::cache::SnapshotCache;
use crate::context::Context;
use crate::encoders::Encoders;
use crate::filters::{Filter, Similarity};
use crate::grouping::Grouping;
use crate::hydrate;
use crate::matching::{Node, evaluate};
use crate::members::Member;
use crate::opening::Library;
use crate::plan::{ExplorePlan, PAGE_SIZE, Region};
use crate::texts::TextVectors;
use crate::threshold_sense::ThresholdSense;
use crate::view::{Abilities, ExploreMetadata, ExplorePage, ItemView, MediaView};
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
    library: Library,
    texts: TextVectors,
}

impl Explorer {
    /// Nothing is loaded until it is asked for.
    pub fn new(
        pool: PgPool,
        blobs: BlobStore,
        encoders: Encoders,
        options: ExplorerOptions,
    ) -> Self {
        let library = Library {
            pool,
            blobs,
            encoders,
            options,
            snapshots: SnapshotCache::new(options.snapshot_bytes),
            stop: StopFlag::new(),
            reading: TaskTracker::new(),
        };
        Self(Arc::new(Inner {
            library,
            texts: TextVectors::default(),
        }))
    }

    /// Ends what is being built in memory, graphs and rebuilds of damaged generations, and what is read in the background; waits for
    /// the latter.
    pub async fn stop(&self) {
        let library = &self.0.library;
        library.stop.stop();
        library.reading.close();
        library.reading.wait().await;
    }

    /// Bytes held by loaded datasets.
    pub fn bytes_in_memory(&self) -> usize {
        self.0.library.snapshots.bytes_in_memory()
    }

    /// The dataset as it is held in memory, loaded if it is not; `None` while it has nothing to show.
    ///
    /// # Errors
    /// The database, the index.
    pub async fn snapshot(
        &self,
        access: &DatasetAccess,
        entity_type: EntityType,
    ) -> Result<Option<Arc<DatasetSnapshot>>, ExploreError> {
        self.0.library.open(access.dataset(), entity_type).await
    }

    /// The database it reads from.
    pub fn pool(&self) -> &PgPool {
        &self.0.library.pool
    }

    pub(crate) fn library(&self) -> &Library {
        &self.0.library
    }

    /// The models at hand.
    pub fn encoders(&self) -> &Encoders {
        &self.0.library.encoders
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
        let Some(snapshot) = self.snapshot(access, plan.entity_type).await? else {
            return Ok(ExplorePage::default());
        };
        let first = plan.page_number as usize * PAGE_SIZE;
        let nodes = self.resolve(access, plan, &snapshot).await?;
        let (searched, grouping) = (Arc::clone(&snapshot), Grouping::of(plan));
        let (page, total) = tokio::task::spawn_blocking(move || {
            let matched = evaluate(nodes, &searched)?;
            // Not on a thread of everybody's: the first page makes them.
            let _ = searched.label_lists();
            Ok::<_, ExploreError>(grouping.page(&matched, &searched, first))
        })
        .await??;
        let assembly = self.assembly(access, plan, &snapshot);
        let clusters = assembly.clusters(page).await?;
        self.read_behind(access.id(), &snapshot);
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
        let Some(snapshot) = self.snapshot(access, plan.entity_type).await? else {
            return Ok(None);
        };
        let Some(members) = self.cluster_members(access, id, plan, &snapshot).await? else {
            return Ok(None);
        };
        let first = plan.page_number as usize * PAGE_SIZE;
        let page: Vec<Member> = members.into_iter().skip(first).take(PAGE_SIZE).collect();
        let pool = &self.0.library.pool;
        Ok(Some(
            hydrate::views(pool, access.dataset(), &snapshot, &page).await?,
        ))
    }

    /// The ordinals of all pictures that match a plan, ascending; of one cluster of the answer if it is named; of objects, those they are
    /// on. `None` when the dataset has no such cluster.
    ///
    /// # Errors
    /// As [`Self::explore`].
    pub async fn pictures(
        &self,
        access: &DatasetAccess,
        plan: &ExplorePlan,
        cluster: Option<ClusterId>,
    ) -> Result<Option<Vec<u32>>, ExploreError> {
        let Some(snapshot) = self.snapshot(access, plan.entity_type).await? else {
            return Ok(cluster.is_none().then(Vec::new));
        };
        let items: RoaringBitmap = match cluster {
            Some(id) => match self.cluster_members(access, id, plan, &snapshot).await? {
                Some(members) => members.iter().map(|member| member.ordinal).collect(),
                None => return Ok(None),
            },
            None => {
                let nodes = self.resolve(access, plan, &snapshot).await?;
                let searched = Arc::clone(&snapshot);
                tokio::task::spawn_blocking(move || {
                    evaluate(nodes, &searched).map(|matched| matched.ordinals(&searched))
                })
                .await??
            }
        };
        Ok(Some(snapshot.pictures_of(items).iter().collect()))
    }

    /// The ordinals of all pictures that match a plan (of objects, those they are on), and the number of matching items.
    ///
    /// # Errors
    /// As [`Self::explore`].
    pub async fn matching(
        &self,
        access: &DatasetAccess,
        plan: &ExplorePlan,
    ) -> Result<(Vec<u32>, u64), ExploreError> {
        let Some(snapshot) = self.snapshot(access, plan.entity_type).await? else {
            return Ok((Vec::new(), 0));
        };
        let nodes = self.resolve(access, plan, &snapshot).await?;
        tokio::task::spawn_blocking(move || {
            let items = evaluate(nodes, &snapshot)?.ordinals(&snapshot);
            let count = items.len();
            Ok((snapshot.pictures_of(items).iter().collect(), count))
        })
        .await?
    }

    pub(crate) async fn cluster_members(
        &self,
        access: &DatasetAccess,
        id: ClusterId,
        plan: &ExplorePlan,
        snapshot: &Arc<DatasetSnapshot>,
    ) -> Result<Option<Vec<Member>>, ExploreError> {
        let (explorer, access_, plan_) = (self.clone(), access.clone(), plan.clone());
        let searched = Arc::clone(snapshot);
        let found = tokio::task::spawn_blocking(move || {
            let assembly = explorer.assembly(&access_, &plan_, &searched);
            assembly.find_cluster(id)
        })
        .await?;
        let Some((grouping, first_ordinal)) = found else {
            return Ok(None);
        };
        let nodes = self.resolve(access, plan, snapshot).await?;
        let searched = Arc::clone(snapshot);
        let members = tokio::task::spawn_blocking(move || {
            let matched = evaluate(nodes, &searched)?;
            Ok::<_, ExploreError>(grouping.members(&matched, &searched, first_ordinal))
        })
        .await??;
        Ok(Some(members))
    }

    /// One picture or object of the dataset, with the issues of its label.
    ///
    /// # Errors
    /// The database, the index.
    pub async fn item(
        &self,
        access: &DatasetAccess,
        entity_type: EntityType,
        id: Uuid,
    ) -> Result<Option<ItemView>, ExploreError> {
        let Some(snapshot) = self.snapshot(access, entity_type).await? else {
            return Ok(None);
        };
        let (pool, dataset) = (&self.0.library.pool, access.id());
        let ordinal = match entity_type {
            EntityType::Images => {
                let id = MediaId::from_uuid(id);
                let found = media::ordinals_of(pool, dataset, &[id]).await?;
                found.get(&id).copied()
            }
            EntityType::Objects => {
                boxes::ordinal_of(pool, dataset, ObjectId::from_uuid(id)).await?
            }
        };
        let Some(ordinal) = ordinal else {
            return Ok(None);
        };
        self.with_label_issues(dataset, &snapshot).await?;
        hydrate::item(pool, access.dataset(), &snapshot, ordinal).await
    }

    /// Has the issues of labels worked out, if they are not.
    pub(crate) async fn with_label_issues(
        &self,
        dataset: DatasetId,
        snapshot: &Arc<DatasetSnapshot>,
    ) -> Result<(), ExploreError> {
        self.0.library.label_issues(dataset, snapshot).await
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
        let Some(snapshot) = self.snapshot(access, entity_type).await? else {
            return Ok(ExploreMetadata::default());
        };
        Ok(tokio::task::spawn_blocking(move || ExploreMetadata {
            clusters_count: snapshot.clusters(threshold).len() as u64,
            media_count: snapshot.len() as u64,
            labels: snapshot.label_totals(),
        })
        .await?)
    }

    /// Keeps an uploaded picture, or a region of it, to be searched for among these entities.
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
        let library = &self.0.library;
        let space = spaces::find(&library.pool, access.id(), entity_type, Space::Index).await?;
        let (pool, encoders) = (&library.pool, &library.encoders);
        let key = match space {
            Some(space) => space.key,
            None => encoders.bound(pool, INDEX_SLOT).await?.key(),
        };
        let encoder = encoders.pictures(&key).await?;
        anchors::add(pool, &encoder, access.id(), entity_type, bytes, region).await
    }

    /// What the dataset can be searched by. Loads nothing.
    ///
    /// # Errors
    /// The database.
    pub async fn abilities(&self, access: &DatasetAccess) -> Result<Abilities, ExploreError> {
        let library = &self.0.library;
        let (pool, id, entities) = (&library.pool, access.id(), EntityType::Images);
        let spaces = spaces::list(pool, id).await?;
        // Captions have an ability of their own.
        let is_seen = |space: &DatasetSpace| {
            space.entity_type == entities
                && matches!(space.space, Space::Index | Space::MultimodelImage)
        };
        let mut seen = spaces.iter().filter(|space| is_seen(space));
        Ok(Abilities {
            labels: annotations::labels_exist(pool, id).await?,
            captions: captions::exist(pool, id, entities).await?,
            meaning: seen.any(|space| library.encoders.reads_text(&space.key)),
        })
    }

    fn assembly<'a>(
        &'a self,
        access: &'a DatasetAccess,
        plan: &'a ExplorePlan,
        snapshot: &'a DatasetSnapshot,
    ) -> Assembly<'a> {
        let pool = &self.0.library.pool;
        Assembly {
            pool,
            access,
            plan,
            snapshot,
        }
    }

    /// The plan's filters, the anchor first, after everything that needs waiting.
    pub(crate) async fn resolve(
        &self,
        access: &DatasetAccess,
        plan: &ExplorePlan,
        snapshot: &Arc<DatasetSnapshot>,
    ) -> Result<Vec<Node>, ExploreError> {
        let context = Context {
            library: &self.0.library,
            dataset: access.dataset(),
            snapshot,
            texts: &self.0.texts,
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
}
