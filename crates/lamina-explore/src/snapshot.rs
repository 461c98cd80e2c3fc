//! A dataset as readers see it: one immutable copy in memory per revision.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use lamina_index::{ExactIndex, Generation, Hit, HnswIndex, IndexSettings, StopFlag, VectorIndex};
use lamina_types::{IssueType, LEVELS, SimilarityThreshold};
use roaring::RoaringBitmap;

use crate::cache::Weighed;
use crate::columns::Columns;
use crate::members::LevelClusters;
use crate::{ExploreError, Member};

/// Everything that filtering, searching and clustering need, by ordinal.
#[derive(Debug)]
pub struct DatasetSnapshot {
    generation: Arc<Generation>,
    exact: ExactIndex,
    /// The graph of a large dataset; searches are exact until it stands.
    graph: Arc<OnceLock<HnswIndex>>,
    levels: [OnceLock<LevelClusters>; LEVELS],
    columns: Columns,
}

impl DatasetSnapshot {
    /// Puts a snapshot together. Above the exact limit the graph is built in the background, on the caller's threads.
    pub fn new(generation: Generation, columns: Columns) -> Self {
        let generation = Arc::new(generation);
        let exact = ExactIndex::new(Arc::clone(&generation.vectors));
        Self {
            generation,
            exact,
            graph: Arc::default(),
            levels: Default::default(),
            columns,
        }
    }

    /// Work that builds the graph of a large dataset, for a blocking thread: minutes of CPU time for a million vectors.
    /// `None` for a dataset that is searched exactly.
    pub fn graph_job(
        &self,
        settings: IndexSettings,
        stop: StopFlag,
    ) -> Option<impl FnOnce() + Send + use<>> {
        (self.len() > settings.exact_limit).then(|| {
            let (vectors, graph) = (
                Arc::clone(&self.generation.vectors),
                Arc::clone(&self.graph),
            );
            move || match HnswIndex::build(vectors, &settings, &stop) {
                Ok(built) => {
                    let _ = graph.set(built);
                }
                Err(error) => {
                    tracing::warn!(%error, "no graph for a large dataset; its searches stay exact")
                }
            }
        })
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.generation.vectors.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The derived data.
    pub fn generation(&self) -> &Generation {
        &self.generation
    }

    /// Labels, tags and measures.
    pub const fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Every ordinal.
    pub fn everything(&self) -> RoaringBitmap {
        self.those(|_| true)
    }

    /// The ordinals that pass a test.
    pub fn those(&self, test: impl Fn(u32) -> bool) -> RoaringBitmap {
        (0..self.len() as u32)
            .filter(|ordinal| test(*ordinal))
            .collect()
    }

    /// How sure it is that an item has an issue, 0 to 1; 0 for issues that are not computed.
    pub fn issue_confidence(&self, issue: IssueType, ordinal: u32) -> f32 {
        let column = match issue {
            IssueType::Outliers => &self.generation.outlier_confidence,
            IssueType::Duplicates => &self.generation.duplicate_confidence,
            IssueType::Blur => &self.columns.blur,
            IssueType::Dark => &self.columns.dark,
            IssueType::Bright => &self.columns.bright,
            IssueType::Mislabels | IssueType::LabelOutlier => return 0.0,
        };
        column.get(ordinal as usize).copied().unwrap_or(0.0)
    }

    /// All members within `max_distance` of `query`, of those in `allowed` if given, ascending by distance, then ordinal.
    ///
    /// # Errors
    /// A query of another dimension.
    pub fn within(
        &self,
        query: &[f32],
        max_distance: f32,
        allowed: Option<&RoaringBitmap>,
    ) -> Result<Vec<Hit>, ExploreError> {
        let stop = StopFlag::new();
        let index: &dyn VectorIndex = match self.graph.get() {
            Some(graph) => graph,
            None => &self.exact,
        };
        Ok(index.range_search(query, max_distance, allowed, &stop)?)
    }

    /// Lowest member ordinal of each item's cluster.
    pub fn cluster_of(&self, level: SimilarityThreshold) -> &[u32] {
        self.generation
            .levels
            .get(level.index())
            .map_or(&[], Vec::as_slice)
    }

    /// The clusters of a level in the order of browsing.
    pub fn clusters(&self, level: SimilarityThreshold) -> &LevelClusters {
        // `level` is 0..LEVELS by construction.
        self.levels[level.index()].get_or_init(|| LevelClusters::new(self.cluster_of(level)))
    }

    /// How many of `members` carry each label.
    pub fn label_counts(&self, members: &[Member]) -> BTreeMap<String, u64> {
        if self.columns.labels.is_empty() {
            return BTreeMap::new();
        }
        let wanted: RoaringBitmap = members.iter().map(|member| member.ordinal).collect();
        self.columns
            .labels
            .iter()
            .map(|(name, ordinals)| (name.clone(), ordinals.intersection_len(&wanted)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    /// Every label with the number of items that carry it.
    pub fn label_totals(&self) -> Vec<(String, u64)> {
        self.columns
            .labels
            .iter()
            .map(|(name, ordinals)| (name.clone(), ordinals.len()))
            .collect()
    }
}

impl Weighed for DatasetSnapshot {
    fn bytes_in_memory(&self) -> usize {
        let levels: usize = self
            .levels
            .iter()
            .filter_map(OnceLock::get)
            .map(LevelClusters::bytes_in_memory)
            .sum();
        let graph = self.graph.get().map_or(0, HnswIndex::bytes_in_memory);
        self.generation.bytes_in_memory() + levels + self.columns.bytes_in_memory() + graph
    }
}
