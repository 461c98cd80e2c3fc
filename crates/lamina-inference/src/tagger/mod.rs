//! The tagger family: names for what a whole picture shows.
//!
//! Two layouts: a graph with one logit for each tag, and a dual encoder that compares the picture with the names of a vocabulary. Their
//! scores mean different things, so each package brings its own thresholds.

mod logits;
mod scores;
mod zero_shot;

use std::sync::Arc;

use lamina_media::InputSpec;
use lamina_types::SpaceKey;

use crate::device::Device;
use crate::dual_encoder::EncoderConfig;
use crate::error::InferenceError;
use crate::launch::{GraphPlan, Launch, check_lengths, join};
use crate::manifest::{Family, FileRole, ModelManifest, TaggerLayout};
use crate::package::ModelPackage;
use crate::pool::{Lane, Pool};
use crate::registry::{ModelReport, model_family};
use crate::runtime::Runtime;

use logits::LogitsSession;
use scores::Choice;
pub use scores::{TagFault, ThresholdsError};
use zero_shot::{Vocabulary, ZeroShotSession};

/// One tag of a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct TagScore {
    /// As the package's labels file calls it.
    pub name: Arc<str>,
    /// 0..=1. With the layout `logits` the tag's own probability (a sigmoid); with `zero-shot` its share among all tags of the vocabulary
    /// (a softmax over scaled similarities).
    pub confidence: f32,
}

/// A running tagger. A cheap handle: clones share the sessions, which end with [`Self::shutdown`] or with the last handle.
#[derive(Clone)]
pub struct Tagger(Arc<Inner>);

struct Inner {
    manifest: ModelManifest,
    key: SpaceKey,
    image: InputSpec,
    device: Device,
    pool: Pool<Vec<f32>, Result<Vec<TagScore>, TagFault>>,
}

impl Tagger {
    /// Loads the graph and warms it up with its largest batch; a zero-shot tagger first makes the vectors of its vocabulary. Blocks:
    /// milliseconds for a small model, and milliseconds for each name and template.
    ///
    /// # Errors
    /// A package of another family, a file that changed since it was opened, a graph that does not fit its manifest or its labels,
    /// thresholds that do not fit the labels, or a failing warm-up.
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
        let (Family::Tagger, Some(image), Some(spec)) =
            (manifest.family, manifest.image, &manifest.tagger)
        else {
            return Err(launch.wrong_family(Family::Tagger));
        };
        let choice = Choice::read(package, spec)?;
        let size = image.size;
        let worst = vec![0.5; 3 * size as usize * size as usize];
        let pool = match (spec.layout, &manifest.text, manifest.dimension, spec.scale) {
            (TaggerLayout::Logits, ..) => launch.pool(
                &GraphPlan::vision(FileRole::Model, "tagger", config),
                move |source, index| LogitsSession::load(source, index, size, choice.clone()),
                worst,
            )?,
            (TaggerLayout::ZeroShot, Some(text), Some(dimension), Some(scale)) => {
                let vocabulary =
                    Vocabulary::embed(&launch, choice.labels(), text, spec, dimension)?;
                launch.pool(
                    &GraphPlan::vision(FileRole::Vision, "tagger", config),
                    move |source, index| {
                        let (vocabulary, choice) = (vocabulary.clone(), choice.clone());
                        ZeroShotSession::load(
                            source, index, size, vocabulary, scale, choice, dimension,
                        )
                    },
                    worst,
                )?
            }
            (TaggerLayout::ZeroShot, ..) => return Err(launch.wrong_family(Family::Tagger)),
        };
        launch.announce();
        Ok(Self(Arc::new(Inner {
            manifest: manifest.clone(),
            key: package.key(),
            image,
            device: runtime.device().clone(),
            pool,
        })))
    }

    /// The tags of prepared pictures (`lamina_media::model_input` with [`Self::input_spec`]), for each of them in their order: those that
    /// reach their thresholds, best first, as many as the manifest allows. A picture whose scores are of no use is an error of its own; the
    /// others are not affected.
    ///
    /// Cancel safe: what still waits is not run.
    ///
    /// # Errors
    /// A tensor of a wrong length (nothing is run then), a full interactive lane, a failed batch, a stopped model.
    pub async fn tag(
        &self,
        lane: Lane,
        inputs: Vec<Vec<f32>>,
    ) -> Result<Vec<Result<Vec<TagScore>, TagFault>>, InferenceError> {
        let expected = 3 * self.0.image.size as usize * self.0.image.size as usize;
        check_lengths(inputs.iter().map(Vec::as_slice), expected)?;
        self.0.pool.run(lane, inputs).await
    }

    /// How pictures become the tensors of [`Self::tag`].
    pub fn input_spec(&self) -> &InputSpec {
        &self.0.image
    }

    /// What the package says about itself.
    pub fn manifest(&self) -> &ModelManifest {
        &self.0.manifest
    }

    /// Name of its outputs.
    pub fn key(&self) -> &SpaceKey {
        &self.0.key
    }

    /// State and sums since the start.
    pub fn report(&self) -> ModelReport {
        ModelReport {
            package: self.0.key.package.clone(),
            family: Family::Tagger,
            device: self.0.device.clone(),
            graphs: vec![("tagger", self.0.pool.report())],
        }
    }

    /// Refuses what waits and what comes, lets running batches end, and waits for the threads. All handles are stopped with it.
    pub async fn shutdown(&self) {
        join(self.0.pool.stop()).await;
    }
}

model_family!(Tagger);
