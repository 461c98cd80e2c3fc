//! The models that are installed, as enrichments ask for them.

use std::error::Error as _;
use std::sync::Arc;

use async_trait::async_trait;
use lamina_index::encode_vector;
use lamina_inference::{
    CaptionOptions, Captioner, Detection, Detector, DetectorInput, DualEncoder, ErrorClass, Family,
    ImageEncoder, InferenceError, Lane, Models, TagScore, Tagger, TextEncoder, TextRole,
};
use lamina_media::InputSpec;
use lamina_types::{Embedding, EmbeddingError, SpaceKey};
use serde_json::Value;

use super::models::{
    Answer, FoundObject, FoundTag, ModelInput, ModelSource, PictureModel, Task, TextModel,
};
use crate::PipelineError;

/// Packages on disk and the models that run.
#[derive(Debug, Clone)]
pub struct InstalledModels {
    models: Models,
}

impl InstalledModels {
    /// Loads nothing yet.
    pub const fn new(models: Models) -> Self {
        Self { models }
    }

    /// The family of a package; of one that is not there the next call says so.
    fn family(&self, key: &SpaceKey) -> Option<Family> {
        let manifest = self.models.manifest(&key.package)?;
        Some(manifest.family)
    }
}

#[async_trait]
impl ModelSource for InstalledModels {
    async fn picture_model(
        &self,
        task: Task,
        key: &SpaceKey,
    ) -> Result<Arc<dyn PictureModel>, PipelineError> {
        let package = key.package.as_str();
        let models = &self.models;
        Ok(match (task, self.family(key)) {
            (Task::Encode, Some(Family::ImageEncoder)) => {
                let encoder = models.image_encoder(package).await.map_err(unusable)?;
                Arc::new(Picturing(encoder))
            }
            (Task::Encode, _) => {
                let encoder = models.dual_encoder(package).await.map_err(unusable)?;
                Arc::new(Encoding(encoder))
            }
            (Task::Detect, _) => {
                let detector = models.detector(package).await.map_err(unusable)?;
                let threshold = number(key, "score_threshold");
                Arc::new(Detecting {
                    threshold: threshold.unwrap_or_else(|| detector.default_threshold()),
                    detector,
                })
            }
            (Task::Tag, _) => {
                let tagger = models.tagger(package).await.map_err(unusable)?;
                Arc::new(Tagging(tagger))
            }
            (Task::Caption, _) => {
                let captioner = models.captioner(package).await.map_err(unusable)?;
                let options = CaptionOptions {
                    prompt: text(key, "prompt"),
                    beams: number(key, "beams").map(|beams| beams as usize),
                };
                Arc::new(Captioning { captioner, options })
            }
        })
    }

    async fn text_model(&self, key: &SpaceKey) -> Result<Arc<dyn TextModel>, PipelineError> {
        let package = key.package.as_str();
        Ok(match self.family(key) {
            Some(Family::TextEncoder) => {
                let encoder = self.models.text_encoder(package).await.map_err(unusable)?;
                Arc::new(Reading(encoder))
            }
            // Without a sentence encoder, the text tower of whatever makes the pictures' vectors.
            _ => {
                let encoder = self.models.dual_encoder(package).await.map_err(unusable)?;
                Arc::new(Encoding(encoder))
            }
        })
    }
}

fn parameter(key: &SpaceKey, name: &str) -> Option<Value> {
    let parameters: Value = serde_json::from_str(&key.parameters).ok()?;
    parameters.get(name).cloned()
}

/// A number among the parameters of a key.
fn number(key: &SpaceKey, name: &str) -> Option<f32> {
    let number = parameter(key, name)?.as_f64()?;
    Some(number as f32)
}

/// A text among the parameters of a key.
fn text(key: &SpaceKey, name: &str) -> Option<String> {
    let text = parameter(key, name)?;
    text.as_str().map(str::to_owned)
}

/// A failed run: parameters that the model does not take will never work, the rest may.
fn failed(error: InferenceError) -> PipelineError {
    if error.class() == ErrorClass::InvalidInput {
        return PipelineError::Hopeless(error.to_string());
    }
    error.into()
}

/// What cannot be loaded now cannot be loaded by trying again, unless this process is about to stop.
fn unusable(error: InferenceError) -> PipelineError {
    if matches!(error, InferenceError::Stopped { .. }) {
        return error.into();
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        text = format!("{text}: {deeper}");
        cause = deeper.source();
    }
    PipelineError::Hopeless(text)
}

/// The vector of one picture, out of an answer for many.
fn vector(answers: Vec<Result<Embedding, EmbeddingError>>) -> Result<Answer, String> {
    answer(answers, |embedding| {
        Answer::Vector(encode_vector(&embedding))
    })
}

/// What was said of the one picture that was asked about; why it is of no use, if so.
fn answer<T, E: std::error::Error>(
    answers: Vec<Result<T, E>>,
    shape: impl FnOnce(T) -> Answer,
) -> Result<Answer, String> {
    match answers.into_iter().next() {
        Some(Ok(found)) => Ok(shape(found)),
        Some(Err(fault)) => Err(fault.to_string()),
        None => Err("the model gave no answer".to_owned()),
    }
}

struct Encoding(DualEncoder);

#[async_trait]
impl PictureModel for Encoding {
    fn input_spec(&self) -> &InputSpec {
        self.0.input_spec()
    }

    async fn look(
        &self,
        lane: Lane,
        input: ModelInput,
    ) -> Result<Result<Answer, String>, PipelineError> {
        let answers = self.0.embed_images(lane, vec![input.tensor]).await?;
        Ok(vector(answers))
    }
}

#[async_trait]
impl TextModel for Encoding {
    fn dimension(&self) -> usize {
        self.0.dimension()
    }

    async fn read(&self, texts: Vec<String>) -> Result<Vec<Vec<u8>>, PipelineError> {
        let embedded = self.0.embed_texts(Lane::Bulk, texts).await?;
        Ok(embedded.iter().map(encode_vector).collect())
    }
}

struct Picturing(ImageEncoder);

#[async_trait]
impl PictureModel for Picturing {
    fn input_spec(&self) -> &InputSpec {
        self.0.input_spec()
    }

    async fn look(
        &self,
        lane: Lane,
        input: ModelInput,
    ) -> Result<Result<Answer, String>, PipelineError> {
        let answers = self.0.embed_images(lane, vec![input.tensor]).await?;
        Ok(vector(answers))
    }
}

struct Reading(TextEncoder);

#[async_trait]
impl TextModel for Reading {
    fn dimension(&self) -> usize {
        self.0.dimension()
    }

    async fn read(&self, texts: Vec<String>) -> Result<Vec<Vec<u8>>, PipelineError> {
        let embedded = self.0.embed(Lane::Bulk, TextRole::Document, texts).await?;
        Ok(embedded.iter().map(encode_vector).collect())
    }
}

struct Detecting {
    detector: Detector,
    threshold: f32,
}

#[async_trait]
impl PictureModel for Detecting {
    fn input_spec(&self) -> &InputSpec {
        self.detector.input_spec()
    }

    async fn look(
        &self,
        lane: Lane,
        input: ModelInput,
    ) -> Result<Result<Answer, String>, PipelineError> {
        let input = DetectorInput {
            tensor: input.tensor,
            width: input.width,
            height: input.height,
        };
        let found = self
            .detector
            .detect(lane, vec![input], self.threshold)
            .await
            .map_err(failed)?;
        Ok(answer(found, |boxes| {
            Answer::Boxes(boxes.into_iter().map(found_object).collect())
        }))
    }
}

fn found_object(found: Detection) -> FoundObject {
    FoundObject {
        area: found.region,
        label: found.label.as_ref().to_owned(),
        confidence: found.confidence,
    }
}

struct Captioning {
    captioner: Captioner,
    options: CaptionOptions,
}

#[async_trait]
impl PictureModel for Captioning {
    fn input_spec(&self) -> &InputSpec {
        self.captioner.input_spec()
    }

    async fn look(
        &self,
        lane: Lane,
        input: ModelInput,
    ) -> Result<Result<Answer, String>, PipelineError> {
        let texts = self
            .captioner
            .caption(lane, vec![input.tensor], &self.options)
            .await
            .map_err(failed)?;
        Ok(answer(texts, Answer::Caption))
    }
}

struct Tagging(Tagger);

#[async_trait]
impl PictureModel for Tagging {
    fn input_spec(&self) -> &InputSpec {
        self.0.input_spec()
    }

    async fn look(
        &self,
        lane: Lane,
        input: ModelInput,
    ) -> Result<Result<Answer, String>, PipelineError> {
        let tags = self.0.tag(lane, vec![input.tensor]).await.map_err(failed)?;
        let found = |tag: TagScore| FoundTag {
            name: tag.name.as_ref().to_owned(),
            confidence: tag.confidence,
        };
        Ok(answer(tags, |tags| {
            Answer::Tags(tags.into_iter().map(found).collect())
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_read_from_the_parameters() {
        let key = |parameters: &str| SpaceKey {
            package: "p@1".to_owned(),
            parameters: parameters.to_owned(),
        };
        assert_eq!(
            number(&key(r#"{"score_threshold":0.25}"#), "score_threshold"),
            Some(0.25)
        );
        assert_eq!(number(&key(""), "score_threshold"), None);
        assert_eq!(
            number(&key(r#"{"score_threshold":"x"}"#), "score_threshold"),
            None
        );
    }
}
