//! Tasks as answers: words of the queue into words of the contract, and a sentence for people.

use lamina_api::{TaskInfo, WholeSeconds};
use lamina_jobs::{Phase, Restart};
use lamina_store::enrichment::{self, Step};
use lamina_store::sqlx::PgPool;
use lamina_store::tasks::Task;
use lamina_store::{Principal, datasets, tasks as store};
use lamina_types::{DatasetStatus, EnrichmentType, JobKind};
use uuid::Uuid;

use crate::extract::OpenDataset;
use crate::state::AppState;
use crate::{ApiError, now};

/// Kinds of jobs that are tasks, and what the contract calls them.
pub(crate) const TYPES: &[(&str, JobKind)] = &[
    ("DATASET_CREATION", JobKind::Ingest),
    ("ENRICHMENT", JobKind::Enrich),
    ("MEDIA_ADDITION", JobKind::Add),
    ("REINDEX", JobKind::Reindex),
    ("SNAPSHOT_RESTORE", JobKind::Restore),
    ("SNAPSHOT_CLONE", JobKind::Clone),
];

/// What the contract calls a kind of the queue, if it is a task at all.
pub(crate) fn type_of_kind(kind: &str) -> Option<&'static str> {
    let found = TYPES.iter().find(|(_, known)| known.as_str() == kind);
    found.map(|(word, _)| *word)
}

/// Fields of custom metadata are tasks without a job.
pub(crate) const METADATA: (&str, &str) = ("CUSTOM_METADATA", "custom_metadata");

/// States of the queue, and what the contract calls them.
pub(crate) const STATES: &[(&str, &str)] = &[
    ("INITIALIZING", "queued"),
    ("RUNNING", "running"),
    ("COMPLETED", "succeeded"),
    ("FAILED", "failed"),
    ("ABORTED", "cancelled"),
];

/// A task as contract 17 shows it.
///
/// # Errors
/// The database.
pub(crate) async fn info(pool: &PgPool, task: Task) -> Result<TaskInfo, ApiError> {
    let is_enrichment = task.kind == JobKind::Enrich.as_str();
    let steps = if is_enrichment && task.state == "running" {
        enrichment::steps(pool, task.dataset_id).await?
    } else {
        Vec::new()
    };
    let seconds = task
        .started_at
        .map_or(0, |started| now::unix_seconds() - started.timestamp());
    let status_message = message(&task, &steps, seconds);
    let progress = task.dataset_progress.clamp(0.0, 100.0).floor() as u8;
    Ok(TaskInfo {
        task_id: task.id,
        dataset_id: task.dataset_id.as_uuid(),
        dataset_name: task.dataset_name,
        dataset_status: task.dataset_status.as_str().replace(' ', "_"),
        created_by: task.created_by,
        task_type: type_of(&task.kind).to_owned(),
        status: word(STATES, |state| *state == task.state).to_owned(),
        status_message,
        progress_percentage: Some(if task.state == "succeeded" {
            100
        } else if task.kind == METADATA.1 {
            0
        } else {
            progress
        }),
        error_message: task.error_message,
        start_time: WholeSeconds::from(task.created_at),
        end_time: task.finished_at.map(WholeSeconds::from),
    })
}

/// What the contract calls a kind.
pub(crate) fn type_of(kind: &str) -> &'static str {
    if kind == METADATA.1 {
        return METADATA.0;
    }
    type_of_kind(kind).unwrap_or_default()
}

/// Phase of a creation that cannot be taken back.
const COMMIT: &str = "publish";

fn is_creation(task: &Task) -> bool {
    task.kind == JobKind::Ingest.as_str()
}

/// Whether somebody may end or repeat what is done about this dataset.
async fn must_change(state: &AppState, user: &Principal, task: &Task) -> Result<(), ApiError> {
    let open = OpenDataset::by_id(state, Some(user.clone()), Some(task.dataset_id)).await?;
    open.changer().map(|_| ())
}

/// Ends the creation of a dataset. What was uploaded is kept.
///
/// # Errors
/// 403 for those who may only look, 409 for what is no creation, has ended, or is being published.
pub(crate) async fn abort(
    state: &AppState,
    user: &Principal,
    task: Task,
) -> Result<Uuid, ApiError> {
    must_change(state, user, &task).await?;
    if !is_creation(&task) {
        return Err(ApiError::conflict(
            "Only the creation of a dataset can be aborted",
        ));
    }
    let (pool, id) = (state.pool.clone(), task.id);
    let aborted = async move {
        let mut tx = pool.begin().await?;
        let found = store::lock(&mut tx, id).await?;
        let (_, phase) = found.ok_or_else(|| ApiError::not_found("Task not found"))?;
        if phase == COMMIT {
            return Err(ApiError::conflict("The dataset is being published"));
        }
        if !lamina_jobs::cancel(&mut tx, id).await? {
            return Err(ApiError::conflict("The task has ended"));
        }
        datasets::fail(&mut *tx, task.dataset_id, "The creation was aborted.").await?;
        Ok(tx.commit().await?)
    };
    state.run(aborted).await?;
    Ok(id)
}

/// Begins the creation of a dataset anew, from the files that were uploaded or where they lie.
///
/// # Errors
/// 403 for those who may only look, 400 for what is no creation or has neither failed nor been aborted, 409 while a worker is
/// still busy with it.
pub(crate) async fn retry(
    state: &AppState,
    user: &Principal,
    task: Task,
) -> Result<Uuid, ApiError> {
    must_change(state, user, &task).await?;
    let refusal =
        || ApiError::bad_request("Only a creation that failed or was aborted can be retried");
    if !is_creation(&task) || task.dataset_status != DatasetStatus::Error {
        return Err(refusal());
    }
    let (pool, id) = (state.pool.clone(), task.id);
    let restarted = async move {
        let mut tx = pool.begin().await?;
        let first = Phase::single(JobKind::Ingest.first_phase());
        match lamina_jobs::restart(&mut tx, id, &first).await? {
            Restart::Queued => {}
            Restart::NotStopped => return Err(refusal()),
            Restart::Busy => return Err(ApiError::conflict("The task is still being stopped")),
        }
        let (from, next) = ([DatasetStatus::Error], DatasetStatus::Indexing);
        datasets::move_status(&mut tx, task.dataset_id, &from, next).await?;
        Ok(tx.commit().await?)
    };
    state.run(restarted).await?;
    Ok(id)
}

fn word<T>(words: &[(&'static str, T)], is_it: impl Fn(&T) -> bool) -> &'static str {
    let found = words.iter().find(|(_, meaning)| is_it(meaning));
    found.map_or("", |(word, _)| word)
}

/// What is being done, for people.
fn what(kind: &str) -> &'static str {
    if kind == METADATA.1 {
        return "Custom metadata";
    }
    match kind.parse() {
        Ok(JobKind::Enrich) => "Enrichment",
        Ok(JobKind::Add) => "Media addition",
        Ok(JobKind::Reindex) => "Reindex",
        Ok(JobKind::Restore) => "Snapshot restore",
        Ok(JobKind::Clone) => "Snapshot clone",
        Ok(
            JobKind::Ingest
            | JobKind::Rebuild
            | JobKind::Remove
            | JobKind::Annotate
            | JobKind::Export,
        )
        | Err(_) => "Dataset creation",
    }
}

/// One sentence: what is being done, how fast, how long it will take.
fn message(task: &Task, steps: &[Step], seconds: i64) -> String {
    let what = what(&task.kind);
    match task.state.as_str() {
        "queued" if task.kind == METADATA.1 => format!("{what} waits for a file"),
        "queued" => format!("{what} waits for a worker"),
        "succeeded" => format!("{what} completed"),
        "failed" => format!("{what} failed"),
        "cancelled" => format!("{what} aborted"),
        _ => running(what, task, steps, seconds),
    }
}

fn running(what: &str, task: &Task, steps: &[Step], seconds: i64) -> String {
    let busy: Vec<String> = steps
        .iter()
        .filter(|step| step.enrichment_type.parse::<EnrichmentType>().is_ok())
        .map(|step| {
            format!(
                "{} {} of {}",
                step.enrichment_type, step.units_done, step.units_total
            )
        })
        .collect();
    let mut text = format!("{what} is running");
    if !busy.is_empty() {
        text = format!("{text}: {}", busy.join(", "));
    }
    let units: u64 = steps.iter().map(|step| step.units_done).sum();
    if seconds > 0 && units > 0 {
        text = format!("{text}; {:.1} a second", units as f64 / seconds as f64);
    }
    if let Some(left) = seconds_left(task.dataset_progress, seconds) {
        text = format!("{text}; about {left} s left");
    }
    text
}

/// What is left if it goes on as it went so far; nothing while that would be a guess.
fn seconds_left(progress: f32, seconds: i64) -> Option<i64> {
    if !(2.0..100.0).contains(&progress) || seconds <= 0 {
        return None;
    }
    Some((seconds as f64 * f64::from(100.0 - progress) / f64::from(progress)).ceil() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_what_the_share_done_says() {
        assert_eq!(seconds_left(50.0, 30), Some(30));
        assert_eq!(seconds_left(10.0, 10), Some(90));
        assert_eq!(seconds_left(1.0, 10), None);
        assert_eq!(seconds_left(50.0, 0), None);
    }

    #[test]
    fn every_state_of_the_queue_has_a_word() {
        for state in ["queued", "running", "succeeded", "failed", "cancelled"] {
            assert!(!word(STATES, |known| *known == state).is_empty());
        }
    }
}
