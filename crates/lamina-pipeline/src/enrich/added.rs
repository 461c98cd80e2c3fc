//! Media that are added to an enriched dataset are shown to the models that its other media were shown to.
//!
//! The phases are those of a run, over the ordinals of what was added, within the job of the addition. The media are there already:
//! whatever happens here, they stay.

use lamina_jobs::{ClaimedChunk, Completed, JobContext, Phase};
use lamina_store::datasets::Dataset;
use lamina_store::sqlx::PgPool;
use lamina_store::{enrichment, spaces};
use lamina_types::{DatasetId, EnrichSpec, EnrichStep, EntityType, Space, SpaceKey};

use super::plan::RunPlan;
use super::{
    CROPS, CaptionReaders, EnrichTask, OBJECTS, PICTURES, crops, objects, pictures, publish,
};
use crate::PipelineError;
use crate::publication::Publication;
use crate::workshop::Workshop;

/// Comes after the last model, whether they could be run or not.
pub(crate) const ENRICHED: &str = "enriched";

/// Whether a phase of an addition is about models.
pub(crate) fn is_phase(name: &str) -> bool {
    [PICTURES, OBJECTS, CROPS].contains(&name)
}

/// The phase in which models look at the pictures numbered from `first` to before `end`; none when the dataset was never enriched.
///
/// # Errors
/// The database.
pub(crate) async fn first_phase(
    workshop: &Workshop,
    dataset: DatasetId,
    (first, end): (u32, u32),
) -> Result<Option<Phase>, PipelineError> {
    let plan = plan(&workshop.pool, dataset).await?;
    let pictures = !plan.pictures.is_empty();
    let size = workshop.chunk_files;
    Ok(pictures.then(|| Phase::chunked_from(PICTURES, first.into(), end.into(), size)))
}

/// The models that the dataset was enriched with: the same packages with the same parameters, whatever slots are bound to now.
async fn plan(pool: &PgPool, dataset: DatasetId) -> Result<RunPlan, PipelineError> {
    let applied = enrichment::applied(pool, dataset).await?;
    let steps = applied.into_iter().filter_map(|model| {
        Some(EnrichStep {
            enrichment_type: model.enrichment_type.parse().ok()?,
            slot: model.slot,
            key: model.key,
        })
    });
    let spec = EnrichSpec {
        dataset_id: dataset,
        source_dataset_id: dataset,
        steps: steps.collect(),
        caption_text: None,
    };
    RunPlan::load(pool, &spec).await
}

/// Captions are compared with what those that are there are compared with.
async fn readers(pool: &PgPool, dataset: DatasetId) -> Result<CaptionReaders, PipelineError> {
    let of = async |entity| -> Result<Option<SpaceKey>, PipelineError> {
        let space = spaces::find(pool, dataset, entity, Space::CaptionText).await?;
        Ok(space.map(|space| space.key))
    };
    let pictures = of(EntityType::Images).await?;
    let objects = match of(EntityType::Objects).await? {
        Some(key) => Some(key),
        // There were no captions of objects yet.
        None => pictures.clone(),
    };
    Ok(CaptionReaders { pictures, objects })
}

/// What was added, and the chunk that is about it.
pub(crate) struct Added<'a> {
    pub(crate) workshop: &'a Workshop,
    pub(crate) dataset: &'a Dataset,
    /// Number of the first picture of the addition.
    pub(crate) first: u32,
    pub(crate) chunk: &'a ClaimedChunk,
    pub(crate) context: &'a JobContext,
}

impl<'a> Added<'a> {
    async fn task(&self) -> Result<EnrichTask<'a>, PipelineError> {
        let (pool, dataset) = (&self.workshop.pool, self.dataset.id);
        Ok(EnrichTask {
            workshop: self.workshop,
            plan: plan(pool, dataset).await?,
            readers: readers(pool, dataset).await?,
            copy: self.dataset,
            added_from: Some(self.first),
            chunk: self.chunk,
            context: self.context,
        })
    }

    /// Runs a chunk of one of the phases of [`is_phase`].
    ///
    /// # Errors
    /// A model that cannot be loaded or fails; the database, the disk.
    pub(crate) async fn run(&self) -> Result<Completed, PipelineError> {
        let task = self.task().await?;
        match self.chunk.phase.as_str() {
            PICTURES => pictures::run(&task).await,
            OBJECTS => objects::run(&task).await,
            _ => crops::run(&task).await,
        }
    }

    /// Derives the clusters of all objects, if objects were looked for.
    ///
    /// # Errors
    /// The database, the index.
    pub(crate) async fn index_objects(&self) -> Result<Option<Publication>, PipelineError> {
        Ok(publish::prepare(&self.task().await?).await?.0)
    }
}
