//! The parameters of explore, checked.

use lamina_explore::{AnchorKind, AnchorQuery, ExplorePlan};
use lamina_types::{EntityType, SimilarityThreshold};
use uuid::Uuid;

use crate::extract::{Fields, FromFields};
use crate::filter_query::FilterQuery;

/// Largest page number: far beyond any dataset, and safe to multiply.
const MAX_PAGE: i64 = 1_000_000;

/// What the clusters of an answer are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entities {
    Known(EntityType),
    /// A word the contract knows; no dataset has any.
    Videos,
}

/// The parameters of explore and its relatives.
#[derive(Debug, Clone, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExploreQuery {
    /// `IMAGES` (default), `OBJECTS` or `VIDEOS`.
    #[param(value_type = Option<String>)]
    entity_type: Entities,
    /// Clustering level, 0 (finest, default) to 4.
    #[param(value_type = Option<i64>, minimum = 0, maximum = 4)]
    threshold: SimilarityThreshold,
    /// Page, from 0 (default).
    #[param(value_type = Option<u32>)]
    page_number: u32,
    /// Only what looks like this: the id of a media item or object of the dataset, or of an uploaded picture.
    anchor_media_id: Option<Uuid>,
    /// `MEDIA` or `UPLOAD`; when absent, uploads are looked at first.
    #[param(value_type = Option<String>)]
    anchor_type: Option<AnchorKind>,
    /// Accepted for older clients; means nothing.
    #[expect(
        dead_code,
        reason = "parsed so that a wrong value is refused, and described in the interface"
    )]
    verbose: Option<bool>,
    /// Accepted; this server keeps no deleted media.
    #[expect(
        dead_code,
        reason = "parsed so that a wrong value is refused, and described in the interface"
    )]
    allow_deleted: Option<bool>,
    #[param(ignore)]
    filters: FilterQuery,
}

impl FromFields for ExploreQuery {
    fn from_fields(fields: &mut Fields) -> Self {
        let entities = [
            ("IMAGES", Entities::Known(EntityType::Images)),
            ("OBJECTS", Entities::Known(EntityType::Objects)),
            ("VIDEOS", Entities::Videos),
        ];
        Self {
            entity_type: fields
                .word("entity_type", &entities)
                .unwrap_or(Entities::Known(EntityType::Images)),
            threshold: fields
                .integer("threshold", 0..=4)
                .and_then(|level| SimilarityThreshold::new(level).ok())
                .unwrap_or(SimilarityThreshold::FINEST),
            page_number: fields
                .integer("page_number", 0..=MAX_PAGE)
                .and_then(|page| u32::try_from(page).ok())
                .unwrap_or_default(),
            anchor_media_id: fields.uuid("anchor_media_id"),
            anchor_type: anchor_kind(fields),
            verbose: fields.boolean("verbose"),
            allow_deleted: fields.boolean("allow_deleted"),
            filters: FilterQuery::from_fields(fields),
        }
    }
}

fn anchor_kind(fields: &mut Fields) -> Option<AnchorKind> {
    if fields.raw("anchor_type").is_none_or(str::is_empty) {
        return None;
    }
    fields.word(
        "anchor_type",
        &[("UPLOAD", AnchorKind::Upload), ("MEDIA", AnchorKind::Media)],
    )
}

impl ExploreQuery {
    /// Whether videos are asked for: then nothing matches.
    pub(crate) fn is_of_videos(&self) -> bool {
        self.entity_type == Entities::Videos
    }

    /// The plan of the read side.
    pub(crate) fn plan(&self) -> ExplorePlan {
        let entity_type = match self.entity_type {
            Entities::Known(entity) => entity,
            Entities::Videos => EntityType::Images,
        };
        let anchor = self.anchor_media_id.map(|id| AnchorQuery {
            id,
            kind: self.anchor_type,
            max_distance: None,
        });
        ExplorePlan {
            entity_type,
            threshold: self.threshold,
            page_number: self.page_number,
            anchor,
            filters: self.filters.filters(),
        }
    }
}

#[cfg(test)]
mod tests {
    use lamina_api::Detail;

    use super::*;
    use crate::extract::Place;

    fn read(query: &str) -> Result<ExploreQuery, Vec<String>> {
        Fields::decode(Place::Query, query.as_bytes())
            .read::<ExploreQuery>()
            .map_err(|error| match error.detail() {
                Detail::Fields(fields) => fields
                    .iter()
                    .map(|field| format!("{}: {:?}", field.kind, field.loc))
                    .collect(),
                Detail::Text(text) => vec![text.clone()],
            })
    }

    #[test]
    fn nothing_means_browsing_images_finely() {
        let plan = read("").unwrap().plan();
        assert_eq!(
            plan,
            ExplorePlan::browse(EntityType::Images, SimilarityThreshold::FINEST, 0)
        );
        // Left-overs of other versions, empty filters and Python's booleans are no filters.
        let same = "dataset_id=x&caption=&vql=%5B%5D&labels=[%20]&tags=&verbose=False&allow_deleted=True&anchor_type=&anchor_media_id=";
        assert_eq!(read(same).unwrap().plan(), plan);
    }

    #[test]
    fn every_parameter_reaches_the_plan() {
        let id = Uuid::now_v7();
        let query = format!(
            "entity_type=OBJECTS&threshold=4&page_number=7&anchor_media_id={id}&anchor_type=MEDIA"
        );
        let plan = read(&query).unwrap().plan();
        assert_eq!(
            (plan.entity_type, plan.page_number),
            (EntityType::Objects, 7)
        );
        assert_eq!(i64::from(plan.threshold), 4);
        assert_eq!(
            plan.anchor,
            Some(AnchorQuery {
                id,
                kind: Some(AnchorKind::Media),
                max_distance: None
            })
        );
        assert!(read("entity_type=VIDEOS").unwrap().is_of_videos());
    }

    #[test]
    fn wrong_values_are_listed_all_at_once() {
        let wrong = "entity_type=images&threshold=5&page_number=-1&anchor_media_id=7&anchor_type=X&verbose=maybe&textual_similarity_threshold=3";
        assert_eq!(read(wrong).unwrap_err().len(), 7);
        assert_eq!(read("page_number=1000001").unwrap_err().len(), 1);
    }
}
