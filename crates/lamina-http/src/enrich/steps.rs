//! From what is asked for to the steps of a run: packages, parameters, and what has to be done again.

use lamina_store::bindings::{Binding, canonical};
use lamina_store::enrichment::AppliedModel;
use lamina_types::{EnrichStep, EnrichmentType, SpaceKey};
use serde_json::Value;

use super::models::ModelSide;
use super::request::{EnrichRequest, coming_soon};
use crate::ApiError;

/// The steps of a run, and what embeds captions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrichPlan {
    /// What was asked for, dependencies first.
    pub steps: Vec<EnrichStep>,
    /// As [`ModelSide::caption_encoder`].
    pub caption_text: Option<SpaceKey>,
}

/// Resolves a request by what the slots are bound to now.
///
/// # Errors
/// 422 for a slot that no installed package answers to.
pub async fn plan(models: &dyn ModelSide, request: &EnrichRequest) -> Result<EnrichPlan, ApiError> {
    let (mut steps, mut errors) = (Vec::new(), Vec::new());
    for one in &request.0 {
        let Some(usable) = models.usable(one.slot.id).await? else {
            errors.push(coming_soon(one));
            continue;
        };
        let mut binding = usable.binding;
        if let Some(prompt) = one.prompt.clone().filter(|_| usable.takes_prompt) {
            binding
                .parameters
                .insert("prompt".to_owned(), Value::String(prompt));
        }
        steps.push(step(one.enrichment_type, &binding));
    }
    if !errors.is_empty() {
        return Err(ApiError::fields(errors));
    }
    Ok(EnrichPlan {
        steps,
        caption_text: models.caption_encoder().await?,
    })
}

fn step(kind: EnrichmentType, binding: &Binding) -> EnrichStep {
    EnrichStep {
        enrichment_type: kind,
        slot: kind.slot().id.to_owned(),
        key: SpaceKey {
            package: binding.package.clone(),
            parameters: canonical(&binding.parameters),
        },
    }
}

impl EnrichPlan {
    /// Adds what was applied to the objects of the source when new objects are asked for: the copy is to have everything that
    /// its source has, and what was said about the old objects means nothing for the new ones. By the same package if it
    /// is still there, else by the one that is bound now.
    ///
    /// # Errors
    /// The database.
    pub(super) async fn with_dependents(
        mut self,
        models: &dyn ModelSide,
        applied: &[AppliedModel],
    ) -> Result<Self, ApiError> {
        if !self.has(EnrichmentType::ObjectDetection) {
            return Ok(self);
        }
        for model in applied {
            let Ok(kind) = model.enrichment_type.parse::<EnrichmentType>() else {
                continue;
            };
            let depends = kind
                .dependencies()
                .contains(&EnrichmentType::ObjectDetection);
            if !depends || self.has(kind) {
                continue;
            }
            if models.is_installed(&model.key.package).await {
                self.steps.push(EnrichStep {
                    enrichment_type: kind,
                    slot: model.slot.clone(),
                    key: model.key.clone(),
                });
            } else if let Some(usable) = models.usable(kind.slot().id).await? {
                self.steps.push(step(kind, &usable.binding));
            }
        }
        Ok(self)
    }

    /// The first type whose dependency is neither applied nor part of the plan.
    pub(super) fn unmet(
        &self,
        applied: &[AppliedModel],
    ) -> Option<(EnrichmentType, EnrichmentType)> {
        self.steps.iter().find_map(|step| {
            let kind = step.enrichment_type;
            let is_met = |needed: &EnrichmentType| {
                self.has(*needed)
                    || applied
                        .iter()
                        .any(|model| model.enrichment_type == needed.as_str())
            };
            let unmet = kind.dependencies().iter().find(|needed| !is_met(needed))?;
            Some((kind, *unmet))
        })
    }

    fn has(&self, kind: EnrichmentType) -> bool {
        self.steps.iter().any(|step| step.enrichment_type == kind)
    }
}
