//! An installation whose models are a matter of what a test says.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use lamina_http::enrich::{ModelSide, Sample, SampleError, Samples, UsableModel};
use lamina_store::StoreError;
use lamina_store::bindings::Binding;
use lamina_store::datasets::Dataset;
use lamina_types::{EnrichStep, EnrichmentType, MediaId, SpaceKey};
use serde_json::{Map, json};
use uuid::Uuid;

/// All slots are bound to `<slot>@1`, unless they are named as missing.
#[derive(Default)]
pub struct FakeModels {
    /// Slots without a package.
    pub missing: Mutex<Vec<String>>,
    /// Packages that are there although nothing is bound to them.
    pub parameters: Mutex<BTreeMap<String, Map<String, serde_json::Value>>>,
    /// What samples were asked for last.
    pub sampled: Mutex<Vec<EnrichStep>>,
}

#[async_trait]
impl ModelSide for FakeModels {
    async fn usable(&self, slot: &str) -> Result<Option<UsableModel>, StoreError> {
        if self.missing.lock().unwrap().iter().any(|gone| gone == slot) {
            return Ok(None);
        }
        let parameters = self.parameters.lock().unwrap().get(slot).cloned();
        Ok(Some(UsableModel {
            binding: Binding {
                slot: slot.to_owned(),
                package: format!("{slot}@1"),
                parameters: parameters.unwrap_or_default(),
            },
            takes_prompt: slot == "vl_image_captioner_v00",
        }))
    }

    async fn is_installed(&self, package: &str) -> bool {
        package.ends_with("@1")
    }

    async fn caption_encoder(&self) -> Result<Option<SpaceKey>, StoreError> {
        Ok(Some(SpaceKey {
            package: "sentences@1".to_owned(),
            parameters: String::new(),
        }))
    }

    async fn samples(
        &self,
        _: &Dataset,
        steps: &[EnrichStep],
        _: usize,
    ) -> Result<Samples, SampleError> {
        *self.sampled.lock().unwrap() = steps.to_vec();
        let area = serde_json::from_value(json!({"x": 0.1, "y": 0.2, "width": 0.5, "height": 0.4}));
        let results = vec![
            (
                EnrichmentType::CaptionImages,
                Sample::Caption("a red van".to_owned()),
            ),
            (
                EnrichmentType::ObjectDetection,
                Sample::Objects(vec![("car".to_owned(), 0.5, area.unwrap())]),
            ),
            (EnrichmentType::MultimodelImageEncoding, Sample::Vector(512)),
        ];
        Ok(vec![(MediaId::from_uuid(Uuid::from_u128(7)), results)])
    }
}
