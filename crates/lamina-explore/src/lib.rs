//! The reading side: snapshots of datasets in memory, anchors, plans, pages of clusters.
//!
//! Owns what is kept at hand of a dataset and how a page is put together. Must not know HTTP, nor write anything but anchors, the
//! request for a rebuild, and files without a name for what needs no memory.
//!
//! One request: the caller hands over a [`DatasetAccess`](lamina_store::datasets::DatasetAccess) and an [`ExplorePlan`];
//! [`Explorer`] takes the snapshot of the dataset's revision from memory (or loads it, once for all who wait), turns the
//! plan into members with distances, groups them into the clusters of the level, cuts one page and fills it from what is at
//! hand, or with one round of queries. Everything before the last step works on ordinals.

mod anchors;
mod assembly;
mod cache;
mod columns;
mod context;
mod crops;
mod encoders;
mod error;
mod explorer;
mod facts;
mod filters;
pub mod generations;
mod grouping;
mod handed_out;
mod hydrate;
mod label_issues;
mod label_lists;
mod matching;
mod meaning;
mod members;
mod opening;
mod plan;
mod saved;
mod searchable;
mod selection;
mod shown;
mod snapshot;
mod tag_column;
mod texts;
mod threshold_sense;
mod view;
pub mod vql;
mod word_index;
mod words;

pub use columns::Columns;
pub use crops::{CuttingSize, cut, is_seen_on_thumbnail};
pub use encoders::{Encoders, index_settings};
pub use error::ExploreError;
pub use explorer::{Explorer, ExplorerOptions};
pub use filters::{
    CustomMetadata, Date, Duplicates, FileName, Filter, Issues, Labels, Leaf, Media, ScoreKind,
    SetTest, Similarity, Size, Tags, Text, TextError, Uniqueness,
};
pub use meaning::Among;
pub use members::Member;
pub use plan::{AnchorKind, AnchorQuery, ExplorePlan, PAGE_SIZE, PREVIEWS, Region};
pub use saved::{SavedFilters, SavedFiltersError};
pub use selection::{DuplicateFact, FactSheet, ItemFacts};
pub use snapshot::DatasetSnapshot;
pub use threshold_sense::ThresholdSense;
pub use view::{Abilities, ClusterView, ExploreMetadata, ExplorePage, ItemView, MediaView};
