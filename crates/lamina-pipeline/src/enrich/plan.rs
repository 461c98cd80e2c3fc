//! The steps of a run with their places: those of pictures, the vectors of found objects, those of objects.

use lamina_store::spaces;
use lamina_store::sqlx::PgPool;
use lamina_types::{
    DatasetId, EnrichSpec, EnrichStep, EnrichmentType, EntityType, INDEX_SLOT, Space, SpaceKey,
};

use crate::PipelineError;

/// One step with its place among the rows of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) position: u32,
    pub(super) step: EnrichStep,
}

/// What a run does, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RunPlan {
    /// Shown whole pictures.
    pub(super) pictures: Vec<Placed>,
    /// Place of the vectors of objects, if objects are looked for.
    pub(super) crop_vectors: Option<u32>,
    /// Shown crops.
    pub(super) objects: Vec<Placed>,
    /// What the dataset is indexed with.
    pub(super) index: SpaceKey,
    /// Values per vector of that.
    pub(super) index_dimension: u32,
}

impl RunPlan {
    /// The plan of a job.
    ///
    /// # Errors
    /// The source was never indexed; the database.
    pub(super) async fn load(pool: &PgPool, spec: &EnrichSpec) -> Result<Self, PipelineError> {
        let index = match index_space(pool, spec.dataset_id).await? {
            Some(space) => Some(space),
            // Before the copy has its rows.
            None => index_space(pool, spec.source_dataset_id).await?,
        };
        let (key, dimension) = index.ok_or_else(|| {
            PipelineError::Hopeless("The dataset has no vectors, it was never indexed.".to_owned())
        })?;
        Ok(Self::new(&spec.steps, key, dimension))
    }

    fn new(steps: &[EnrichStep], index: SpaceKey, index_dimension: u32) -> Self {
        let of = |entity: EntityType| {
            let steps = steps.iter();
            steps.filter(move |step| step.enrichment_type.entity_type() == entity)
        };
        let mut positions = 0_u32..;
        let mut place = |step: &EnrichStep| Placed {
            position: positions.next().unwrap_or(u32::MAX),
            step: step.clone(),
        };
        let pictures: Vec<Placed> = of(EntityType::Images).map(&mut place).collect();
        let finds_objects = pictures
            .iter()
            .any(|placed| placed.step.enrichment_type == EnrichmentType::ObjectDetection);
        let crop_vectors = finds_objects.then(|| positions.next().unwrap_or(u32::MAX));
        let mut place = |step: &EnrichStep| Placed {
            position: positions.next().unwrap_or(u32::MAX),
            step: step.clone(),
        };
        Self {
            objects: of(EntityType::Objects).map(&mut place).collect(),
            pictures,
            crop_vectors,
            index,
            index_dimension,
        }
    }

    /// Rows of the run, in the order of their places: `(type, slot, key)`.
    pub(super) fn rows(&self) -> Vec<(&str, &str, &SpaceKey)> {
        let vectors = self
            .crop_vectors
            .map(|_| (INDEX_SLOT, INDEX_SLOT, &self.index));
        let pictures = self.pictures.iter().map(as_row);
        let objects = self.objects.iter().map(as_row);
        pictures.chain(vectors).chain(objects).collect()
    }

    /// The step of a type.
    pub(super) fn step(&self, kind: EnrichmentType) -> Option<&EnrichStep> {
        let all = self.pictures.iter().chain(&self.objects);
        all.map(|placed| &placed.step)
            .find(|step| step.enrichment_type == kind)
    }

    /// Whether objects have to be looked at one by one.
    pub(super) const fn looks_at_objects(&self) -> bool {
        self.crop_vectors.is_some() || !self.objects.is_empty()
    }
}

fn as_row(placed: &Placed) -> (&str, &str, &SpaceKey) {
    let step = &placed.step;
    (step.enrichment_type.as_str(), &step.slot, &step.key)
}

async fn index_space(
    pool: &PgPool,
    dataset: DatasetId,
) -> Result<Option<(SpaceKey, u32)>, PipelineError> {
    let space = spaces::find(pool, dataset, EntityType::Images, Space::Index).await?;
    Ok(space.map(|space| (space.key, space.dimension)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(kind: EnrichmentType) -> EnrichStep {
        EnrichStep {
            enrichment_type: kind,
            slot: kind.slot().id.to_owned(),
            key: key(),
        }
    }

    fn key() -> SpaceKey {
        SpaceKey {
            package: "p@1".to_owned(),
            parameters: String::new(),
        }
    }

    #[test]
    fn vectors_of_objects_come_between_finding_and_describing_them() {
        let steps = [
            EnrichmentType::CaptionObjects,
            EnrichmentType::CaptionImages,
            EnrichmentType::ObjectDetection,
        ];
        let plan = RunPlan::new(&steps.map(step), key(), 4);
        let kinds: Vec<&str> = plan.rows().iter().map(|row| row.0).collect();
        assert_eq!(
            kinds,
            [
                "CAPTION_IMAGES",
                "OBJECT_DETECTION",
                "INDEX",
                "CAPTION_OBJECTS"
            ]
        );
        assert_eq!(plan.crop_vectors, Some(2));
        assert_eq!(plan.objects[0].position, 3);
        assert!(plan.looks_at_objects());
    }

    #[test]
    fn what_was_found_before_is_not_looked_at_again() {
        let plan = RunPlan::new(&[step(EnrichmentType::ImageTagging)], key(), 4);
        assert!(!plan.looks_at_objects());
        assert_eq!(plan.step(EnrichmentType::CaptionImages), None);
    }
}
