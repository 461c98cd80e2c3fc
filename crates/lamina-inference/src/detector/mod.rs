//! The detector family: boxes, names and scores.
//!
//! A session runs the graph; a [`Decoder`] for its layout turns the outputs into [`Candidate`]s; what is left of them inside the picture
//! gets its name.

mod candidates;
mod detr;
mod detr_pixels;
mod outputs;
mod session;
mod suppression;
mod yolox;

use std::sync::Arc;

use lamina_media::InputSpec;
use lamina_types::{BoundingBox, SpaceKey};
use ort::session::SessionOutputs;

use crate::device::Device;
use crate::dual_encoder::EncoderConfig;
use crate::error::InferenceError;
use crate::labels::Labels;
use crate::launch::{GraphPlan, Launch, check_lengths, join};
use crate::manifest::{Family, FileRole, ModelManifest};
use crate::package::ModelPackage;
use crate::pool::{Lane, Pool};
use crate::registry::{ModelReport, model_family};
use crate::runtime::Runtime;
use crate::session::SessionError;

use candidates::Candidate;
pub use outputs::DetectionFault;
use session::{DetectorOutput, DetectorSession};

/// One picture for a detector.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectorInput {
    /// `lamina_media::model_input` of the picture with [`Detector::input_spec`].
    pub tensor: Vec<f32>,
    /// Pixels across of the turned picture that the tensor was made of, at least 1.
    pub width: u32,
    /// Pixels down, at least 1.
    pub height: u32,
}

/// One object that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    /// Where, as fractions of the turned picture; always inside it.
    pub region: BoundingBox,
    /// What, as the package's labels file calls it.
    pub label: Arc<str>,
    /// The model's score, 0..=1.
    pub confidence: f32,
}

/// One picture on its way to a session.
#[derive(Debug, Clone)]
struct Request {
    tensor: Vec<f32>,
    width: u32,
    height: u32,
    /// The part of the model's square that the picture covers.
    cover: (f64, f64),
    score_threshold: f32,
}

/// What the outputs for one picture come to, best first.
type Decoded = Result<Vec<Candidate>, DetectionFault>;

/// Reads the outputs of one layout.
trait Decoder: Send {
    /// One answer for each picture of the batch; the outputs have `rows` rows, at least as many.
    fn decode(
        &self,
        outputs: &SessionOutputs<'_>,
        batch: &[Request],
        rows: usize,
    ) -> Result<Vec<Decoded>, SessionError>;
}

/// A running detector. A cheap handle: clones share the sessions, which end with [`Self::shutdown`] or with the last handle.
#[derive(Clone)]
pub struct Detector(Arc<Inner>);

struct Inner {
    manifest: ModelManifest,
    key: SpaceKey,
    image: InputSpec,
    score_threshold: f32,
    device: Device,
    pool: Pool<Request, DetectorOutput>,
}

impl Detector {
    /// Loads the graph and warms it up with its largest batch. Blocks: milliseconds for a small model, seconds for a large one.
    ///
    /// # Errors
    /// A package of another family, a file that changed since it was opened, a graph that does not fit its manifest, its labels or its
    /// layout, or a failing warm-up.
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
        let (Family::Detector, Some(image), Some(spec)) =
            (manifest.family, manifest.image, &manifest.detector)
        else {
            return Err(launch.wrong_family(Family::Detector));
        };
        let labels = Labels::read(package)?;
        let worst = Request {
            tensor: vec![0.5; 3 * image.size as usize * image.size as usize],
            width: image.size,
            height: image.size,
            cover: (1.0, 1.0),
            score_threshold: spec.score_threshold,
        };
        let score_threshold = spec.score_threshold;
        let spec = spec.clone();
        let pool = launch.pool(
            &GraphPlan::vision(FileRole::Model, "detector", config),
            move |source, index| DetectorSession::load(source, index, &image, &spec, &labels),
            worst,
        )?;
        launch.announce();
        Ok(Self(Arc::new(Inner {
            manifest: manifest.clone(),
            key: package.key(),
            image,
            score_threshold,
            device: runtime.device().clone(),
            pool,
        })))
    }

    /// What is in the pictures, for each of them in their order: objects of at least this score, best first, as many as the manifest
    /// allows. Boxes that reach beyond the picture are cut, those outside it or without area are left out. A picture whose outputs are
    /// of no use is an error of its own; the others are not affected.
    ///
    /// Cancel safe: what still waits is not run.
    ///
    /// # Errors
    /// A threshold outside 0..=1, a tensor of a wrong length, a picture without pixels (nothing is run then), a full interactive lane,
    /// a failed batch, a stopped model.
    pub async fn detect(
        &self,
        lane: Lane,
        inputs: Vec<DetectorInput>,
        score_threshold: f32,
    ) -> Result<Vec<Result<Vec<Detection>, DetectionFault>>, InferenceError> {
        if !(0.0..=1.0).contains(&score_threshold) {
            return Err(InferenceError::Threshold(score_threshold));
        }
        let expected = 3 * self.0.image.size as usize * self.0.image.size as usize;
        check_lengths(inputs.iter().map(|input| input.tensor.as_slice()), expected)?;
        if let Some(index) = inputs
            .iter()
            .position(|input| input.width == 0 || input.height == 0)
        {
            return Err(InferenceError::PictureSize { index });
        }
        let request = |input: DetectorInput| Request {
            cover: self
                .0
                .image
                .cover(input.width, input.height)
                .unwrap_or((1.0, 1.0)),
            tensor: input.tensor,
            width: input.width,
            height: input.height,
            score_threshold,
        };
        let requests = inputs.into_iter().map(request).collect();
        self.0.pool.run(lane, requests).await
    }

    /// How pictures become the tensors of [`Self::detect`].
    pub fn input_spec(&self) -> &InputSpec {
        &self.0.image
    }

    /// The threshold that the manifest proposes, 0..=1.
    pub fn default_threshold(&self) -> f32 {
        self.0.score_threshold
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
            family: Family::Detector,
            device: self.0.device.clone(),
            graphs: vec![("detector", self.0.pool.report())],
        }
    }

    /// Refuses what waits and what comes, lets running batches end, and waits for the threads. All handles are stopped with it.
    pub async fn shutdown(&self) {
        join(self.0.pool.stop()).await;
    }
}

model_family!(Detector);
