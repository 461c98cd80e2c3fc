//! What a dataset can be searched by (contract 9.5).

use serde::Serialize;
use utoipa::ToSchema;

/// Answer of `GET /user_config`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UserConfig {
    /// Features of the dataset.
    pub features: Vec<Feature>,
}

/// One feature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Feature {
    /// Name clients look for.
    pub feature_key: String,
    /// Its switches.
    pub feature_options: FeatureOptions,
}

impl Feature {
    /// Text search over pictures.
    pub fn textual_search_image(options: FeatureOptions) -> Self {
        Self {
            feature_key: "TEXTUAL_SEARCH_IMAGE".to_owned(),
            feature_options: options,
        }
    }
}

/// What text search can look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct FeatureOptions {
    /// The dataset has labels.
    pub labels_search: bool,
    /// The dataset has captions.
    pub captions_search: bool,
    /// Text can be compared with pictures or captions by meaning.
    pub semantic_search: bool,
}
