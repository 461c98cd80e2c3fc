//! The models at hand, which slot each answers to, and the encoder of each vector space.

use std::sync::Arc;

use lamina_index::IndexSettings;
use lamina_inference::{
    Calibration, DistanceBands, DualEncoder, Family, InferenceError, Lane, ModelManifest, Models,
    PictureEncoder, TextRole,
};
use lamina_store::bindings::{Binding, Bindings};
use lamina_store::sqlx::PgExecutor;
use lamina_types::{Embedding, SpaceKey};

use crate::ExploreError;

/// Models and bindings, shared by the reading side and by jobs. A cheap handle; nothing is loaded until it is asked for.
#[derive(Debug, Clone)]
pub struct Encoders {
    models: Models,
    bindings: Bindings,
}

impl Encoders {
    /// Puts the two together.
    pub const fn new(models: Models, bindings: Bindings) -> Self {
        Self { models, bindings }
    }

    /// Every model of this process.
    pub const fn models(&self) -> &Models {
        &self.models
    }

    /// What answers to each slot.
    pub const fn bindings(&self) -> &Bindings {
        &self.bindings
    }

    /// What answers to this slot now. Jobs ask once and keep the answer with what they make.
    ///
    /// # Errors
    /// [`ExploreError::Unbound`]; the database.
    pub async fn bound(
        &self,
        ex: impl PgExecutor<'_>,
        slot: &'static str,
    ) -> Result<Binding, ExploreError> {
        let found = self.bindings.of(ex, slot).await?;
        found.ok_or(ExploreError::Unbound(slot))
    }

    /// The encoder of this space with both its towers, loaded if it is not.
    ///
    /// # Errors
    /// [`ExploreError::MissingPackage`]; a space without texts; a model that does not start.
    pub async fn of(&self, key: &SpaceKey) -> Result<DualEncoder, ExploreError> {
        let found = self.models.dual_encoder(&key.package).await;
        found.map_err(trouble)
    }

    /// What makes vectors of pictures in this space, with texts or without, loaded if it is not.
    ///
    /// # Errors
    /// [`ExploreError::MissingPackage`]; a model that does not start.
    pub async fn pictures(&self, key: &SpaceKey) -> Result<PictureEncoder, ExploreError> {
        let found = self.models.picture_encoder(&key.package).await;
        found.map_err(trouble)
    }

    /// What the package of this space says about itself, if it is there. Loads nothing.
    pub fn manifest(&self, key: &SpaceKey) -> Option<Arc<ModelManifest>> {
        self.models.manifest(&key.package)
    }

    /// Distances that mean something in this space, if its package is there. Loads nothing.
    pub fn bands(&self, key: &SpaceKey) -> Option<DistanceBands> {
        self.manifest(key)?.index.clone()
    }

    /// Whether texts can be compared with the vectors of this space. Loads nothing.
    pub fn reads_text(&self, key: &SpaceKey) -> bool {
        self.manifest(key).is_some_and(|found| found.text.is_some())
    }

    /// From raw to shown distances of texts in this space, if its package is there; none where they are the same.
    pub(crate) fn calibration(&self, key: &SpaceKey) -> Option<Calibration> {
        self.manifest(key)?.calibration.clone()
    }

    /// The vector of a text that is searched for, by the sentence encoder or the dual encoder of the space.
    ///
    /// # Errors
    /// [`ExploreError::MissingPackage`]; a space without texts; the model.
    pub(crate) async fn embed_text(
        &self,
        key: &SpaceKey,
        text: &str,
    ) -> Result<Embedding, ExploreError> {
        let (lane, texts) = (Lane::Interactive, vec![text.to_owned()]);
        let family = self.manifest(key).map(|manifest| manifest.family);
        let answers = if family == Some(Family::TextEncoder) {
            let encoder = self.models.text_encoder(&key.package).await;
            let encoder = encoder.map_err(trouble)?;
            encoder.embed(lane, TextRole::Query, texts).await?
        } else {
            self.of(key).await?.embed_texts(lane, texts).await?
        };
        answers.into_iter().next().ok_or_else(|| {
            let message = "the model gave no vector for the text";
            ExploreError::Unavailable(message.to_owned())
        })
    }
}

fn trouble(error: InferenceError) -> ExploreError {
    match error.missing_package() {
        Some(package) => ExploreError::MissingPackage(package.to_owned()),
        None => error.into(),
    }
}

/// How a space of a package with these bands is indexed.
pub fn index_settings(bands: &DistanceBands, exact_limit: usize) -> IndexSettings {
    IndexSettings {
        exact_limit,
        ..IndexSettings::new(
            bands.cluster_distances,
            bands.duplicate_similarity,
            bands.outlier_distance,
        )
    }
}
