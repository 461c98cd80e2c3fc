//! What models would say about a few pictures. Nothing is kept, and nothing that was kept before is used.

use lamina_inference::Lane;
use lamina_media::{Picture, decode, model_input};
use lamina_store::datasets::Dataset;
use lamina_store::media::{self, Media};
use lamina_types::{BoundingBox, EnrichStep, EnrichmentType, EntityType, MediaId};

use super::models::{Answer, FoundObject, ModelInput, PictureModel, Task};
use super::originals;
use crate::PipelineError;
use crate::workshop::Workshop;

/// Objects of one picture that are shown to the models of objects.
const OBJECTS: usize = 5;

/// What one step says about one picture.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// About the picture.
    OfPicture(Answer),
    /// About its surest objects.
    OfObjects(Vec<(BoundingBox, Answer)>),
}

/// What the steps say about one picture, by type.
pub type SaidOfPicture = Vec<(EnrichmentType, Said)>;

/// Shows the first `count` pictures of a dataset to the models of `steps`. Pictures that cannot be read are left out.
///
/// # Errors
/// [`PipelineError::Hopeless`] with a text for the user when a model cannot be loaded; a failing model; the database.
pub async fn samples(
    workshop: &Workshop,
    dataset: &Dataset,
    steps: &[EnrichStep],
    count: usize,
) -> Result<Vec<(MediaId, SaidOfPicture)>, PipelineError> {
    let mut models = Vec::with_capacity(steps.len());
    for step in steps {
        let task = Task::of(step.enrichment_type);
        let model = workshop.models.picture_model(task, &step.key).await?;
        models.push((step.enrichment_type, model));
    }
    let ordinals: Vec<u32> = (0..u32::try_from(count).unwrap_or(u32::MAX)).collect();
    let pictures = media::by_ordinals(&workshop.pool, dataset.id, &ordinals).await?;
    let mut all = Vec::with_capacity(pictures.len());
    for media in &pictures {
        let Some(picture) = open(workshop, media).await? else {
            continue;
        };
        let mut said = SaidOfPicture::new();
        let mut found: Vec<FoundObject> = Vec::new();
        for (kind, model) in &models {
            if kind.entity_type() == EntityType::Objects {
                let objects = ask_about_objects(model.as_ref(), &picture, &found).await?;
                said.push((*kind, Said::OfObjects(objects)));
            } else if let Some(answer) = ask(model.as_ref(), &picture).await? {
                if let Answer::Boxes(boxes) = &answer {
                    found.extend(boxes.iter().take(OBJECTS).cloned());
                }
                said.push((*kind, Said::OfPicture(answer)));
            }
        }
        all.push((media.id, said));
    }
    Ok(all)
}

async fn open(workshop: &Workshop, media: &Media) -> Result<Option<Picture>, PipelineError> {
    let _slot = workshop.decode_slot().await;
    let Ok(bytes) = originals::fetch(workshop, media).await? else {
        return Ok(None);
    };
    let limits = workshop.limits;
    Ok(tokio::task::spawn_blocking(move || decode(&bytes, &limits).ok()).await?)
}

async fn ask(model: &dyn PictureModel, picture: &Picture) -> Result<Option<Answer>, PipelineError> {
    let (spec, shown) = (*model.input_spec(), picture.clone());
    let (width, height) = (picture.width, picture.height);
    let tensor = tokio::task::spawn_blocking(move || model_input(&shown, &spec).ok()).await?;
    let Some(tensor) = tensor else {
        return Ok(None);
    };
    let input = ModelInput {
        tensor,
        width,
        height,
    };
    Ok(model.look(Lane::Interactive, input).await?.ok())
}

async fn ask_about_objects(
    model: &dyn PictureModel,
    picture: &Picture,
    found: &[FoundObject],
) -> Result<Vec<(BoundingBox, Answer)>, PipelineError> {
    let mut said = Vec::with_capacity(found.len());
    for object in found {
        let answer = ask(model, &picture.crop(&object.area)).await?;
        said.extend(answer.map(|answer| (object.area, answer)));
    }
    Ok(said)
}
