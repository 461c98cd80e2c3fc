//! The captioner family: pictures, or regions of them, into words.
//!
//! A batch goes through three steps on the thread that owns the graphs: the pictures' features ([`pictures`]), for Florence-2 the encoder
//! that reads them together with a prompt ([`florence`]), and the texts, token by token and all at once ([`generation`] over
//! [`decoder`]). Words become tokens before the queue and tokens words after it ([`prompts`]).

mod cache;
mod decoder;
mod embed;
mod florence;
mod generation;
mod pictures;
mod prompts;
mod regions;
mod session;

use std::sync::Arc;

use lamina_media::InputSpec;
use lamina_types::{BoundingBox, SpaceKey};

use crate::device::Device;
use crate::dual_encoder::EncoderConfig;
use crate::error::InferenceError;
use crate::graph::GraphSource;
use crate::launch::{GraphPlan, Launch, check_lengths, join};
use crate::manifest::{CaptionerLayout, CaptionerSpec, Family, FileRole, MAX_BEAMS, ModelManifest};
use crate::package::ModelPackage;
use crate::pool::{Lane, Pool};
use crate::registry::{ModelReport, model_family};
use crate::runtime::Runtime;
use crate::session::SessionError;

pub use generation::CaptionError;
pub use prompts::PromptError;
pub use regions::LocatedText;

use prompts::{Words, WordsError};
use session::{CaptionSession, CaptionTask, CaptionerOutput, CaptionerSources};

/// Its name in messages, metrics and thread names: one pool for all graphs, for they run one after the other.
const GRAPH: &str = "captioner";
/// Tokens of a warm-up: the first step and one with caches, and one more for good measure.
const WARM_UP_TOKENS: usize = 3;

/// How a picture is to be described.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct CaptionOptions {
    /// A task of the package (`<CAPTION>`) or plain words, for packages that take prompts. Default: the manifest's.
    pub prompt: Option<String>,
    /// 1 is greedy. Default: the manifest's.
    pub beams: Option<usize>,
}

/// A picture, and the regions of it that are to be described.
#[derive(Debug, Clone, PartialEq)]
pub struct RegionInput {
    /// The whole picture, prepared as [`Captioner::input_spec`] says.
    pub tensor: Vec<f32>,
    /// One text for each.
    pub regions: Vec<BoundingBox>,
}

/// A running captioner. A cheap handle: clones share the sessions, which end with [`Self::shutdown`] or with the last handle.
#[derive(Clone)]
pub struct Captioner(Arc<Inner>);

struct Inner {
    manifest: ModelManifest,
    spec: CaptionerSpec,
    key: SpaceKey,
    image: InputSpec,
    device: Device,
    words: Words,
    pool: Pool<CaptionTask, CaptionerOutput>,
}

impl Captioner {
    /// Loads all graphs and warms them up with their largest batch, a few tokens long. Blocks: milliseconds for a small model, seconds for
    /// a large one. Of the configuration, the vision graph's sessions and threads count.
    ///
    /// # Errors
    /// A file that changed since the package was opened, a graph that does not fit its manifest or its family, or a failing warm-up.
    pub fn start(
        runtime: &Arc<Runtime>,
        package: &ModelPackage,
        config: &EncoderConfig,
    ) -> Result<Self, InferenceError> {
        let launch = Launch {
            runtime,
            package,
            config,
        };
        let manifest = package.manifest();
        let (Family::Captioner, Some(spec), Some(image)) =
            (manifest.family, &manifest.captioner, manifest.image)
        else {
            return Err(launch.wrong_family(Family::Captioner));
        };
        let failed = |source| launch.failed(GRAPH, source);
        let tokenizer = manifest.file(FileRole::Tokenizer);
        let tokenizer = tokenizer.ok_or_else(|| failed(SessionError::Signature("file")))?;
        let words = Words::new(&package.read(tokenizer)?, spec).map_err(failed)?;
        let (pictures, florence) = match spec.layout {
            CaptionerLayout::EncoderDecoder => (FileRole::Encoder, false),
            CaptionerLayout::Florence2 => (FileRole::Vision, true),
        };
        let plan = GraphPlan::vision(pictures, GRAPH, config);
        let source = |role| launch.source(role, &plan);
        let sources = CaptionerSources {
            decoder: source(FileRole::Decoder)?,
            florence: match florence {
                true => Some((source(FileRole::Encoder)?, source(FileRole::EmbedTokens)?)),
                false => None,
            },
        };
        let prompt = words.longest_prompt().map_err(|error| match error {
            WordsError::Prompt(source) => InferenceError::Prompt {
                model: package.key().package,
                source,
            },
            WordsError::Tokenizer(source) => failed(source),
        })?;
        let worst = CaptionTask {
            tensor: vec![0.5; tensor_length(&image)],
            prompts: vec![prompt],
            beams: spec.beams,
            max_tokens: spec.max_tokens.min(WARM_UP_TOKENS),
        };
        let sources = Arc::new(sources);
        let load = {
            let (sources, spec) = (Arc::clone(&sources), spec.clone());
            move |pictures: &GraphSource, index| {
                CaptionSession::load(pictures, &sources, index, &spec, image.size)
            }
        };
        let pool = launch.pool(&plan, load, worst)?;
        sources.forget();
        launch.announce();
        Ok(Self(Arc::new(Inner {
            manifest: manifest.clone(),
            spec: spec.clone(),
            key: package.key(),
            image,
            device: runtime.device().clone(),
            words,
            pool,
        })))
    }

    /// One text for each prepared picture (`lamina_media::model_input` with [`Self::input_spec`]), in their order; may be empty. With a task
    /// whose answer has places, the names without them. A picture whose text is of no use is an error of its own; the others are not
    /// affected.
    ///
    /// Cancel safe: what still waits is not run.
    ///
    /// # Errors
    /// A tensor of a wrong length or a prompt that is not taken (nothing is run then), a full interactive lane, a failed batch, a stopped
    /// model.
    pub async fn caption(
        &self,
        lane: Lane,
        tensors: Vec<Vec<f32>>,
        options: &CaptionOptions,
    ) -> Result<Vec<Result<String, CaptionError>>, InferenceError> {
        let written = self.write(lane, tensors, options).await?;
        let text = |tokens: Vec<u32>| {
            let text = self.0.words.text(&tokens);
            text.map_err(|source| self.failed(source))
        };
        written
            .into_iter()
            .map(|tokens| {
                tokens
                    .map(text)
                    .map_or_else(|bad| Ok(Err(bad)), |text| text.map(Ok))
            })
            .collect()
    }

    /// What the model says of which places, for tasks whose answer has places (Florence-2: `<OD>`, `<DENSE_REGION_CAPTION>`).
    ///
    /// Cancel safe: what still waits is not run.
    ///
    /// # Errors
    /// As [`Self::caption`]; a picture whose text is of no use.
    pub async fn locate(
        &self,
        lane: Lane,
        tensors: Vec<Vec<f32>>,
        options: &CaptionOptions,
    ) -> Result<Vec<Vec<LocatedText>>, InferenceError> {
        if !self.describes_regions() {
            return Err(self.refused(PromptError::NoRegions));
        }
        let written = self.write(lane, tensors, options).await?;
        let located = |(index, tokens): (usize, Result<Vec<u32>, CaptionError>)| {
            let tokens = tokens.map_err(|source| self.unusable(index, source))?;
            let located = self.0.words.located(&tokens);
            located.map_err(|source| self.failed(source))
        };
        written.into_iter().enumerate().map(located).collect()
    }

    /// One text for each region of each picture, in their order. A picture's features are computed once for all its regions.
    ///
    /// Cancel safe: what still waits is not run.
    ///
    /// # Errors
    /// As [`Self::caption`]; a package that cannot describe regions; a picture whose texts are of no use.
    pub async fn describe_regions(
        &self,
        lane: Lane,
        inputs: Vec<RegionInput>,
        beams: Option<usize>,
    ) -> Result<Vec<Vec<String>>, InferenceError> {
        self.check_lengths(inputs.iter().map(|input| input.tensor.as_slice()))?;
        let beams = self.beams(beams)?;
        let mut tasks = Vec::with_capacity(inputs.len());
        for input in inputs {
            let prompts = input.regions.iter();
            let prompts = prompts.map(|region| self.0.words.region_prompt(region));
            let prompts = prompts
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| self.words_error(error))?;
            tasks.push(self.task(input.tensor, prompts, beams));
        }
        let mut texts = Vec::with_capacity(tasks.len());
        for (index, written) in self.0.pool.run(lane, tasks).await?.into_iter().enumerate() {
            let written = written.map_err(|source| self.unusable(index, source))?;
            let of_picture = written.iter().map(|tokens| {
                self.0
                    .words
                    .text(tokens)
                    .map_err(|source| self.failed(source))
            });
            texts.push(of_picture.collect::<Result<Vec<_>, _>>()?);
        }
        Ok(texts)
    }

    /// How pictures become its tensors.
    pub fn input_spec(&self) -> &InputSpec {
        &self.0.image
    }

    /// Whether it can be asked something.
    pub fn takes_prompt(&self) -> bool {
        self.0.words.takes_prompt()
    }

    /// Whether [`Self::describe_regions`] works.
    pub fn describes_regions(&self) -> bool {
        self.0.words.knows_regions()
    }

    /// What the package says about itself.
    pub fn manifest(&self) -> &ModelManifest {
        &self.0.manifest
    }

    /// Name of its outputs with the parameters of the manifest.
    pub fn key(&self) -> &SpaceKey {
        &self.0.key
    }

    /// State and sums since the start.
    pub fn report(&self) -> ModelReport {
        ModelReport {
            package: self.0.key.package.clone(),
            family: Family::Captioner,
            device: self.0.device.clone(),
            graphs: vec![(GRAPH, self.0.pool.report())],
        }
    }

    /// Refuses what waits and what comes, lets running batches end, and waits for the threads. All handles are stopped with it.
    pub async fn shutdown(&self) {
        join(self.0.pool.stop()).await;
    }

    /// The tokens of one text for each picture.
    async fn write(
        &self,
        lane: Lane,
        tensors: Vec<Vec<f32>>,
        options: &CaptionOptions,
    ) -> Result<Vec<Result<Vec<u32>, CaptionError>>, InferenceError> {
        self.check_lengths(tensors.iter().map(Vec::as_slice))?;
        let beams = self.beams(options.beams)?;
        let prompt = self.0.words.prompt(options.prompt.as_deref());
        let prompt = prompt.map_err(|error| self.words_error(error))?;
        let task = |tensor| self.task(tensor, vec![Arc::clone(&prompt)], beams);
        let tasks = tensors.into_iter().map(task).collect();
        let answers = self.0.pool.run(lane, tasks).await?;
        let first = |written: Vec<Vec<u32>>| written.into_iter().next().unwrap_or_default();
        Ok(answers
            .into_iter()
            .map(|written: CaptionerOutput| written.map(first))
            .collect())
    }

    fn task(&self, tensor: Vec<f32>, prompts: Vec<Arc<[u32]>>, beams: usize) -> CaptionTask {
        CaptionTask {
            tensor,
            prompts,
            beams,
            max_tokens: self.0.spec.max_tokens,
        }
    }

    fn beams(&self, asked: Option<usize>) -> Result<usize, InferenceError> {
        let beams = asked.unwrap_or(self.0.spec.beams);
        if (1..=MAX_BEAMS).contains(&beams) {
            return Ok(beams);
        }
        Err(self.refused(PromptError::Beams {
            found: beams,
            limit: MAX_BEAMS,
        }))
    }

    fn check_lengths<'a>(
        &self,
        tensors: impl Iterator<Item = &'a [f32]>,
    ) -> Result<(), InferenceError> {
        check_lengths(tensors, tensor_length(&self.0.image))
    }

    fn refused(&self, source: PromptError) -> InferenceError {
        InferenceError::Prompt {
            model: self.0.key.package.clone(),
            source,
        }
    }

    fn unusable(&self, index: usize, source: CaptionError) -> InferenceError {
        InferenceError::BadCaption {
            model: self.0.key.package.clone(),
            index,
            source,
        }
    }

    fn failed(&self, source: SessionError) -> InferenceError {
        InferenceError::Batch {
            model: self.0.key.package.clone(),
            source: Arc::new(source),
        }
    }

    fn words_error(&self, error: WordsError) -> InferenceError {
        match error {
            WordsError::Prompt(source) => self.refused(source),
            WordsError::Tokenizer(source) => self.failed(source),
        }
    }
}

model_family!(Captioner);

const fn tensor_length(image: &InputSpec) -> usize {
    3 * image.size as usize * image.size as usize
}
