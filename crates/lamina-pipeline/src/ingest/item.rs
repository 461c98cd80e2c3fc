//! One file on its way through an ingest: fetched, named by its hash, decoded once, stored, embedded.

use std::path::PathBuf;
use std::sync::Arc;

use lamina_index::encode_vector;
use lamina_inference::{Lane, PictureEncoder};
use lamina_media::{MEASURES_VERSION, content_hash};
use lamina_store::contents::{self, KnownContent, NewContent};
use lamina_store::measures::ContentMeasures;
use lamina_types::{ContentHash, RejectReason, Rejection, ServeMode, UserId};

use crate::PipelineError;
use crate::ingest::prepare::{Prepared, prepare};
use crate::sources::{FetchError, Fetched, MediaSource};
use crate::stages::Stage;
use crate::workshop::Workshop;

/// The verdict on one file.
#[derive(Debug)]
pub enum Verdict {
    /// Everything about this content is stored already.
    Known(KnownContent),
    /// New pixels, with all that was derived from them.
    New(Box<NewPicture>),
    /// A row for the report.
    Rejected(Rejection),
}

/// A picture that was not known before.
#[derive(Debug)]
pub struct NewPicture {
    /// Its row.
    pub content: NewContent,
    /// Its measures.
    pub measures: ContentMeasures,
    /// Its vector, as stored.
    pub vector: Vec<u8>,
}

/// How the files of one job are to be handled.
#[derive(Clone)]
pub struct Files {
    /// Where they are.
    pub source: Arc<dyn MediaSource>,
    /// What makes the vectors of the `INDEX` space.
    pub encoder: PictureEncoder,
    /// The tenant.
    pub owner: UserId,
    /// Whether originals are copied.
    pub serve_mode: ServeMode,
    /// A storage error makes the file unreadable instead of being tried again: it was tried often enough.
    pub is_last_try: bool,
}

/// Handles one file.
///
/// # Errors
/// The store, the model or the source's storage failed; nothing that is the file's own fault.
pub async fn handle(
    workshop: &Workshop,
    files: &Files,
    source_key: String,
) -> Result<(Verdict, Option<PathBuf>), PipelineError> {
    // A file that is waited for must not keep others from the processor.
    let slot = if files.source.is_elsewhere() {
        None
    } else {
        workshop.decode_slot().await
    };
    let fetched = match fetch(workshop, files, source_key).await? {
        Ok(fetched) => fetched,
        Err(rejection) => return Ok((Verdict::Rejected(rejection), None)),
    };
    let (Fetched { bytes, path }, hash) = fetched;
    let keep_original = files.serve_mode == ServeMode::Copy || path.is_none();
    let slot = match slot {
        Some(slot) => Some(slot),
        None => workshop.decode_slot().await,
    };
    let _memory = workshop.file_memory(bytes.len()).await;

    let key = files.encoder.key();
    let known =
        contents::known(&workshop.pool, files.owner, &[hash], key, MEASURES_VERSION).await?;
    if let Some(known) = known
        .into_iter()
        .find(|known| is_complete(known, keep_original))
    {
        return Ok((Verdict::Known(known), path));
    }

    let prepared = {
        let (workshop, bytes) = (workshop.clone(), bytes.clone());
        let spec = *files.encoder.input_spec();
        tokio::task::spawn_blocking(move || {
            prepare(&bytes, &workshop.limits, &spec, &workshop.stages)
        })
        .await?
    };
    drop(slot);
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(rejection) => return Ok((Verdict::Rejected(rejection), path)),
    };

    let content = NewContent {
        hash,
        byte_size: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
        format: prepared.format.as_str().to_owned(),
        width: prepared.width,
        height: prepared.height,
        has_original: keep_original,
    };
    let measures = content_measures(&prepared);
    // Pixels first, rows later: a crash in between leaves a file without a row, which is collected, never the reverse.
    let store = async {
        if keep_original {
            workshop.blobs.put_content(files.owner, hash, bytes).await?;
        }
        workshop
            .blobs
            .put_thumbnail(files.owner, hash, prepared.thumbnail.into())
            .await
    };
    let embed = files.encoder.embed_images(Lane::Bulk, vec![prepared.input]);
    let (stored, embedded) = tokio::join!(store, embed);
    stored?;
    let verdict = match embedded?.into_iter().next() {
        Some(Ok(embedding)) => Verdict::New(Box::new(NewPicture {
            content,
            measures,
            vector: encode_vector(&embedding),
        })),
        Some(Err(error)) => {
            Verdict::Rejected(Rejection::new(RejectReason::NoEmbedding, error.to_string()))
        }
        None => Verdict::Rejected(Rejection::new(
            RejectReason::NoEmbedding,
            "the model gave no answer",
        )),
    };
    Ok((verdict, path))
}

type Named = (Fetched, ContentHash);

async fn fetch(
    workshop: &Workshop,
    files: &Files,
    source_key: String,
) -> Result<Result<Named, Rejection>, PipelineError> {
    let (source, stages) = (Arc::clone(&files.source), Arc::clone(&workshop.stages));
    let max_bytes = workshop.limits.max_bytes;
    let outcome = tokio::task::spawn_blocking(move || {
        let fetched = stages.run(Stage::Fetch, || source.fetch(&source_key, max_bytes))?;
        let hash = stages.run(Stage::Hash, || content_hash(&fetched.bytes));
        Ok((fetched, hash))
    })
    .await?;
    match outcome {
        Ok(named) => Ok(Ok(named)),
        Err(FetchError::Rejected(rejection)) => Ok(Err(rejection)),
        Err(FetchError::Io(error)) if files.is_last_try => Ok(Err(Rejection::new(
            RejectReason::Unreadable,
            error.kind().to_string(),
        ))),
        Err(error @ FetchError::Io(_)) => Err(PipelineError::Fetch(error)),
    }
}

const fn is_complete(known: &KnownContent, needs_original: bool) -> bool {
    known.has_measures && known.has_output && (known.has_original || !needs_original)
}

fn content_measures(prepared: &Prepared) -> ContentMeasures {
    let measures = &prepared.measures;
    ContentMeasures {
        version: MEASURES_VERSION,
        sharpness: measures.sharpness,
        luma_low: measures.luma_low,
        luma_high: measures.luma_high,
        blur_confidence: measures.blur_confidence,
        dark_confidence: measures.dark_confidence,
        bright_confidence: measures.bright_confidence,
        is_truncated: prepared.is_truncated,
    }
}
