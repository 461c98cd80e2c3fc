//! How a run begins, how it stands, and how it is stopped. Each change is one transaction of both datasets and the job.

use lamina_jobs::{NewJob, Phase};
use lamina_store::datasets::{self, Dataset};
use lamina_store::enrichment;
use lamina_store::sqlx::{Connection as _, PgPool};
use lamina_types::{ContextId, DatasetId, DatasetStatus, EnrichSpec, EnrichmentStatus, JobKind};

use super::models::ModelSide;
use super::steps::EnrichPlan;
use crate::ApiError;

/// Below the usual: what people wait for at a fresh dataset goes before what runs for hours.
const PRIORITY: i16 = -1;

/// What a copy says that somebody stopped.
const ABORTED: &str = "The enrichment was aborted.";

/// Makes the copy and the job that fills it; the source is `READ ONLY` from here on. Of two callers one gets the conflict.
///
/// # Errors
/// 409 unless the source is `READY` and every dependency is applied or asked for.
pub async fn begin(
    pool: &PgPool,
    models: &dyn ModelSide,
    source: DatasetId,
    plan: EnrichPlan,
) -> Result<Dataset, ApiError> {
    let applied = enrichment::applied(pool, source).await?;
    if let Some((kind, needed)) = plan.unmet(&applied) {
        // The status counts first: whoever waits for it looks again then.
        must_be_ready(pool, source).await?;
        return Err(ApiError::conflict(format!(
            "{kind} needs {needed}, which is neither applied nor part of the request"
        )));
    }
    let plan = plan.with_dependents(models, &applied).await?;
    let mut conn = pool.acquire().await?;
    let mut tx = conn.begin().await?;
    let copy = enrichment::begin(&mut tx, source).await?;
    let spec = EnrichSpec {
        dataset_id: copy.id,
        source_dataset_id: source,
        steps: plan.steps,
        caption_text: plan.caption_text,
    };
    let job = NewJob::new(
        JobKind::Enrich.as_str(),
        Some(copy.owner_id.as_uuid()),
        Some(copy.id.as_uuid()),
        &spec,
        Phase::single(JobKind::Enrich.first_phase()),
    )?
    .with_priority(PRIORITY);
    lamina_jobs::enqueue(&mut tx, job).await?;
    tx.commit().await?;
    Ok(copy)
}

async fn must_be_ready(pool: &PgPool, source: DatasetId) -> Result<(), ApiError> {
    let source = datasets::find(pool, source)
        .await?
        .ok_or_else(ApiError::dataset_not_found)?;
    if source.status == DatasetStatus::Ready {
        return Ok(());
    }
    Err(ApiError::conflict(format!(
        "The dataset is {}, which does not allow this operation",
        source.status
    )))
}

/// Where the enrichment of a dataset stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Standing {
    /// Stable for the dataset.
    pub(crate) context: ContextId,
    /// Of the dataset itself; of the copy that is being made of it, while there is one.
    pub(crate) status: EnrichmentStatus,
    /// 0 to 100.
    pub(crate) progress: f32,
    /// The copy that is being made, if any: the dataset itself, or one of it.
    pub(crate) running: Option<DatasetId>,
}

/// Where the enrichment of a dataset stands. People know the run by the dataset they asked for it with as well as by the copy
/// they got.
///
/// # Errors
/// The database.
pub(crate) async fn standing(pool: &PgPool, dataset: &Dataset) -> Result<Standing, ApiError> {
    let (context, status) = enrichment::context(pool, dataset.id).await?;
    let own = Standing {
        context,
        status,
        progress: match status {
            EnrichmentStatus::New => 0.0,
            EnrichmentStatus::Completed => 100.0,
            EnrichmentStatus::InProgress | EnrichmentStatus::Failed | EnrichmentStatus::Aborted => {
                dataset.progress
            }
        },
        running: (status == EnrichmentStatus::InProgress).then_some(dataset.id),
    };
    if dataset.status != DatasetStatus::ReadOnly {
        return Ok(own);
    }
    for copy in enrichment::copies_being_made(pool, dataset.id).await? {
        if let Some(copy) = datasets::find(pool, copy).await? {
            return Ok(Standing {
                status: EnrichmentStatus::InProgress,
                progress: copy.progress,
                running: Some(copy.id),
                ..own
            });
        }
    }
    Ok(own)
}

/// Stops the run that fills this copy: the copy is `ERROR`, its source `READY`. Workers stop within the chunk they are at
/// and write nothing any more.
///
/// # Errors
/// 409 when it has ended meanwhile.
pub async fn abort(pool: &PgPool, copy: DatasetId) -> Result<(), ApiError> {
    let source = datasets::find(pool, copy)
        .await?
        .and_then(|copy| copy.source_dataset_id);
    let mut conn = pool.acquire().await?;
    let mut tx = conn.begin().await?;
    // The job's row first, as workers do.
    if lamina_jobs::cancel_of_subject(&mut tx, copy.as_uuid()).await? == 0 {
        return Err(ApiError::conflict("No enrichment is running"));
    }
    // A copy whose source is gone has nothing to give back; releasing the copy itself is without effect.
    let source = source.unwrap_or(copy);
    enrichment::end_badly(&mut tx, copy, source, EnrichmentStatus::Aborted, ABORTED).await?;
    Ok(tx.commit().await?)
}
