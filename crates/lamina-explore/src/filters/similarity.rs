//! `similarity`: what looks like a picture.

use lamina_types::DEFAULT_ANCHOR_DISTANCE;

use super::{FilterKind, ScoreKind};
use crate::context::Context;
use crate::matching::{Near, Selection};
use crate::plan::{AnchorKind, AnchorQuery};
use crate::vql::{Element, VqlError};
use crate::{ExploreError, anchors};

/// Items near a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Similarity {
    /// Which picture, and a distance bound of the program's own.
    pub anchor: AnchorQuery,
    /// The caller's bound, in the configured sense.
    pub threshold: Option<f32>,
}

impl FilterKind for Similarity {
    fn read(element: &mut Element<'_>) -> Result<Self, VqlError> {
        // Clients write `upload` for media ids as well, so it only says where to look first.
        let kinds = [("upload", None), ("media", Some(AnchorKind::Media))];
        let kind = element.word("op", &kinds)?;
        let anchor = AnchorQuery {
            id: element.uuid("value")?,
            kind,
            max_distance: None,
        };
        let threshold = element.optional_number("threshold", 0.0..=2.0)?;
        Ok(Self { anchor, threshold })
    }

    async fn resolve(&self, context: &Context<'_>) -> Result<Selection, ExploreError> {
        let query = anchors::resolve(context, &self.anchor).await?;
        let bands = context.encoders().bands(context.key());
        let own_bound = bands.map(|bands| bands.anchor_distance);
        let max_distance = self
            .threshold
            .map(|threshold| context.sense().max_distance(threshold))
            .or(self.anchor.max_distance)
            .or(own_bound)
            .unwrap_or(DEFAULT_ANCHOR_DISTANCE);
        Ok(Selection::Near(Near::own(query, max_distance)))
    }

    fn score(&self) -> Option<ScoreKind> {
        Some(ScoreKind::CosineDistance)
    }
}
