//! What the routes ask about models. A trait, so that the contract of the wire can be tested without any.

use async_trait::async_trait;
use lamina_store::StoreError;
use lamina_store::bindings::Binding;
use lamina_store::datasets::Dataset;
use lamina_types::{BoundingBox, EnrichStep, EnrichmentType, MediaId, SpaceKey};

/// A slot whose package is there and verified.
#[derive(Debug, Clone, PartialEq)]
pub struct UsableModel {
    /// What answers to the slot.
    pub binding: Binding,
    /// Whether it can be told in words what to say.
    pub takes_prompt: bool,
}

/// What one model says about one picture.
#[derive(Debug, Clone, PartialEq)]
pub enum Sample {
    /// A sentence.
    Caption(String),
    /// Named boxes, surest first.
    Objects(Vec<(String, f32, BoundingBox)>),
    /// A sentence about each object.
    ObjectCaptions(Vec<(String, BoundingBox)>),
    /// Labels, surest first.
    Tags(Vec<(String, f32)>),
    /// Number of values of a vector; the values mean nothing to people.
    Vector(usize),
}

/// Why there are no samples.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// A model cannot be loaded; the text is for the user.
    #[error("{0}")]
    Unusable(String),
    /// The store.
    #[error("the pictures could not be read")]
    Store(#[from] StoreError),
    /// A model failed.
    #[error("the model failed")]
    Model(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Samples by picture, and within a picture by type.
pub type Samples = Vec<(MediaId, Vec<(EnrichmentType, Sample)>)>;

/// The models of an installation.
#[async_trait]
pub trait ModelSide: Send + Sync {
    /// What answers to a slot; `None` while no package that is there does.
    async fn usable(&self, slot: &str) -> Result<Option<UsableModel>, StoreError>;

    /// Whether a package is there and verified, bound or not.
    async fn is_installed(&self, package: &str) -> bool;

    /// What embeds captions; `None` when nothing that is installed reads sentences.
    async fn caption_encoder(&self) -> Result<Option<SpaceKey>, StoreError>;

    /// What these models say about the first few pictures of a dataset. Nothing of it is kept.
    async fn samples(
        &self,
        dataset: &Dataset,
        steps: &[EnrichStep],
        pictures: usize,
    ) -> Result<Samples, SampleError>;
}
