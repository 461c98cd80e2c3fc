//! Models that say what is easy to check, and fail when they are told to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use lamina_index::encode_vector;
use lamina_inference::{InferenceError, Lane};
use lamina_media::{InputSpec, ResizeFilter, ResizeMode};
use lamina_pipeline::PipelineError;
use lamina_pipeline::enrich::{
    Answer, FoundObject, FoundTag, ModelInput, ModelSource, PictureModel, Task, TextModel,
};
use lamina_types::{BoundingBox, Embedding, SpaceKey};
use tokio::sync::Notify;

/// Values per vector of played encoders other than the index.
pub const DIMENSION: usize = 8;

/// How a played model behaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mood {
    #[default]
    Good,
    /// Cannot be loaded.
    Broken,
    /// Finds fault with pictures whose number is divisible by this.
    Refuses(usize),
    /// Fails as a device fails, on pictures whose number is divisible by this.
    Fails(usize),
    /// Never answers on pictures whose number is divisible by this.
    Hangs(usize),
}

/// A source of played models.
#[derive(Debug, Default)]
pub struct Played {
    /// By package.
    pub moods: Mutex<BTreeMap<String, Mood>>,
    /// How often each package was shown something.
    pub looks: Mutex<BTreeMap<String, usize>>,
    /// Dimension of vectors of the `INDEX` package.
    pub index: Mutex<(String, usize)>,
    /// Told when a model begins to hang.
    pub hung: Notify,
}

impl Played {
    pub fn looks_of(&self, package: &str) -> usize {
        self.looks
            .lock()
            .unwrap()
            .get(package)
            .copied()
            .unwrap_or(0)
    }

    pub fn all_looks(&self) -> BTreeMap<String, usize> {
        self.looks.lock().unwrap().clone()
    }

    pub fn be(&self, package: &str, mood: Mood) {
        self.moods.lock().unwrap().insert(package.to_owned(), mood);
    }

    fn mood(&self, package: &str) -> Mood {
        self.moods
            .lock()
            .unwrap()
            .get(package)
            .copied()
            .unwrap_or_default()
    }
}

/// A source of played models, shared with the test.
#[derive(Debug, Clone)]
pub struct Shared(pub Arc<Played>);

struct Model {
    played: Arc<Played>,
    task: Task,
    package: String,
    dimension: usize,
    spec: InputSpec,
}

#[async_trait]
impl ModelSource for Shared {
    async fn picture_model(
        &self,
        task: Task,
        key: &SpaceKey,
    ) -> Result<Arc<dyn PictureModel>, PipelineError> {
        if self.0.mood(&key.package) == Mood::Broken {
            let text = format!("model {} could not be started", key.package);
            return Err(PipelineError::Hopeless(text));
        }
        let (index, dimension) = self.0.index.lock().unwrap().clone();
        Ok(Arc::new(Model {
            played: Arc::clone(&self.0),
            task,
            package: key.package.clone(),
            dimension: if key.package == index {
                dimension
            } else {
                DIMENSION
            },
            spec: InputSpec::new(
                8,
                ResizeMode::Stretch,
                ResizeFilter::Bilinear,
                [0.0; 3],
                [1.0; 3],
            ),
        }))
    }

    async fn text_model(&self, key: &SpaceKey) -> Result<Arc<dyn TextModel>, PipelineError> {
        if self.0.mood(&key.package) == Mood::Broken {
            return Err(PipelineError::Hopeless("no sentences".to_owned()));
        }
        Ok(Arc::new(Sentences {
            played: Arc::clone(&self.0),
            package: key.package.clone(),
        }))
    }
}

fn vector(seed: f32, dimension: usize) -> Vec<u8> {
    let values = (0..dimension).map(|n| (seed * 13.0 + n as f32).sin() + 0.01);
    encode_vector(&Embedding::new(values.collect()).unwrap())
}

/// A number that is the same for the same pixels.
fn number(tensor: &[f32]) -> usize {
    let sum: f64 = tensor
        .iter()
        .enumerate()
        .map(|(place, value)| f64::from(*value) * (place % 7 + 1) as f64)
        .sum();
    (sum * 1_000.0) as usize
}

#[async_trait]
impl PictureModel for Model {
    fn input_spec(&self) -> &InputSpec {
        &self.spec
    }

    async fn look(
        &self,
        _: Lane,
        input: ModelInput,
    ) -> Result<Result<Answer, String>, PipelineError> {
        *self
            .played
            .looks
            .lock()
            .unwrap()
            .entry(self.package.clone())
            .or_default() += 1;
        let number = number(&input.tensor);
        match self.played.mood(&self.package) {
            Mood::Refuses(divisor) if number.is_multiple_of(divisor) => {
                return Ok(Err("no opinion".to_owned()));
            }
            Mood::Fails(divisor) if number.is_multiple_of(divisor) => {
                let model = self.package.clone();
                return Err(InferenceError::Stopped { model }.into());
            }
            Mood::Hangs(divisor) if number.is_multiple_of(divisor) => {
                self.played.hung.notify_one();
                std::future::pending::<()>().await;
            }
            Mood::Good | Mood::Broken | Mood::Refuses(_) | Mood::Fails(_) | Mood::Hangs(_) => {}
        }
        Ok(Ok(match self.task {
            Task::Encode => Answer::Vector(vector(number as f32 / 1_000.0, self.dimension)),
            Task::Detect => Answer::Boxes(boxes(number)),
            Task::Caption => Answer::Caption(format!("a picture of kind {}", number % 5)),
            Task::Tag => Answer::Tags(vec![FoundTag {
                name: format!("kind {}", number % 3),
                confidence: 0.5,
            }]),
        }))
    }
}

/// One box, and a second one in every other picture.
fn boxes(number: usize) -> Vec<FoundObject> {
    let found = |x: f64, label: &str| FoundObject {
        area: BoundingBox::from_fractions(x, 0.2, 0.4, 0.5).unwrap(),
        label: label.to_owned(),
        confidence: 0.75,
    };
    let mut boxes = vec![found(0.1, "dog")];
    if number.is_multiple_of(2) {
        boxes.push(found(0.5, "cat"));
    }
    boxes
}

struct Sentences {
    played: Arc<Played>,
    package: String,
}

#[async_trait]
impl TextModel for Sentences {
    fn dimension(&self) -> usize {
        DIMENSION
    }

    async fn read(&self, texts: Vec<String>) -> Result<Vec<Vec<u8>>, PipelineError> {
        *self
            .played
            .looks
            .lock()
            .unwrap()
            .entry(self.package.clone())
            .or_default() += texts.len();
        let seed = |text: &String| text.bytes().map(f32::from).sum::<f32>();
        Ok(texts
            .iter()
            .map(|text| vector(seed(text), DIMENSION))
            .collect())
    }
}
