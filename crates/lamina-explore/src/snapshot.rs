//! The items of a dataset as readers see them: one immutable copy in memory per entity type and revision.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use lamina_index::{Generation, Hit};
use lamina_store::spaces::DatasetSpace;
use lamina_types::{EntityType, IssueType, LEVELS, SimilarityThreshold, Space};
use roaring::RoaringBitmap;
use tokio::sync::OnceCell;

use crate::cache::Weighed;
use crate::columns::Columns;
use crate::facts::Facts;
use crate::handed_out::HandedOut;
use crate::label_issues::LabelIssues;
use crate::label_lists::LabelLists;
use crate::members::LevelClusters;
use crate::searchable::Searchable;
use crate::shown::ShownPictures;
use crate::tag_column::LiveTags;
use crate::word_index::WordIndex;
use crate::{ExploreError, Member};

/// Everything that filtering, searching and clustering need, by ordinal.
#[derive(Debug)]
pub struct DatasetSnapshot {
    derived: Arc<Derived>,
    columns: Columns,
    /// All vector spaces of the dataset.
    spaces: Vec<DatasetSpace>,
    /// Tags change often, so they are kept up to date by themselves.
    pub(crate) tags: LiveTags,
    /// Read in the background once a page was seen.
    pub(crate) shown: Arc<ShownPictures>,
    /// Loaded when a filter first asks for them.
    facts: OnceCell<Arc<Facts>>,
    /// Loaded when words are first searched for.
    words: OnceCell<Arc<WordIndex>>,
    /// The vectors of other spaces, loaded when a search first asks for them.
    captions: OnceCell<Arc<Searchable>>,
    encoding: OnceCell<Arc<Searchable>>,
    label_lists: OnceLock<LabelLists>,
    /// Worked out when a filter or a view first asks for them.
    label_issues: OnceCell<Arc<LabelIssues>>,
    /// Clusters that answers named lately.
    pub(crate) handed_out: HandedOut,
}

/// What comes from a generation alone and stays when only labels or captions change.
#[derive(Debug)]
struct Derived {
    generation: Generation,
    search: Searchable,
    levels: [OnceLock<LevelClusters>; LEVELS],
}

impl DatasetSnapshot {
    /// Puts a snapshot together; the generation brings its index.
    pub fn new(generation: Generation, columns: Columns, spaces: Vec<DatasetSpace>) -> Self {
        let search = Searchable::of_generation(&generation);
        let derived = Derived {
            generation,
            search,
            levels: Default::default(),
        };
        let (tags, shown) = (LiveTags::default(), ShownPictures::default());
        Self::of(Arc::new(derived), (columns, spaces), tags, shown)
    }

    /// The same items with new columns: nothing that comes from the generation is done again.
    pub(crate) fn renewed(&self, columns: Columns, spaces: Vec<DatasetSpace>) -> Self {
        let (derived, tags) = (Arc::clone(&self.derived), self.tags.clone());
        Self::of(derived, (columns, spaces), tags, self.shown.renewed())
    }

    fn of(
        derived: Arc<Derived>,
        (columns, spaces): (Columns, Vec<DatasetSpace>),
        tags: LiveTags,
        shown: ShownPictures,
    ) -> Self {
        Self {
            derived,
            columns,
            spaces,
            tags,
            shown: Arc::new(shown),
            facts: OnceCell::new(),
            words: OnceCell::new(),
            captions: OnceCell::new(),
            encoding: OnceCell::new(),
            label_lists: OnceLock::new(),
            label_issues: OnceCell::new(),
            handed_out: HandedOut::default(),
        }
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.generation().vectors.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Pictures or objects.
    pub fn entity_type(&self) -> EntityType {
        self.generation().header.entity_type
    }

    /// The derived data.
    pub fn generation(&self) -> &Generation {
        &self.derived.generation
    }

    /// All vector spaces of the dataset, of pictures and of objects.
    pub(crate) fn spaces(&self) -> &[DatasetSpace] {
        &self.spaces
    }

    /// Labels and measures.
    pub const fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Every ordinal.
    pub fn everything(&self) -> RoaringBitmap {
        let mut all = RoaringBitmap::new();
        all.insert_range(0..self.len() as u32);
        all
    }

    /// The ordinals that pass a test.
    pub fn those(&self, test: impl Fn(u32) -> bool) -> RoaringBitmap {
        let passing = (0..self.len() as u32).filter(|ordinal| test(*ordinal));
        RoaringBitmap::from_sorted_iter(passing).unwrap_or_default()
    }

    /// The items that are, or are on, these pictures.
    pub(crate) fn items_on(&self, pictures: &RoaringBitmap) -> RoaringBitmap {
        match self.entity_type() {
            EntityType::Images => self.everything() & pictures,
            EntityType::Objects => {
                let parents = &self.columns.parents;
                self.those(|ordinal| {
                    let picture = parents.get(ordinal as usize);
                    picture.is_some_and(|picture| pictures.contains(*picture))
                })
            }
        }
    }

    /// The pictures that these items are, or are on.
    pub(crate) fn pictures_of(&self, items: RoaringBitmap) -> RoaringBitmap {
        match self.entity_type() {
            EntityType::Images => items,
            EntityType::Objects => items
                .iter()
                .filter_map(|ordinal| self.columns.parents.get(ordinal as usize))
                .copied()
                .collect(),
        }
    }

    /// How sure it is that an item has an issue, 0 to 1, by ordinal; empty where no item has it. Those of labels are there
    /// once somebody has asked for them.
    pub fn issue_column(&self, issue: IssueType) -> &[f32] {
        let of_labels = self.label_issues.get();
        match issue {
            IssueType::Outliers => &self.generation().outlier_confidence,
            IssueType::Duplicates => &self.generation().duplicate_confidence,
            IssueType::Blur => &self.columns.blur,
            IssueType::Dark => &self.columns.dark,
            IssueType::Bright => &self.columns.bright,
            IssueType::Mislabels => of_labels.map_or(&[], |found| &found.mislabels),
            IssueType::LabelOutlier => of_labels.map_or(&[], |found| &found.label_outlier),
        }
    }

    /// How sure it is that an item has an issue, 0 to 1; see [`Self::issue_column`].
    pub fn issue_confidence(&self, issue: IssueType, ordinal: u32) -> f32 {
        let column = self.issue_column(issue);
        column.get(ordinal as usize).copied().unwrap_or(0.0)
    }

    /// The label that an item's neighbours have, where its own differs.
    pub fn suggested_label(&self, ordinal: u32) -> Option<&str> {
        self.label_issues.get()?.suggestion(ordinal)
    }

    /// The place for the issues of labels.
    pub(crate) const fn label_issues(&self) -> &OnceCell<Arc<LabelIssues>> {
        &self.label_issues
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
        self.derived.search.within(query, max_distance, allowed)
    }

    /// The place for the vectors of a space other than `INDEX`.
    pub(crate) const fn side(&self, space: Space) -> Option<&OnceCell<Arc<Searchable>>> {
        match space {
            Space::Index => None,
            Space::CaptionText => Some(&self.captions),
            Space::MultimodelImage | Space::MultimodelObject => Some(&self.encoding),
        }
    }

    /// The place for what is known of the files.
    pub(crate) const fn facts(&self) -> &OnceCell<Arc<Facts>> {
        &self.facts
    }

    /// The place for who says what.
    pub(crate) const fn words(&self) -> &OnceCell<Arc<WordIndex>> {
        &self.words
    }

    /// Lowest member ordinal of each item's cluster.
    pub fn cluster_of(&self, level: SimilarityThreshold) -> &[u32] {
        self.generation()
            .levels
            .get(level.index())
            .map_or(&[], Vec::as_slice)
    }

    /// The clusters of a level in the order of browsing.
    pub fn clusters(&self, level: SimilarityThreshold) -> &LevelClusters {
        // `level` is 0..LEVELS by construction.
        self.derived.levels[level.index()]
            .get_or_init(|| LevelClusters::new(self.cluster_of(level)))
    }

    /// The labels of an item, each once, by name.
    pub fn labels_of(&self, ordinal: u32) -> Vec<String> {
        self.label_lists()
            .map_or_else(Vec::new, |lists| lists.names(ordinal))
    }

    /// How many of `members` carry each label.
    pub fn label_counts(&self, members: &[Member]) -> BTreeMap<String, u64> {
        let ordinals = members.iter().map(|member| member.ordinal);
        self.label_lists()
            .map_or_else(BTreeMap::new, |lists| lists.count(ordinals))
    }

    /// Labels by item; none where nothing is labelled. Takes a tenth of a second for a million items the first time.
    pub(crate) fn label_lists(&self) -> Option<&LabelLists> {
        let lists = || LabelLists::new(self.len(), &self.columns.labels);
        (!self.columns.labels.is_empty()).then(|| self.label_lists.get_or_init(lists))
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

impl DatasetSnapshot {
    /// Bytes of the vectors that clusters are made of, with what searching them takes; what lies in a mapped file is not counted.
    pub fn bytes_of_index(&self) -> usize {
        self.derived.search.bytes_in_memory()
    }

    /// Bytes of the vectors of other spaces, with what searching them takes.
    pub fn bytes_of_other_spaces(&self) -> usize {
        [&self.captions, &self.encoding]
            .iter()
            .filter_map(|side| side.get())
            .map(|side| side.bytes_in_memory())
            .sum()
    }
}

impl Weighed for DatasetSnapshot {
    fn bytes_in_memory(&self) -> usize {
        let derived = &self.derived;
        let levels: usize = derived
            .levels
            .iter()
            .filter_map(OnceLock::get)
            .map(LevelClusters::bytes_in_memory)
            .sum();
        let facts = self.facts.get().map_or(0, |facts| facts.bytes_in_memory());
        let words = self.words.get().map_or(0, |words| words.bytes_in_memory());
        let issues = self
            .label_issues
            .get()
            .map_or(0, |issues| issues.bytes_in_memory());
        let lists = self
            .label_lists
            .get()
            .map_or(0, LabelLists::bytes_in_memory);
        derived.generation.bytes_beside_index()
            + self.bytes_of_index()
            + levels
            + self.bytes_of_other_spaces()
            + facts
            + words
            + lists
            + issues
            + self.columns.bytes_in_memory()
            + self.tags.bytes_in_memory()
            + self.shown.bytes_in_memory()
            + self.handed_out.bytes_in_memory()
    }
}
