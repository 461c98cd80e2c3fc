//! The image-encoder family: pictures into a space without texts (`DINOv2`, `MobileNet`).

use std::sync::Arc;

use lamina_media::InputSpec;
use lamina_types::{Embedding, EmbeddingError, SpaceKey};

use crate::device::Device;
use crate::dual_encoder::EncoderConfig;
use crate::error::InferenceError;
use crate::launch::{GraphPlan, Launch, check_lengths, join};
use crate::manifest::{DistanceBands, Family, FileRole, ModelManifest};
use crate::package::ModelPackage;
use crate::pool::{Lane, Pool};
use crate::registry::{ModelReport, model_family};
use crate::runtime::Runtime;
use crate::session::EncoderOutput;
use crate::vision::VisionTower;

/// What the graph may call its vectors, best first. Of `last_hidden_state` the first token is taken, as `DINOv2`'s own pooling does.
const OUTPUTS: [&str; 4] = [
    "image_embeds",
    "pooler_output",
    "embedding",
    "last_hidden_state",
];

/// A running image encoder. A cheap handle: clones share the sessions, which end with [`Self::shutdown`] or with the last handle.
#[derive(Clone)]
pub struct ImageEncoder(Arc<Inner>);

struct Inner {
    manifest: ModelManifest,
    key: SpaceKey,
    image: InputSpec,
    dimension: usize,
    bands: DistanceBands,
    device: Device,
    pool: Pool<Vec<f32>, EncoderOutput>,
}

impl ImageEncoder {
    /// Loads the graph and warms it up with its largest batch. Blocks: milliseconds for a small model, seconds for a large one.
    ///
    /// # Errors
    /// A package of another family, a file that changed since it was opened, a graph that does not fit its manifest, or a failing
    /// warm-up.
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
        let (Family::ImageEncoder, Some(image), Some(dimension), Some(bands)) = (
            manifest.family,
            manifest.image,
            manifest.dimension,
            manifest.index.clone(),
        ) else {
            return Err(launch.wrong_family(Family::ImageEncoder));
        };
        let pool = launch.pool(
            &GraphPlan::vision(FileRole::Vision, "vision", config),
            move |source, index| VisionTower::load(source, index, image.size, dimension, &OUTPUTS),
            vec![0.5; 3 * image.size as usize * image.size as usize],
        )?;
        launch.announce();
        Ok(Self(Arc::new(Inner {
            manifest: manifest.clone(),
            key: package.key(),
            image,
            dimension,
            bands,
            device: runtime.device().clone(),
            pool,
        })))
    }

    /// Vectors of prepared pictures (`lamina_media::model_input` with [`Self::input_spec`]), in their order. A picture whose vector is
    /// of no use is an error of its own; the others are not affected.
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
        let expected = 3 * self.0.image.size as usize * self.0.image.size as usize;
        check_lengths(inputs.iter().map(Vec::as_slice), expected)?;
        self.0.pool.run(lane, inputs).await
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

    /// What the package says about itself.
    pub fn manifest(&self) -> &ModelManifest {
        &self.0.manifest
    }

    /// Name of the space of its vectors.
    pub fn key(&self) -> &SpaceKey {
        &self.0.key
    }

    /// State and sums since the start.
    pub fn report(&self) -> ModelReport {
        ModelReport {
            package: self.0.key.package.clone(),
            family: Family::ImageEncoder,
            device: self.0.device.clone(),
            graphs: vec![("vision", self.0.pool.report())],
        }
    }

    /// Refuses what waits and what comes, lets running batches end, and waits for the threads. All handles are stopped with it.
    pub async fn shutdown(&self) {
        join(self.0.pool.stop()).await;
    }
}

model_family!(ImageEncoder);
