//! The `[tagger]` section: what the graph's outputs mean.

use serde::Deserialize;

/// Most tags of one picture.
const MAX_TAGS: usize = 1_000;

/// Where a tagger's scores come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaggerLayout {
    /// `pixel_values` or `image` -> `logits` [batch, tags]; a sigmoid gives the scores, each tag has its own threshold.
    Logits,
    /// Both towers of a dual encoder; each tag is the mean vector of the prompts made of its name.
    ZeroShot,
}

/// How a tagger's outputs become tags.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaggerSpec {
    /// What the graph gives.
    pub layout: TaggerLayout,
    /// Lowest score of a tag where the package has no thresholds file, 0..=1.
    #[serde(default)]
    pub score_threshold: Option<f32>,
    /// Most tags of one picture.
    pub max_tags: usize,
    /// What a name is put into, `{}` standing for it (zero-shot).
    #[serde(default)]
    pub templates: Vec<String>,
    /// What similarities are multiplied by before they compete (zero-shot); CLIP: 100.
    #[serde(default)]
    pub scale: Option<f32>,
}

impl TaggerSpec {
    pub(super) fn out_of_range(&self) -> Option<&'static str> {
        if self
            .score_threshold
            .is_some_and(|score| !(0.0..=1.0).contains(&score))
        {
            return Some("tagger.score_threshold");
        }
        if !(1..=MAX_TAGS).contains(&self.max_tags) {
            return Some("tagger.max_tags");
        }
        let is_zero_shot = self.layout == TaggerLayout::ZeroShot;
        let has_place = self.templates.iter().all(|text| text.contains("{}"));
        if is_zero_shot == self.templates.is_empty() || !has_place {
            return Some("tagger.templates");
        }
        let has_scale = self
            .scale
            .is_some_and(|scale| scale.is_finite() && scale > 0.0);
        (is_zero_shot != has_scale).then_some("tagger.scale")
    }
}
