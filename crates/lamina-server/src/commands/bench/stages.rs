//! CPU time of a picture by stage, on one thread, without database and disk.

use std::sync::Arc;
use std::time::Duration;

use lamina_explore::index_settings;
use lamina_index::{DEFAULT_EXACT_LIMIT, StopFlag, VectorBlock};
use lamina_inference::{CPU_BATCH, Lane};
use lamina_media::{DecodeLimits, content_hash};
use lamina_pipeline::ingest::prepare;
use lamina_pipeline::stages::{Stage, StageTimes};
use lamina_types::Embedding;
use serde::Serialize;

use super::pictures::Pictures;
use super::{header, index_encoder, process_cpu};
use crate::config::{DataOptions, InferenceOptions};
use crate::output;

/// What each stage takes.
#[derive(Serialize)]
pub struct StageCosts {
    cpu_ms_by_stage: Vec<(&'static str, f64)>,
    cpu_ms_per_picture: f64,
}

/// Runs pictures one after another, and the model over as many at once as an ingest gives it, so that CPU time is the time.
///
/// # Errors
/// The model does not start.
pub async fn measure(
    inference: &InferenceOptions,
    data: &DataOptions,
    count: usize,
) -> anyhow::Result<StageCosts> {
    let (encoders, encoder) = index_encoder(inference, data).await?;
    let spec = *encoder.input_spec();
    let limits = DecodeLimits::default();
    let stages = StageTimes::default();
    let mut embedding_time = Duration::ZERO;
    let mut embeddings: Vec<Embedding> = Vec::with_capacity(count);
    let pictures = Pictures::draw();
    let mut waiting = Vec::with_capacity(CPU_BATCH);
    for number in 0..count {
        let bytes = pictures.jpeg(number)?;
        std::hint::black_box(stages.run(Stage::Hash, || content_hash(&bytes)));
        let prepared = prepare(&bytes, &limits, &spec, &stages)
            .map_err(|rejection| anyhow::anyhow!("a generated picture was refused: {rejection}"))?;
        waiting.push(prepared.input);
        if waiting.len() < CPU_BATCH && number + 1 < count {
            continue;
        }
        let start = process_cpu();
        let answers = encoder
            .embed_images(Lane::Bulk, std::mem::take(&mut waiting))
            .await?;
        embedding_time += process_cpu().saturating_sub(start);
        embeddings.extend(answers.into_iter().flatten());
    }
    let settings = index_settings(encoder.bands(), DEFAULT_EXACT_LIMIT);
    let vectors = Arc::new(VectorBlock::from_embeddings(&embeddings)?);
    let start = process_cpu();
    lamina_index::build(
        header(encoder.key().clone()),
        vectors,
        &settings,
        &StopFlag::new(),
    )?;
    let index_time = process_cpu().saturating_sub(start);
    encoders.models().shutdown().await;

    let each = |time: Duration| time.as_secs_f64() * 1000.0 / count.max(1) as f64;
    let mut by_stage: Vec<(&'static str, f64)> = Stage::ALL
        .iter()
        .filter(|stage| !matches!(stage, Stage::Fetch | Stage::Crop))
        .map(|stage| (stage.as_str(), each(stages.of(*stage))))
        .collect();
    by_stage.push(("embed", each(embedding_time)));
    by_stage.push(("index_and_cluster", each(index_time)));
    Ok(StageCosts {
        cpu_ms_per_picture: by_stage.iter().map(|(_, ms)| ms).sum(),
        cpu_ms_by_stage: by_stage,
    })
}

impl StageCosts {
    /// A table for people.
    pub fn show(&self) {
        output::line(format_args!("{:<20} {:>10}", "stage", "CPU ms each"));
        for (stage, ms) in &self.cpu_ms_by_stage {
            output::line(format_args!("{stage:<20} {ms:>10.2}"));
        }
        output::line(format_args!(
            "{:<20} {:>10.2}",
            "sum", self.cpu_ms_per_picture
        ));
    }
}
