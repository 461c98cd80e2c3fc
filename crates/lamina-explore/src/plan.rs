//! What a reader asks for: the typed form of an explore request.

use lamina_types::{EntityType, SimilarityThreshold};
use uuid::Uuid;

use crate::filters::{Filter, Leaf, ScoreKind, score_of};

/// Clusters on one page of explore, and members on one page of a cluster (contract 1.4).
pub const PAGE_SIZE: usize = 100;

/// Members shown of each cluster on a page of explore (contract 4.1).
pub const PREVIEWS: usize = 9;

/// One explore request after parsing: everything in it is valid.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplorePlan {
    /// What the clusters are made of.
    pub entity_type: EntityType,
    /// The clustering level.
    pub threshold: SimilarityThreshold,
    /// From 0; a page past the end is empty.
    pub page_number: u32,
    /// Only members near this picture, best first.
    pub anchor: Option<AnchorQuery>,
    /// Only members that pass all of these.
    pub filters: Vec<Filter>,
}

impl ExplorePlan {
    /// Browsing without any filter.
    pub const fn browse(
        entity_type: EntityType,
        threshold: SimilarityThreshold,
        page_number: u32,
    ) -> Self {
        Self {
            entity_type,
            threshold,
            page_number,
            anchor: None,
            filters: Vec::new(),
        }
    }

    /// What the scores of the answer measure; `None` when nothing is ranked.
    pub fn score_kind(&self) -> Option<ScoreKind> {
        match self.anchor {
            Some(_) => Some(ScoreKind::CosineDistance),
            None => score_of(self.filters.iter()),
        }
    }

    /// The similarity at which groups of near-copies are the clusters of the answer; the highest when several are asked for.
    pub(crate) fn duplicate_similarity(&self) -> Option<f32> {
        let required = self.filters.iter().flat_map(Filter::required);
        required
            .filter_map(|leaf| match leaf {
                Leaf::Duplicates(duplicates) => Some(duplicates.similarity),
                Leaf::Text(_)
                | Leaf::Labels(_)
                | Leaf::Tags(_)
                | Leaf::Issues(_)
                | Leaf::Uniqueness(_)
                | Leaf::Similarity(_)
                | Leaf::Media(_)
                | Leaf::FileName(_)
                | Leaf::Size(_)
                | Leaf::Date(_)
                | Leaf::CustomMetadata(_) => None,
            })
            .max_by(f32::total_cmp)
    }
}

/// A search around one picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AnchorQuery {
    /// Id of an uploaded picture or of a media item of the dataset.
    pub id: Uuid,
    /// Which of the two; when absent, uploads are looked at first.
    pub kind: Option<AnchorKind>,
    /// Greatest cosine distance of a member; the model package's own bound when absent.
    pub max_distance: Option<f32>,
}

/// What an anchor id names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnchorKind {
    /// A picture sent for searching.
    Upload,
    /// A media item of the dataset.
    Media,
}

/// Which part of an uploaded picture to search for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Region {
    /// All of it.
    Whole,
    /// `[x, y, width, height]` as fractions of the turned picture.
    Fractions([f64; 4]),
    /// `[x, y, width, height]` in pixels of the turned picture.
    Pixels([f64; 4]),
}
