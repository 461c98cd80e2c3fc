//! Vector spaces: which model, with which parameters, made a vector.

use serde::{Deserialize, Serialize};

use crate::text_enum;

text_enum!(
    /// What a set of vectors is for. `INDEX` exists for every dataset; the others come with enrichments.
    Space, "vector space", {
        /// Clusters, duplicates, uniqueness, outliers, anchors; computed at ingest.
        Index = "INDEX",
        /// Text-searchable image vectors of an enrichment.
        MultimodelImage = "MULTIMODEL_IMAGE_ENCODING",
        /// Text-searchable object vectors of an enrichment.
        MultimodelObject = "MULTIMODEL_OBJECT_ENCODING",
        /// Sentence vectors of captions.
        CaptionText = "CAPTION_TEXT",
    }
);

/// The model package and parameters that made an output. Outputs with equal keys are interchangeable.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SpaceKey {
    /// `name@version` of the model package.
    pub package: String,
    /// Canonical text of the parameters, empty when there are none.
    pub parameters: String,
}
