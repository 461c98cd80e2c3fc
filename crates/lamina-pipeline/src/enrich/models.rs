//! What an enrichment asks of models. A trait, so that runs can be tested without any: the real one is [`super::InstalledModels`].

use std::sync::Arc;

use async_trait::async_trait;
use lamina_inference::Lane;
use lamina_media::InputSpec;
use lamina_types::{BoundingBox, EnrichmentType, SpaceKey};

use crate::PipelineError;

/// What is asked of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    /// A vector.
    Encode,
    /// Boxes with names.
    Detect,
    /// A sentence.
    Caption,
    /// Labels.
    Tag,
}

impl Task {
    /// What the models of a type do.
    pub const fn of(kind: EnrichmentType) -> Self {
        match kind {
            EnrichmentType::CaptionImages | EnrichmentType::CaptionObjects => Self::Caption,
            EnrichmentType::ObjectDetection => Self::Detect,
            EnrichmentType::ImageTagging => Self::Tag,
            EnrichmentType::MultimodelImageEncoding | EnrichmentType::MultimodelObjectEncoding => {
                Self::Encode
            }
        }
    }

    /// What one picture or object is expected to take where the model was never measured, in seconds on one core; it only
    /// weighs the steps of the first run against each other.
    pub(crate) const fn guessed_seconds(self) -> f64 {
        match self {
            Self::Encode => 0.02,
            Self::Detect => 0.08,
            Self::Caption => 0.3,
            Self::Tag => 0.03,
        }
    }
}

/// A picture, or the crop of one, as a model takes it.
#[derive(Debug, Clone)]
pub struct ModelInput {
    /// As [`lamina_media::model_input`] makes it.
    pub tensor: Vec<f32>,
    /// Of the turned picture, in pixels.
    pub width: u32,
    /// Of the turned picture, in pixels.
    pub height: u32,
}

/// A named box.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundObject {
    /// Where, as fractions of the turned picture.
    pub area: BoundingBox,
    /// What.
    pub label: String,
    /// How sure, 0 to 1.
    pub confidence: f32,
}

/// A label of a whole picture.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundTag {
    /// What.
    pub name: String,
    /// How sure, 0 to 1.
    pub confidence: f32,
}

/// What a model says.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Little-endian f16, L2-normalised.
    Vector(Vec<u8>),
    /// Surest first.
    Boxes(Vec<FoundObject>),
    /// May be empty.
    Caption(String),
    /// Surest first.
    Tags(Vec<FoundTag>),
}

/// A running model that looks at pictures.
#[async_trait]
pub trait PictureModel: Send + Sync {
    /// What it wants to see.
    fn input_spec(&self) -> &InputSpec;

    /// What it says of one picture; `Err` inside is the fault of this picture, for the report.
    ///
    /// # Errors
    /// The model or its device failed.
    async fn look(
        &self,
        lane: Lane,
        input: ModelInput,
    ) -> Result<Result<Answer, String>, PipelineError>;
}

/// A running model that reads captions.
#[async_trait]
pub trait TextModel: Send + Sync {
    /// Values per vector.
    fn dimension(&self) -> usize;

    /// One vector for each text: little-endian f16, L2-normalised.
    ///
    /// # Errors
    /// The model or its device failed.
    async fn read(&self, texts: Vec<String>) -> Result<Vec<Vec<u8>>, PipelineError>;
}

/// Where running models come from.
#[async_trait]
pub trait ModelSource: Send + Sync + std::fmt::Debug {
    /// The model of this package and parameters; loaded if it is not running.
    ///
    /// # Errors
    /// [`PipelineError::Hopeless`] with a text for the user when it cannot be loaded.
    async fn picture_model(
        &self,
        task: Task,
        key: &SpaceKey,
    ) -> Result<Arc<dyn PictureModel>, PipelineError>;

    /// The encoder of captions of this package; loaded if it is not running.
    ///
    /// # Errors
    /// As [`Self::picture_model`].
    async fn text_model(&self, key: &SpaceKey) -> Result<Arc<dyn TextModel>, PipelineError>;
}
