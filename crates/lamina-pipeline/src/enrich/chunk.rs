//! What the chunks of pictures and of objects have in common: the answers of a chunk, and the transaction that keeps them.

use std::collections::{BTreeMap, HashMap};

use lamina_jobs::{Closing, Completed, Settled};
use lamina_store::datasets;
use lamina_store::enrichment::{self, ItemFailure, StepWork};
use lamina_store::sqlx::PgConnection;
use lamina_types::{RejectReason, Rejection};
use uuid::Uuid;

use super::EnrichTask;
use super::copy::COPIED;
use super::looking::{Answers, Looker};
use super::models::Answer;
use crate::PipelineError;

/// From this attempt on a picture that a model fails on is left out instead of being tried again.
pub(super) const LAST_TRY: i32 = 3;

/// Progress when all models have seen everything, in percent; the rest is building clusters.
const LOOKED: f32 = 96.0;

/// Why everything of a chunk that ended its worker is left out.
pub(super) fn ended_the_worker() -> Rejection {
    Rejection::new(
        RejectReason::EndedTheWorker,
        "looking at this picture ended or stopped the worker more than once",
    )
}

/// What the models of a chunk said, by step position.
#[derive(Default)]
pub(super) struct ChunkAnswers {
    said: BTreeMap<u32, Vec<(i64, Answer)>>,
    refused: BTreeMap<u32, HashMap<i64, Rejection>>,
}

impl ChunkAnswers {
    /// Takes the answers about one content or region.
    pub(super) fn add(&mut self, id: i64, answers: Answers) {
        for (position, answer) in answers {
            match answer {
                Ok(answer) => self.said.entry(position).or_default().push((id, answer)),
                Err(rejection) => {
                    let refused = self.refused.entry(position).or_default();
                    refused.insert(id, rejection);
                }
            }
        }
    }

    /// What one model said.
    pub(super) fn take(&mut self, position: u32) -> Vec<(i64, Answer)> {
        self.said.remove(&position).unwrap_or_default()
    }

    /// The captions among what one model said.
    pub(super) fn captions(&self, position: u32) -> Vec<String> {
        let said = self.said.get(&position).into_iter().flatten();
        said.filter_map(|(_, answer)| match answer {
            Answer::Caption(text) => Some(super::values::storable(text)),
            Answer::Vector(_) | Answer::Boxes(_) | Answer::Tags(_) => None,
        })
        .filter(|text| !text.is_empty())
        .collect()
    }

    /// Why one model left `id` out.
    pub(super) fn refused(&self, position: u32, id: i64) -> Option<&Rejection> {
        self.refused.get(&position)?.get(&id)
    }

    /// A model that failed on everything it was shown is not a matter of pictures.
    ///
    /// # Errors
    /// Says so.
    pub(super) fn check_models(&self, lookers: &[Looker]) -> Result<(), PipelineError> {
        for looker in lookers {
            let Some(refused) = self.refused.get(&looker.position) else {
                continue;
            };
            let failures = refused
                .values()
                .filter(|rejection| rejection.reason == RejectReason::ModelFailed);
            if failures.count() == looker.lacking.len() && looker.lacking.len() > 1 {
                let package = &looker.key.package;
                return Err(lamina_jobs::JobError::retry(format!(
                    "the model {package} failed on every picture it was shown"
                ))
                .into());
            }
        }
        Ok(())
    }
}

/// The report's rows and the counts of one model: `(entity, id)` are all the items of the chunk.
pub(super) fn account(
    looker: &Looker,
    answers: &ChunkAnswers,
    items: &[(Uuid, i64)],
) -> (Vec<ItemFailure>, (u32, StepWork)) {
    let failures: Vec<ItemFailure> = items
        .iter()
        .filter_map(|(entity, id)| {
            let rejection = answers.refused(looker.position, *id)?.clone();
            Some(ItemFailure {
                enrichment_type: looker.kind.clone(),
                entity_id: *entity,
                rejection,
            })
        })
        .collect();
    let work = looker.work(items.len() as u64, failures.len() as u64);
    (failures, (looker.position, work))
}

/// Completes the chunk: counts its work, reports progress, and hands over the end of the phase if this is it.
///
/// Effects of the chunk come before this in the transaction, status and progress after: everybody who takes both the job's
/// row and a dataset's row takes the job's first.
///
/// # Errors
/// The lease is lost; the database.
pub(super) async fn settle(
    task: &EnrichTask<'_>,
    conn: &mut PgConnection,
    work: &[(u32, StepWork)],
) -> Result<Result<Closing, Completed>, PipelineError> {
    let copy = task.copy.id;
    let settled = task.context.settle(&mut *conn).await?;
    // The steps of a dataset are those of the run that made it.
    if task.added_from.is_none() {
        enrichment::add_work(&mut *conn, copy, work).await?;
        let share = enrichment::share_done(&enrichment::steps(&mut *conn, copy).await?);
        datasets::set_progress(&mut *conn, copy, COPIED + (LOOKED - COPIED) * share).await?;
    }
    Ok(match settled {
        Settled::PhaseOpen(completed) => Err(completed),
        Settled::PhaseClosed(closing) => Ok(closing),
    })
}
