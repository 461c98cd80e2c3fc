//! Whatever makes vectors of pictures, with a text tower beside it or without.

use lamina_media::InputSpec;
use lamina_types::{Embedding, EmbeddingError, SpaceKey};

use crate::device::Device;
use crate::dual_encoder::DualEncoder;
use crate::error::InferenceError;
use crate::image_encoder::ImageEncoder;
use crate::manifest::{DistanceBands, ModelManifest};
use crate::pool::Lane;

/// A running encoder of pictures. A cheap handle.
#[derive(Debug, Clone)]
pub enum PictureEncoder {
    /// The picture half of a dual encoder.
    Dual(DualEncoder),
    /// An encoder of pictures only.
    Image(ImageEncoder),
}

impl PictureEncoder {
    /// Vectors of prepared pictures (`lamina_media::model_input` with [`Self::input_spec`]), in their order. A picture whose vector is
    /// of no use is an error of its own.
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
        match self {
            Self::Dual(encoder) => encoder.embed_images(lane, inputs).await,
            Self::Image(encoder) => encoder.embed_images(lane, inputs).await,
        }
    }

    /// How pictures become the tensors of [`Self::embed_images`].
    pub fn input_spec(&self) -> &InputSpec {
        match self {
            Self::Dual(encoder) => encoder.input_spec(),
            Self::Image(encoder) => encoder.input_spec(),
        }
    }

    /// Length of its vectors.
    pub fn dimension(&self) -> usize {
        match self {
            Self::Dual(encoder) => encoder.dimension(),
            Self::Image(encoder) => encoder.dimension(),
        }
    }

    /// Distances that mean something for its vectors.
    pub fn bands(&self) -> &DistanceBands {
        match self {
            Self::Dual(encoder) => encoder.bands(),
            Self::Image(encoder) => encoder.bands(),
        }
    }

    /// What the package says about itself.
    pub fn manifest(&self) -> &ModelManifest {
        match self {
            Self::Dual(encoder) => encoder.manifest(),
            Self::Image(encoder) => encoder.manifest(),
        }
    }

    /// Name of the space of its vectors.
    pub fn key(&self) -> &SpaceKey {
        match self {
            Self::Dual(encoder) => encoder.key(),
            Self::Image(encoder) => encoder.key(),
        }
    }

    /// The device that its sessions run on.
    pub fn device(&self) -> Device {
        match self {
            Self::Dual(encoder) => encoder.report().device,
            Self::Image(encoder) => encoder.report().device,
        }
    }

    /// The encoder with its text tower, if it has one.
    pub fn with_text(&self) -> Option<&DualEncoder> {
        match self {
            Self::Dual(encoder) => Some(encoder).filter(|encoder| encoder.has_text()),
            Self::Image(_) => None,
        }
    }
}
