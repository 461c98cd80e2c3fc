//! The models of this installation, as the routes and the command line ask for them.

use std::sync::Arc;

use async_trait::async_trait;
use lamina_explore::Encoders;
use lamina_http::enrich::{ModelSide, Sample, SampleError, Samples, UsableModel};
use lamina_inference::{Family, ModelManifest};
use lamina_pipeline::enrich::{Answer, Said, samples};
use lamina_pipeline::{PipelineError, Workshop};
use lamina_store::StoreError;
use lamina_store::datasets::Dataset;
use lamina_store::sqlx::PgPool;
use lamina_types::{CAPTION_TEXT_SLOT, EnrichStep, EnrichmentType, INDEX_SLOT, Slot, SpaceKey};

/// Bindings, packages on disk, and the models that run.
pub struct ServerModels {
    pool: PgPool,
    encoders: Encoders,
    workshop: Workshop,
}

impl ServerModels {
    /// Models are loaded when samples are asked for.
    pub fn new(workshop: Workshop) -> Self {
        Self {
            pool: workshop.pool.clone(),
            encoders: workshop.encoders.clone(),
            workshop,
        }
    }

    /// The manifest of a package that is there and verified.
    async fn verified(&self, package: &str) -> Option<Arc<ModelManifest>> {
        let (models, name) = (self.encoders.models().clone(), package.to_owned());
        // Hashes what it has not seen before.
        let usable = tokio::task::spawn_blocking(move || models.is_usable(&name)).await;
        match usable {
            Ok(true) => self.encoders.models().manifest(package),
            Ok(false) | Err(_) => None,
        }
    }
}

/// Whether packages of a family can do what a slot promises.
fn suits(slot: &str, manifest: &ModelManifest) -> bool {
    let Some(slot) = Slot::find(slot) else {
        return true;
    };
    match slot.enrichment_type {
        EnrichmentType::CaptionImages | EnrichmentType::CaptionObjects => {
            manifest.family == Family::Captioner
        }
        EnrichmentType::ObjectDetection => manifest.family == Family::Detector,
        EnrichmentType::ImageTagging => manifest.family == Family::Tagger,
        EnrichmentType::MultimodelImageEncoding | EnrichmentType::MultimodelObjectEncoding => {
            manifest.family == Family::DualEncoder && manifest.text.is_some()
        }
    }
}

#[async_trait]
impl ModelSide for ServerModels {
    async fn usable(&self, slot: &str) -> Result<Option<UsableModel>, StoreError> {
        let Some(binding) = self.encoders.bindings().of(&self.pool, slot).await? else {
            return Ok(None);
        };
        let manifest = self.verified(&binding.package).await;
        Ok(manifest
            .filter(|manifest| suits(slot, manifest))
            .map(|manifest| UsableModel {
                binding,
                takes_prompt: manifest
                    .captioner
                    .as_ref()
                    .is_some_and(|captioner| captioner.default_prompt.is_some()),
            }))
    }

    async fn is_installed(&self, package: &str) -> bool {
        self.verified(package).await.is_some()
    }

    /// The sentence encoder; without one the text tower of what new datasets are indexed with.
    async fn caption_encoder(&self) -> Result<Option<SpaceKey>, StoreError> {
        for slot in [CAPTION_TEXT_SLOT, INDEX_SLOT] {
            let Some(binding) = self.encoders.bindings().of(&self.pool, slot).await? else {
                continue;
            };
            let manifest = self.verified(&binding.package).await;
            let reads = manifest.is_some_and(|manifest| {
                manifest.family == Family::TextEncoder
                    || manifest.family == Family::DualEncoder && manifest.text.is_some()
            });
            if reads {
                return Ok(Some(binding.key()));
            }
        }
        Ok(None)
    }

    async fn samples(
        &self,
        dataset: &Dataset,
        steps: &[EnrichStep],
        pictures: usize,
    ) -> Result<Samples, SampleError> {
        let found = samples(&self.workshop, dataset, steps, pictures)
            .await
            .map_err(refused)?;
        let found = found.into_iter().map(|(media, said)| {
            let shown = said.into_iter();
            let shown = shown.map(|(kind, said)| (kind, shown_as(said))).collect();
            (media, shown)
        });
        Ok(found.collect())
    }
}

fn refused(error: PipelineError) -> SampleError {
    match error {
        PipelineError::Hopeless(text) => SampleError::Unusable(text),
        PipelineError::Store(error) => SampleError::Store(error),
        error @ (PipelineError::Database(_)
        | PipelineError::Inference(_)
        | PipelineError::Index(_)
        | PipelineError::Explore(_)
        | PipelineError::Export(_)
        | PipelineError::Source(_)
        | PipelineError::Fetch(_)
        | PipelineError::Job(_)
        | PipelineError::Thread(_)) => SampleError::Model(Box::new(error)),
    }
}

fn shown_as(said: Said) -> Sample {
    match said {
        Said::OfPicture(Answer::Caption(text)) => Sample::Caption(text.trim().to_owned()),
        Said::OfPicture(Answer::Boxes(boxes)) => Sample::Objects(
            boxes
                .into_iter()
                .map(|found| (found.label, found.confidence, found.area))
                .collect(),
        ),
        Said::OfPicture(Answer::Tags(tags)) => Sample::Tags(
            tags.into_iter()
                .map(|tag| (tag.name, tag.confidence))
                .collect(),
        ),
        // Two bytes a value.
        Said::OfPicture(Answer::Vector(bytes)) => Sample::Vector(bytes.len() / 2),
        Said::OfObjects(objects) => of_objects(objects),
    }
}

fn of_objects(objects: Vec<(lamina_types::BoundingBox, Answer)>) -> Sample {
    let mut captions = Vec::new();
    let mut dimension = 0;
    for (area, answer) in objects {
        match answer {
            Answer::Caption(text) => captions.push((text.trim().to_owned(), area)),
            Answer::Vector(bytes) => dimension = bytes.len() / 2,
            Answer::Boxes(_) | Answer::Tags(_) => {}
        }
    }
    if dimension > 0 {
        Sample::Vector(dimension)
    } else {
        Sample::ObjectCaptions(captions)
    }
}
