//! Models at work on one chunk: which of them have to be run for what, and the answers that came.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use lamina_inference::Lane;
use lamina_media::{MediaError, Picture, model_input};
use lamina_store::enrichment::StepWork;
use lamina_store::sqlx::PgPool;
use lamina_types::{RejectReason, Rejection, SpaceKey};

use super::busy::BusyClock;
use super::models::{Answer, ModelInput, PictureModel, Task};
use crate::PipelineError;
use crate::stages::{Stage, StageTimes};
use crate::workshop::Workshop;

/// One model of a chunk. `lacking` are the ids (of contents, or of regions) it has said nothing about yet.
pub(super) struct Looker {
    /// Place among the steps of the run.
    pub(super) position: u32,
    /// For the report.
    pub(super) kind: String,
    /// What its outputs are kept under.
    pub(super) key: SpaceKey,
    /// Its ids.
    pub(super) lacking: HashSet<i64>,
    clock: BusyClock,
    model: Option<Arc<dyn PictureModel>>,
}

/// What came of looking at one picture or crop: by step position.
pub(super) type Answers = BTreeMap<u32, Result<Answer, Rejection>>;

/// A picture or crop made ready for the models that have to look at it: by step position.
pub(super) type Inputs = BTreeMap<u32, ModelInput>;

impl Looker {
    /// The model of a step, loaded only if there is anything for it to do and `is_needed`: whoever leaves out what ended its
    /// worker loads nothing, because loading takes long enough to be ended itself, or was what ended the worker.
    ///
    /// # Errors
    /// It cannot be loaded.
    pub(super) async fn new(
        workshop: &Workshop,
        position: u32,
        task: Task,
        (kind, slot): (&str, &str),
        key: &SpaceKey,
        (lacking, is_needed): (Vec<i64>, bool),
    ) -> Result<Self, PipelineError> {
        let model = if lacking.is_empty() || !is_needed {
            None
        } else {
            let loaded = workshop.models.picture_model(task, key).await;
            Some(loaded.map_err(|error| named(error, slot))?)
        };
        Ok(Self {
            position,
            kind: kind.to_owned(),
            key: key.clone(),
            lacking: lacking.into_iter().collect(),
            clock: BusyClock::default(),
            model,
        })
    }

    /// The work of this chunk, when `done` units were covered and `failed` of them could not be.
    pub(super) fn work(&self, done: u64, failed: u64) -> StepWork {
        let (busy_seconds, run) = self.clock.read();
        StepWork {
            done,
            run,
            failed,
            busy_seconds,
        }
    }

    /// Takes note of what the model took, for the progress of later runs. Of no consequence if it cannot be written.
    pub(super) async fn learn(&self, pool: &PgPool) {
        let (seconds, items) = self.clock.read();
        if items == 0 {
            return;
        }
        let unit_seconds = seconds / items as f64;
        if let Err(error) =
            lamina_store::enrichment::learn_cost(pool, &self.key, unit_seconds).await
        {
            tracing::debug!(%error, "the cost of a model was not noted");
        }
    }
}

/// A failed load names the slot that the user asked for.
fn named(error: PipelineError, slot: &str) -> PipelineError {
    if let PipelineError::Hopeless(message) = &error {
        return PipelineError::Hopeless(format!("{slot} cannot be applied: {message}"));
    }
    error
}

/// Whether any of the models has to look at `id`.
pub(super) fn is_wanted(lookers: &[Looker], id: i64) -> bool {
    lookers.iter().any(|looker| looker.lacking.contains(&id))
}

/// The inputs of all models that have to look at `id`, from one picture. Runs on a blocking thread.
///
/// # Errors
/// Lack of memory.
pub(super) fn inputs_of(
    specs: &[(u32, lamina_media::InputSpec)],
    picture: &Picture,
    stages: &StageTimes,
) -> Result<Inputs, MediaError> {
    let mut inputs = Inputs::new();
    for (position, spec) in specs {
        let tensor = stages.run(Stage::ModelInput, || model_input(picture, spec))?;
        let input = ModelInput {
            tensor,
            width: picture.width,
            height: picture.height,
        };
        inputs.insert(*position, input);
    }
    Ok(inputs)
}

/// What each model that has to look at `id` wants to see.
pub(super) fn specs_for(lookers: &[Looker], id: i64) -> Vec<(u32, lamina_media::InputSpec)> {
    lookers
        .iter()
        .filter(|looker| looker.lacking.contains(&id))
        .filter_map(|looker| {
            let spec = *looker.model.as_ref()?.input_spec();
            Some((looker.position, spec))
        })
        .collect()
}

/// Shows one picture to every model it was made ready for, at the same time. On the last try a model that fails on this
/// picture leaves it out.
///
/// # Errors
/// A model or its device failed, and that is worth another try.
pub(super) async fn look(
    lookers: &[Looker],
    mut inputs: Inputs,
    is_last_try: bool,
) -> Result<Answers, PipelineError> {
    let shown = lookers.iter().filter_map(|looker| {
        let (model, input) = (looker.model.as_ref()?, inputs.remove(&looker.position)?);
        Some(async move {
            let visit = looker.clock.enter();
            let answer = model.look(Lane::Bulk, input).await;
            drop(visit);
            let answer = match answer {
                Ok(answer) => {
                    answer.map_err(|detail| Rejection::new(RejectReason::NoEmbedding, detail))
                }
                Err(PipelineError::Inference(error)) if is_last_try => {
                    Err(Rejection::new(RejectReason::ModelFailed, error.to_string()))
                }
                Err(error) => return Err(error),
            };
            Ok((looker.position, answer))
        })
    });
    let shown: Vec<_> = shown.collect();
    let answers = futures::future::try_join_all(shown).await?;
    Ok(answers.into_iter().collect())
}

/// The same verdict from every model that had to look at `id`.
pub(super) fn refused(lookers: &[Looker], id: i64, rejection: &Rejection) -> Answers {
    lookers
        .iter()
        .filter(|looker| looker.lacking.contains(&id))
        .map(|looker| (looker.position, Err(rejection.clone())))
        .collect()
}
