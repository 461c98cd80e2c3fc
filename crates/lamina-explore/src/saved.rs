//! Filters that are kept and asked again later, as they are stored and shown (contract 14).

use lamina_types::{EntityType, SimilarityThreshold};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::filters::{Filter, Text, TextError};
use crate::plan::ExplorePlan;
use crate::vql::{self, VqlError};

/// The filters of a saved view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedFilters {
    /// `IMAGES`, `OBJECTS` or `VIDEOS`.
    pub entity_type: String,
    /// The level, `0` to `4`, as text.
    pub threshold: String,
    /// A text whose meaning is searched for.
    pub caption: Option<String>,
    /// A VQL document.
    pub vql: Value,
}

/// What is wrong with saved filters.
#[derive(Debug, thiserror::Error)]
pub enum SavedFiltersError {
    /// Not one of the three.
    #[error("{0:?} is no entity type")]
    EntityType(String),
    /// Not 0 to 4.
    #[error("{0:?} is no level from 0 to 4")]
    Threshold(String),
    /// Too long.
    #[error("the caption cannot be searched for")]
    Caption(#[from] TextError),
    /// The document.
    #[error("the VQL document is wrong")]
    Vql(#[from] VqlError),
}

impl SavedFilters {
    /// What they ask for; `None` for videos, of which there are none.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn plan(&self) -> Result<Option<ExplorePlan>, SavedFiltersError> {
        let level = self.threshold.parse::<i64>().ok();
        let threshold = level
            .and_then(|level| SimilarityThreshold::new(level).ok())
            .ok_or_else(|| SavedFiltersError::Threshold(self.threshold.clone()))?;
        let mut filters = vql::parse(&self.vql.to_string())?;
        if let Some(caption) = &self.caption {
            filters.insert(0, Filter::from(Text::caption(caption.clone(), None)?));
        }
        let entity_type = match self.entity_type.as_str() {
            "IMAGES" => EntityType::Images,
            "OBJECTS" => EntityType::Objects,
            "VIDEOS" => return Ok(None),
            other => return Err(SavedFiltersError::EntityType(other.to_owned())),
        };
        Ok(Some(ExplorePlan {
            filters,
            ..ExplorePlan::browse(entity_type, threshold, 0)
        }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn saved(filters: Value) -> Result<Option<ExplorePlan>, SavedFiltersError> {
        serde_json::from_value::<SavedFilters>(filters)
            .unwrap()
            .plan()
    }

    #[test]
    fn what_is_shown_is_what_is_asked() {
        let vql = json!([{"uniqueness": {"op": "uniqueness", "value": 0.5}}]);
        let filters =
            json!({"entity_type": "OBJECTS", "threshold": "3", "caption": "wet road", "vql": vql});
        let plan = saved(filters).unwrap().unwrap();
        assert_eq!(
            (plan.entity_type, i64::from(plan.threshold)),
            (EntityType::Objects, 3)
        );
        assert_eq!(plan.filters.len(), 2);
        let videos = json!({"entity_type": "VIDEOS", "threshold": "0", "caption": null, "vql": []});
        assert_eq!(saved(videos).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        let with = |entity: &str, level: &str, vql: Value| {
            saved(json!({"entity_type": entity, "threshold": level, "caption": null, "vql": vql}))
        };
        assert!(matches!(
            with("images", "0", json!([])),
            Err(SavedFiltersError::EntityType(_))
        ));
        assert!(matches!(
            with("IMAGES", "5", json!([])),
            Err(SavedFiltersError::Threshold(_))
        ));
        assert!(matches!(
            with("IMAGES", "0", json!({})),
            Err(SavedFiltersError::Vql(_))
        ));
    }
}
