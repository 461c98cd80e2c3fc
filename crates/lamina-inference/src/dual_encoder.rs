//! The dual-encoder family: pictures and texts into one space.

use std::sync::Arc;

use lamina_media::InputSpec;
use lamina_types::{Embedding, EmbeddingError, SpaceKey};

use crate::calibration::Calibration;
use crate::device::Device;
use crate::error::InferenceError;
use crate::graph::GraphSource;
use crate::launch::{GraphPlan, Launch, check_lengths, join};
use crate::manifest::{DistanceBands, Family, FileRole, ModelManifest};
use crate::package::ModelPackage;
use crate::pool::{Lane, Pool, PoolReport};
use crate::runtime::Runtime;
use crate::session::EncoderOutput;
use crate::text::TextTower;
use crate::vision::VisionTower;

/// Longest text that is looked at, bytes. Far more than any model reads; longer ones would only cost time in the tokenizer.
pub(crate) const MAX_TEXT_BYTES: usize = 32 * 1024;

/// Largest batch on a CPU unless the configuration says otherwise.
///
/// Larger ones gain nothing there and cost memory and patience. Measured with the starter encoder (192 px, one thread): 6.7, 6.3, 6.3,
/// 7.0, 7.0 ms CPU a picture with batches of 1, 4, 8, 16, 32, while the process grows by 50, 70, 100, 155, 270 MB, and a picture search
/// waits for the batch that runs.
pub const CPU_BATCH: usize = 4;

/// What the vision graph of a dual encoder may call its vectors, best first.
pub(crate) const IMAGE_OUTPUTS: [&str; 2] = ["image_embeds", "pooler_output"];

/// Threads and lane sizes of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncoderConfig {
    /// Sessions of the vision graph on a CPU, at least 1, that serve one queue; each has its own thread, and about 40 MB for the starter
    /// encoder. (On graphics cards: one for each card.) The other way to use more than one core beside `vision_threads`; both cost the
    /// same CPU time for a picture (6.4 to 6.7 ms against 6.2 ms with one of each).
    pub vision_sessions: usize,
    /// CPU threads of a run of the vision graph, at least 1. Sessions times threads should not exceed the cores.
    pub vision_threads: usize,
    /// CPU threads of a run of the text graph, at least 1.
    pub text_threads: usize,
    /// Most interactive items that wait for a graph; more are refused. Default 64.
    pub interactive_capacity: usize,
    /// Most bulk items that wait for a graph; senders of more wait. Default 64.
    pub bulk_capacity: usize,
    /// Upper limit for the batch of the manifest. Default: none on a graphics card, [`CPU_BATCH`] on a CPU.
    pub max_batch: Option<usize>,
}

impl Default for EncoderConfig {
    fn default() -> Self {
        Self {
            vision_sessions: 1,
            vision_threads: 1,
            text_threads: 1,
            interactive_capacity: 64,
            bulk_capacity: 64,
            max_batch: None,
        }
    }
}

/// State of an encoder, for health and metrics.
#[derive(Debug, Clone, PartialEq)]
pub struct EncoderReport {
    /// The device that its sessions run on.
    pub device: Device,
    /// The vision graph.
    pub vision: PoolReport,
    /// The text graph, if the package has one.
    pub text: Option<PoolReport>,
}

impl EncoderReport {
    /// Whether every graph takes requests.
    pub fn is_ready(&self) -> bool {
        self.vision.is_running && self.text.as_ref().is_none_or(|text| text.is_running)
    }
}

/// A running dual encoder. A cheap handle: clones share the sessions, which end with [`Self::shutdown`] or with the last handle.
#[derive(Clone)]
pub struct DualEncoder(Arc<Inner>);

struct Inner {
    manifest: ModelManifest,
    key: SpaceKey,
    image: InputSpec,
    dimension: usize,
    bands: DistanceBands,
    device: Device,
    tensor_length: usize,
    vision: Pool<Vec<f32>, EncoderOutput>,
    text: Option<Pool<String, EncoderOutput>>,
}

impl DualEncoder {
    /// Loads both graphs and warms them up with their largest batch. Blocks: milliseconds for a small model, seconds for a large one.
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
        let (Family::DualEncoder, Some(image), Some(dimension), Some(bands)) = (
            manifest.family,
            manifest.image,
            manifest.dimension,
            manifest.index.clone(),
        ) else {
            return Err(launch.wrong_family(Family::DualEncoder));
        };
        let tensor_length = 3 * image.size as usize * image.size as usize;
        let vision = launch.pool(
            &GraphPlan::vision(FileRole::Vision, "vision", config),
            move |source, index| {
                VisionTower::load(source, index, image.size, dimension, &IMAGE_OUTPUTS)
            },
            vec![0.5; tensor_length],
        )?;
        let text = match (&manifest.text, manifest.file(FileRole::Tokenizer)) {
            (Some(spec), Some(file)) => {
                let tokenizer = package.read(file)?;
                let plan = GraphPlan {
                    role: FileRole::Text,
                    name: "text",
                    threads: config.text_threads.max(1),
                    sessions: 1,
                };
                // Cut by the tokenizer: as many tokens as a text may have.
                let longest = "a ".repeat(spec.max_length);
                let spec = spec.clone();
                let load = move |source: &GraphSource, index| {
                    TextTower::load(source, index, &tokenizer, &spec, dimension)
                };
                Some(launch.pool(&plan, load, longest)?)
            }
            _ => None,
        };
        launch.announce();
        let manifest = manifest.clone();
        Ok(Self(Arc::new(Inner {
            manifest,
            key: package.key(),
            image,
            dimension,
            bands,
            device: runtime.device().clone(),
            tensor_length,
            vision,
            text,
        })))
    }

    /// Vectors of prepared pictures (`lamina_media::model_input` with [`Self::input_spec`]), in their order. A picture whose vector is of no
    /// use is an error of its own; the others are not affected.
    ///
    /// Cancel safe: what still waits is not run.
    ///
    /// # Errors
    /// A tensor of a wrong length (nothing is run then), a full interactive lane, a failed batch, a stopped model.
    pub async fn embed_images(
        &self,
        lane: Lane,
        inputs: Vec<Vec<f32>>,
    ) -> Result<Vec<Result<Embedding, EmbeddingError>>, InferenceError> {
        check_lengths(inputs.iter().map(Vec::as_slice), self.0.tensor_length)?;
        self.0.vision.run(lane, inputs).await
    }

    /// Vectors of texts, in their order. Texts beyond the model's length are cut.
    ///
    /// Cancel safe: what still waits is not run.
    ///
    /// # Errors
    /// No text graph, a text of more than 32 KiB, a full interactive lane, a failed batch, a vector of no use, a stopped model.
    pub async fn embed_texts(
        &self,
        lane: Lane,
        texts: Vec<String>,
    ) -> Result<Vec<Embedding>, InferenceError> {
        let Some(pool) = &self.0.text else {
            return Err(InferenceError::NoText {
                model: self.0.key.package.clone(),
            });
        };
        if let Some(index) = texts.iter().position(|text| text.len() > MAX_TEXT_BYTES) {
            let bytes = texts.get(index).map_or(0, String::len);
            return Err(InferenceError::TextLength {
                index,
                bytes,
                limit: MAX_TEXT_BYTES,
            });
        }
        let unusable = |source| InferenceError::BadTextVector {
            model: self.0.key.package.clone(),
            source,
        };
        pool.run(lane, texts)
            .await?
            .into_iter()
            .map(|vector| vector.map_err(unusable))
            .collect()
    }

    /// Whether the package can read text.
    pub fn has_text(&self) -> bool {
        self.0.text.is_some()
    }

    /// How pictures become the tensors of [`Self::embed_images`].
    pub fn input_spec(&self) -> &InputSpec {
        &self.0.image
    }

    /// Length of its vectors.
    pub fn dimension(&self) -> usize {
        self.0.dimension
    }

    /// Distances that mean something for its vectors.
    pub fn bands(&self) -> &DistanceBands {
        &self.0.bands
    }

    /// From raw text-to-image distances to shown ones, if the package has it.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.0.manifest.calibration.as_ref()
    }

    /// What the package says about itself.
    pub fn manifest(&self) -> &ModelManifest {
        &self.0.manifest
    }

    /// Name of the space of its vectors.
    pub fn key(&self) -> &SpaceKey {
        &self.0.key
    }

    /// Handles of this model that are alive, this one included.
    pub(crate) fn handles(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    /// State and sums since the start.
    pub fn report(&self) -> EncoderReport {
        EncoderReport {
            device: self.0.device.clone(),
            vision: self.0.vision.report(),
            text: self.0.text.as_ref().map(Pool::report),
        }
    }

    /// Refuses what waits and what comes, lets running batches end, and waits for the threads. All handles are stopped with it.
    pub async fn shutdown(&self) {
        let mut threads = self.0.vision.stop();
        threads.extend(self.0.text.iter().flat_map(Pool::stop));
        join(threads).await;
    }
}

impl std::fmt::Debug for DualEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DualEncoder")
            .field("package", &self.0.key.package)
            .field("device", &self.0.device)
            .finish_non_exhaustive()
    }
}
