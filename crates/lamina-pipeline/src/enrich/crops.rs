//! Phase `crops`: each object of a chunk is cut out of its picture, measured, and shown to every model that has not seen it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use futures::StreamExt as _;
use lamina_jobs::{Completed, Phase};
use lamina_media::{MEASURES_VERSION, Picture, decode, measure};
use lamina_store::measures::ContentMeasures;
use lamina_store::media::{self, Media};
use lamina_store::objects::{self, ObjectCrop};
use lamina_store::{enrichment, regions, said, text_vectors};
use lamina_types::{BoundingBox, EnrichmentType, EntityType, INDEX_SLOT, Rejection};
use uuid::Uuid;

use super::chunk::{self, ChunkAnswers, LAST_TRY, account, ended_the_worker};
use super::looking::{Inputs, Looker, inputs_of, is_wanted, look, refused, specs_for};
use super::models::Task;
use super::pictures::damaged;
use super::texts::{self, NewTexts};
use super::{EnrichTask, originals, values};
use crate::PipelineError;
use crate::stages::Stage;
use crate::workshop::Workshop;

/// Pictures of a chunk whose pixels are in memory at once.
pub(super) const PICTURES_IN_FLIGHT: usize = 4;

/// Crops of one picture that are made ready at once.
const CROPS_AT_ONCE: usize = 8;

/// What came of the crops of one picture.
#[derive(Default)]
pub(super) struct Cut {
    pub(super) answers: Vec<(i64, super::looking::Answers)>,
    pub(super) measures: Vec<(i64, ContentMeasures)>,
}

pub(super) async fn run(task: &EnrichTask<'_>) -> Result<Completed, PipelineError> {
    let pool = &task.workshop.pool;
    let [first, end] = task.range();
    let crops = objects::range(pool, task.copy.id, first, end).await?;
    let mut regions: Vec<i64> = crops.iter().map(|crop| crop.region_id).collect();
    regions.sort_unstable();
    regions.dedup();
    let lookers = lookers(task, &regions).await?;
    let unmeasured = regions::unmeasured(pool, MEASURES_VERSION, &regions).await?;
    let unmeasured: HashSet<i64> = unmeasured.into_iter().collect();
    let mut answers = ChunkAnswers::default();
    let mut measures = Vec::new();
    let wanted = |region: i64| is_wanted(&lookers, region) || unmeasured.contains(&region);
    let mut by_picture: BTreeMap<u32, BTreeMap<i64, BoundingBox>> = BTreeMap::new();
    for crop in crops.iter().filter(|crop| wanted(crop.region_id)) {
        let areas = by_picture.entry(crop.media_ordinal).or_default();
        areas.insert(crop.region_id, crop.area);
    }
    if task.chunk.exhausted {
        for region in by_picture.values().flat_map(BTreeMap::keys) {
            answers.add(*region, refused(&lookers, *region, &ended_the_worker()));
        }
    } else {
        let ordinals: Vec<u32> = by_picture.keys().copied().collect();
        let pictures = media::by_ordinals(pool, task.copy.id, &ordinals).await?;
        let pictures: Vec<(Media, BTreeMap<i64, BoundingBox>)> =
            pictures.into_iter().zip(by_picture.into_values()).collect();
        let mut cut = futures::stream::iter(pictures)
            .map(|(media, areas)| {
                let (lookers, unmeasured) = (&lookers, &unmeasured);
                let is_last_try = task.chunk.attempt >= LAST_TRY;
                async move {
                    let wanted = (lookers.as_slice(), unmeasured);
                    cut(task.workshop, is_last_try, wanted, &media, areas).await
                }
            })
            .buffer_unordered(PICTURES_IN_FLIGHT);
        while let Some(cut) = cut.next().await {
            let cut = cut?;
            for (region, said) in cut.answers {
                answers.add(region, said);
            }
            measures.extend(cut.measures);
            task.context.tick();
        }
    }
    answers.check_models(&lookers)?;
    let texts = texts_of(task, &regions, &answers).await?;
    fail::fail_point!("enrich_crops_looked_at");
    let completed = write(task, &crops, &lookers, answers, (&measures, texts)).await?;
    for looker in &lookers {
        looker.learn(pool).await;
    }
    Ok(completed)
}

/// The encoder of the `INDEX` space and the models of the run; each loaded only if this chunk has anything for it.
async fn lookers(task: &EnrichTask<'_>, regions: &[i64]) -> Result<Vec<Looker>, PipelineError> {
    let (workshop, plan) = (task.workshop, &task.plan);
    let mut lookers = Vec::with_capacity(plan.objects.len() + 1);
    if let Some(position) = plan.crop_vectors {
        let lacking = regions::lacking(&workshop.pool, &plan.index, regions).await?;
        let names = (INDEX_SLOT, INDEX_SLOT);
        let looker = Looker::new(
            workshop,
            position,
            Task::Encode,
            names,
            &plan.index,
            (lacking, !task.chunk.exhausted),
        );
        lookers.push(looker.await?);
    }
    for placed in &plan.objects {
        let step = &placed.step;
        // The same package as for the `INDEX` vectors says the same thing: it is asked once.
        let is_asked = lookers.iter().any(|looker: &Looker| looker.key == step.key);
        let lacking = if is_asked {
            Vec::new()
        } else {
            regions::lacking(&workshop.pool, &step.key, regions).await?
        };
        let names = (step.enrichment_type.as_str(), step.slot.as_str());
        let looker = Looker::new(
            workshop,
            placed.position,
            Task::of(step.enrichment_type),
            names,
            &step.key,
            (lacking, !task.chunk.exhausted),
        );
        lookers.push(looker.await?);
    }
    Ok(lookers)
}

/// Cuts the areas out of one picture, which is decoded once for all of them.
///
/// # Errors
/// A model failed, and that is worth another try; the database, the disk.
pub(super) async fn cut(
    workshop: &Workshop,
    is_last_try: bool,
    (lookers, unmeasured): (&[Looker], &HashSet<i64>),
    media: &Media,
    areas: BTreeMap<i64, BoundingBox>,
) -> Result<Cut, PipelineError> {
    let nothing = |rejection: &Rejection| Cut {
        answers: areas
            .keys()
            .map(|region| (*region, refused(lookers, *region, rejection)))
            .collect(),
        measures: Vec::new(),
    };
    let slot = workshop.decode_slot().await;
    let bytes = match originals::fetch(workshop, media).await? {
        Ok(bytes) => bytes,
        Err(rejection) => return Ok(nothing(&rejection)),
    };
    let _memory = workshop.file_memory(bytes.len()).await;
    let (limits, stages) = (workshop.limits, Arc::clone(&workshop.stages));
    let decoded =
        tokio::task::spawn_blocking(move || stages.run(Stage::Decode, || decode(&bytes, &limits)))
            .await?;
    drop(slot);
    let picture = match decoded {
        Ok(picture) => Arc::new(picture),
        Err(rejection) => return Ok(nothing(&rejection)),
    };
    let mut all = Cut::default();
    let mut shown = futures::stream::iter(areas)
        .map(|(region, area)| {
            let picture = Arc::clone(&picture);
            let wants_measures = unmeasured.contains(&region);
            async move {
                let specs = specs_for(lookers, region);
                let prepared = prepare(workshop, picture, area, specs, wants_measures).await?;
                let (answers, measured) = match prepared {
                    Ok((inputs, measured)) => (look(lookers, inputs, is_last_try).await?, measured),
                    Err(rejection) => (refused(lookers, region, &rejection), None),
                };
                Ok::<_, PipelineError>((region, answers, measured))
            }
        })
        .buffer_unordered(CROPS_AT_ONCE);
    while let Some(one) = shown.next().await {
        let (region, answers, measured) = one?;
        all.answers.push((region, answers));
        all.measures
            .extend(measured.map(|measured| (region, measured)));
    }
    drop(shown);
    Ok(all)
}

type Prepared = (Inputs, Option<ContentMeasures>);

/// One crop: measured, and made ready for the models.
async fn prepare(
    workshop: &Workshop,
    picture: Arc<Picture>,
    area: BoundingBox,
    specs: Vec<(u32, lamina_media::InputSpec)>,
    wants_measures: bool,
) -> Result<Result<Prepared, Rejection>, PipelineError> {
    let _slot = workshop.decode_slot().await;
    let stages = Arc::clone(&workshop.stages);
    let prepared = tokio::task::spawn_blocking(move || {
        let crop = stages.run(Stage::Crop, || picture.crop(&area));
        let measured = wants_measures.then(|| stages.run(Stage::Measure, || measures_of(&crop)));
        let inputs = inputs_of(&specs, &crop, &stages).map_err(damaged)?;
        Ok((inputs, measured))
    });
    Ok(prepared.await?)
}

fn measures_of(crop: &Picture) -> ContentMeasures {
    let measured = measure(crop);
    ContentMeasures {
        version: MEASURES_VERSION,
        sharpness: measured.sharpness,
        luma_low: measured.luma_low,
        luma_high: measured.luma_high,
        blur_confidence: measured.blur_confidence,
        dark_confidence: measured.dark_confidence,
        bright_confidence: measured.bright_confidence,
        is_truncated: crop.is_truncated,
    }
}

/// Vectors of the captions that the objects of this chunk have, or are about to have.
async fn texts_of(
    task: &EnrichTask<'_>,
    regions: &[i64],
    answers: &ChunkAnswers,
) -> Result<Option<NewTexts>, PipelineError> {
    let pool = &task.workshop.pool;
    let captioner = task
        .plan
        .objects
        .iter()
        .find(|placed| placed.step.enrichment_type == EnrichmentType::CaptionObjects);
    let (Some(captioner), Some(key)) = (captioner, &task.readers.objects) else {
        return Ok(None);
    };
    let mut all =
        text_vectors::captions_of(pool, task.copy.id, EntityType::Objects, task.range()).await?;
    let known = regions::values(pool, &captioner.step.key, regions).await?;
    all.extend(known.values().filter_map(values::caption_of));
    all.extend(answers.captions(captioner.position));
    texts::read(task.workshop, task.copy.owner_id, key, &all).await
}

/// One transaction: every effect of the chunk, or none.
async fn write(
    task: &EnrichTask<'_>,
    crops: &[ObjectCrop],
    lookers: &[Looker],
    mut answers: ChunkAnswers,
    (measures, texts): (&[(i64, ContentMeasures)], Option<NewTexts>),
) -> Result<Completed, PipelineError> {
    let (copy, owner) = (task.copy.id, task.copy.owner_id);
    let mut tx = task.workshop.pool.begin().await?;
    task.context.fence(&mut tx).await?;
    let items: Vec<(Uuid, i64)> = crops
        .iter()
        .map(|crop| (crop.id.as_uuid(), crop.region_id))
        .collect();
    regions::put_measures(&mut *tx, measures).await?;
    let mut work = Vec::with_capacity(lookers.len());
    for looker in lookers {
        let said = answers.take(looker.position);
        values::keep_of_regions(&mut tx, &looker.key, said).await?;
        let (failures, done) = account(looker, &answers, &items);
        enrichment::put_failures(&mut *tx, copy, &failures).await?;
        work.push(done);
    }
    if let Some(step) = task.plan.step(EnrichmentType::CaptionObjects) {
        said::caption_objects(&mut *tx, copy, &step.key, task.range()).await?;
    }
    if let Some(texts) = texts {
        texts.keep(&mut tx, owner).await?;
    }
    let completed = match chunk::settle(task, &mut tx, &work).await? {
        Err(completed) => completed,
        Ok(closing) => {
            let next = Phase::single(task.last_phase());
            closing.start_phase(&mut tx, next).await?
        }
    };
    fail::fail_point!("enrich_crops_before_commit");
    tx.commit().await?;
    fail::fail_point!("enrich_crops_committed");
    Ok(completed)
}
