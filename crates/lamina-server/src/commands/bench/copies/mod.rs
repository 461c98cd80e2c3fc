//! Whether near-copies are found: groups at the shipped similarity against copies that were made on purpose.

mod judge;
mod making;

use std::path::PathBuf;
use std::sync::Arc;

use lamina_explore::index_settings;
use lamina_index::{DEFAULT_EXACT_LIMIT, StopFlag, VectorBlock, build};
use lamina_inference::{Lane, PictureEncoder};
use lamina_media::{DecodeLimits, decode, model_input};
use lamina_types::Embedding;

use self::judge::{Judgement, judge};
use self::making::{Origin, Originals};
use super::{header, index_encoder};
use crate::config::{DataOptions, InferenceOptions};
use crate::output;

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct CopiesBench {
    #[command(flatten)]
    inference: InferenceOptions,
    #[command(flatten)]
    data: DataOptions,
    /// A folder of photos to copy, instead of drawn scenes
    #[arg(long, value_name = "FOLDER")]
    photos: Option<PathBuf>,
    /// Originals at most
    #[arg(long, default_value_t = 200)]
    pictures: usize,
    /// Longest side of the originals in pixels; larger ones are reduced to it
    #[arg(long, default_value_t = 640)]
    side: u32,
    /// Print JSON
    #[arg(long, default_value_t = false, action = clap::ArgAction::SetTrue)]
    json: bool,
}

/// Makes the copies, groups them and prints.
///
/// # Errors
/// The model does not start, or the folder has no pictures.
pub async fn run(bench: CopiesBench) -> anyhow::Result<()> {
    let (encoders, encoder) = index_encoder(&bench.inference, &bench.data).await?;
    let judged = grouped(&bench, &encoder).await;
    encoders.models().shutdown().await;
    let judged = judged?;
    if bench.json {
        output::json(&judged)?;
    } else {
        judged.show();
    }
    Ok(())
}

async fn grouped(bench: &CopiesBench, encoder: &PictureEncoder) -> anyhow::Result<Judgement> {
    let originals = Originals::open(bench.photos.as_deref(), bench.pictures, bench.side)?;
    let (limits, spec) = (DecodeLimits::default(), *encoder.input_spec());
    let mut origins: Vec<Origin> = Vec::new();
    let mut embeddings: Vec<Embedding> = Vec::new();
    for number in 0..originals.count() {
        for (copy, bytes) in originals.with_copies(number)? {
            let picture = decode(&bytes, &limits)
                .map_err(|rejection| anyhow::anyhow!("a copy was refused: {rejection}"))?;
            let input = model_input(&picture, &spec)?;
            let answers = encoder.embed_images(Lane::Bulk, vec![input]).await?;
            embeddings.extend(answers.into_iter().flatten());
            origins.push(Origin { number, copy });
        }
    }
    anyhow::ensure!(
        origins.len() == embeddings.len(),
        "the model gave no vector for some pictures"
    );
    let settings = index_settings(encoder.bands(), DEFAULT_EXACT_LIMIT);
    let vectors = Arc::new(VectorBlock::from_embeddings(&embeddings)?);
    let built = build(
        header(encoder.key().clone()),
        vectors,
        &settings,
        &StopFlag::new(),
    )?;
    let groups = built.duplicates.groups(settings.duplicate_similarity);
    Ok(judge(&origins, &groups, settings.duplicate_similarity))
}
