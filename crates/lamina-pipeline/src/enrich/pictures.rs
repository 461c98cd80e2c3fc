//! Phase `pictures`: each picture of a chunk is decoded once for all models that have not seen it.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use lamina_jobs::{Completed, Phase};
use lamina_media::{MediaError, decode};
use lamina_store::media::{self, Media};
use lamina_store::sqlx::PgConnection;
use lamina_store::{enrichment, outputs, said, text_vectors};
use lamina_types::{EnrichmentType, EntityType, RejectReason, Rejection};
use uuid::Uuid;

use super::chunk::{self, ChunkAnswers, LAST_TRY, account, ended_the_worker};
use super::looking::{Answers, Looker, inputs_of, is_wanted, look, refused, specs_for};
use super::models::Task;
use super::texts::{self, NewTexts};
use super::{CROPS, EnrichTask, OBJECTS, originals, values};
use crate::PipelineError;
use crate::stages::Stage;

/// Pictures of a chunk under way at once: enough to keep decoders and models busy.
const IN_FLIGHT: usize = 16;

pub(super) async fn run(task: &EnrichTask<'_>) -> Result<Completed, PipelineError> {
    let workshop = task.workshop;
    let [first, end] = task.range();
    let ordinals: Vec<u32> = (first..end).collect();
    let pictures = media::by_ordinals(&workshop.pool, task.copy.id, &ordinals).await?;
    let lookers = lookers(task, &pictures).await?;
    let mut answers = ChunkAnswers::default();
    let unseen = unseen(&pictures, &lookers);
    if task.chunk.exhausted {
        for media in &unseen {
            let content = media.content_id;
            answers.add(content, refused(&lookers, content, &ended_the_worker()));
        }
    } else {
        let mut looked_at = futures::stream::iter(unseen)
            .map(|media| {
                let lookers = &lookers;
                async move { (media.content_id, show(task, lookers, &media).await) }
            })
            .buffer_unordered(IN_FLIGHT);
        while let Some((content, looked)) = looked_at.next().await {
            answers.add(content, looked?);
            task.context.tick();
        }
    }
    answers.check_models(&lookers)?;
    let texts = texts_of(task, &pictures, &answers).await?;
    fail::fail_point!("enrich_pictures_looked_at");
    let completed = write(task, &pictures, &lookers, answers, texts).await?;
    for looker in &lookers {
        looker.learn(&workshop.pool).await;
    }
    Ok(completed)
}

/// The pictures that a model has to look at, one of each content: the same picture twice in a chunk is looked at once.
fn unseen(pictures: &[Media], lookers: &[Looker]) -> Vec<Media> {
    let by_content: BTreeMap<i64, &Media> = pictures
        .iter()
        .map(|media| (media.content_id, media))
        .collect();
    by_content
        .into_values()
        .filter(|media| is_wanted(lookers, media.content_id))
        .cloned()
        .collect()
}

/// The models of the run; each loaded only if this chunk has anything that it has not seen.
async fn lookers(task: &EnrichTask<'_>, pictures: &[Media]) -> Result<Vec<Looker>, PipelineError> {
    let mut contents: Vec<i64> = pictures.iter().map(|media| media.content_id).collect();
    contents.sort_unstable();
    contents.dedup();
    let mut lookers = Vec::with_capacity(task.plan.pictures.len());
    for placed in &task.plan.pictures {
        let step = &placed.step;
        let kind = step.enrichment_type;
        let lacking = outputs::lacking(&task.workshop.pool, &step.key, &contents).await?;
        let names = (kind.as_str(), step.slot.as_str());
        let looker = Looker::new(
            task.workshop,
            placed.position,
            Task::of(kind),
            names,
            &step.key,
            (lacking, !task.chunk.exhausted),
        );
        lookers.push(looker.await?);
    }
    Ok(lookers)
}

/// What the models say of one picture.
async fn show(
    task: &EnrichTask<'_>,
    lookers: &[Looker],
    media: &Media,
) -> Result<Answers, PipelineError> {
    let workshop = task.workshop;
    let slot = workshop.decode_slot().await;
    let bytes = match originals::fetch(workshop, media).await? {
        Ok(bytes) => bytes,
        Err(rejection) => return Ok(refused(lookers, media.content_id, &rejection)),
    };
    let _memory = workshop.file_memory(bytes.len()).await;
    let (limits, stages) = (workshop.limits, workshop.stages.clone());
    let specs = specs_for(lookers, media.content_id);
    let prepared = tokio::task::spawn_blocking(move || {
        let picture = stages.run(Stage::Decode, || decode(&bytes, &limits))?;
        inputs_of(&specs, &picture, &stages).map_err(damaged)
    })
    .await?;
    drop(slot);
    match prepared {
        Ok(inputs) => look(lookers, inputs, task.chunk.attempt >= LAST_TRY).await,
        Err(rejection) => Ok(refused(lookers, media.content_id, &rejection)),
    }
}

pub(super) fn damaged(error: MediaError) -> Rejection {
    Rejection::new(RejectReason::Damaged, error.to_string())
}

/// Vectors of the captions that the pictures of this chunk have, or are about to have.
async fn texts_of(
    task: &EnrichTask<'_>,
    pictures: &[Media],
    answers: &ChunkAnswers,
) -> Result<Option<NewTexts>, PipelineError> {
    let pool = &task.workshop.pool;
    let captioner = task
        .plan
        .pictures
        .iter()
        .find(|placed| placed.step.enrichment_type == EnrichmentType::CaptionImages);
    let (Some(captioner), Some(key)) = (captioner, &task.readers.pictures) else {
        return Ok(None);
    };
    let contents: Vec<i64> = pictures.iter().map(|media| media.content_id).collect();
    let mut all =
        text_vectors::captions_of(pool, task.copy.id, EntityType::Images, task.range()).await?;
    let known = outputs::values(pool, &captioner.step.key, &contents).await?;
    all.extend(known.values().filter_map(values::caption_of));
    all.extend(answers.captions(captioner.position));
    texts::read(task.workshop, task.copy.owner_id, key, &all).await
}

/// One transaction: every effect of the chunk, or none.
async fn write(
    task: &EnrichTask<'_>,
    pictures: &[Media],
    lookers: &[Looker],
    mut answers: ChunkAnswers,
    texts: Option<NewTexts>,
) -> Result<Completed, PipelineError> {
    let (copy, owner) = (task.copy.id, task.copy.owner_id);
    let mut tx = task.workshop.pool.begin().await?;
    task.context.fence(&mut tx).await?;
    fail::fail_point!("enrich_pictures_fenced");
    let items: Vec<(Uuid, i64)> = pictures
        .iter()
        .map(|media| (media.id.as_uuid(), media.content_id))
        .collect();
    let mut work = Vec::with_capacity(lookers.len());
    for looker in lookers {
        let said = answers.take(looker.position);
        values::keep_of_contents(&mut tx, &looker.key, said).await?;
        let (failures, done) = account(looker, &answers, &items);
        enrichment::put_failures(&mut *tx, copy, &failures).await?;
        work.push(done);
    }
    say(task, &mut tx).await?;
    if let Some(texts) = texts {
        texts.keep(&mut tx, owner).await?;
    }
    let completed = match chunk::settle(task, &mut tx, &work).await? {
        Err(completed) => completed,
        Ok(closing) => closing.start_phase(&mut tx, next(task)).await?,
    };
    fail::fail_point!("enrich_pictures_before_commit");
    tx.commit().await?;
    fail::fail_point!("enrich_pictures_committed");
    Ok(completed)
}

/// What was said, now or at any time before, as captions and labels of the copy.
async fn say(task: &EnrichTask<'_>, conn: &mut PgConnection) -> Result<(), PipelineError> {
    let (copy, range) = (task.copy.id, task.range());
    if let Some(step) = task.plan.step(EnrichmentType::CaptionImages) {
        said::caption_media(&mut *conn, copy, &step.key, range).await?;
    }
    if let Some(step) = task.plan.step(EnrichmentType::ImageTagging) {
        said::label_media(&mut *conn, copy, &step.key, range).await?;
    }
    Ok(())
}

fn next(task: &EnrichTask<'_>) -> Phase {
    if task.plan.crop_vectors.is_some() {
        return Phase::single(OBJECTS);
    }
    // Pictures that were added have no objects yet.
    let objects = match task.added_from {
        None if task.plan.looks_at_objects() => i64::from(task.copy.n_objects),
        None | Some(_) => 0,
    };
    if objects > 0 {
        return Phase::chunked(CROPS, objects, task.workshop.chunk_files);
    }
    Phase::single(task.last_phase())
}
