//! `lamina enrich`: models applied to a copy of a dataset.

use std::process::ExitCode;

use anyhow::Context as _;
use lamina_explore::{Encoders, ThresholdSense};
use lamina_http::enrich::{self, EnrichRequest, Wanted};
use lamina_store::enrichment::{self, ItemFailure};
use lamina_types::{DatasetId, DatasetStatus, EnrichmentType, Slot};
use tokio_util::sync::CancellationToken;

use crate::cli::EnrichArgs;
use crate::home::{Home, Stay};
use crate::model_side::ServerModels;
use crate::watch::{self, EndedEnrichment};
use crate::{engine, output, signals};

/// Failures that are counted for the summary.
const MOST_FAILURES: u32 = 1_000_000;

/// Begins the run; with `--wait` sees it through. When no server runs on the private database, this process does the work
/// itself.
///
/// # Errors
/// No such dataset or model; a dataset that is not READY; the database.
pub async fn run(args: EnrichArgs) -> anyhow::Result<ExitCode> {
    let stop = signals::stop_token()?;
    let home = Home::open(&args.data, &args.database, Stay::Visitor).await?;
    let outcome = enrich(&args, &home, &stop).await;
    stop.cancel();
    home.close().await;
    outcome
}

async fn enrich(
    args: &EnrichArgs,
    home: &Home,
    stop: &CancellationToken,
) -> anyhow::Result<ExitCode> {
    let wanted = args.models.iter().map(|text| wanted(text));
    let request = EnrichRequest::new(wanted.collect::<Result<_, _>>()?);
    let works_here = args.wait && home.is_alone();
    let encoders = if works_here {
        engine::start_encoders(&args.inference, home).await?
    } else {
        let (options, dir) = (args.inference.clone(), home.dir.clone());
        tokio::task::spawn_blocking(move || engine::load_models(&options, &dir)).await??
    };
    let workshop = engine::workshop(home, &encoders, &args.worker, &args.index)?;
    let models = ServerModels::new(workshop);
    let plan = enrich::plan(&models, &request).await?;
    let copy = enrich::begin(&home.pool, &models, args.dataset, plan).await?;
    if !args.wait {
        if args.json {
            output::json(&serde_json::json!({ "dataset_id": copy.id, "status": copy.status }))?;
        } else {
            output::line(format_args!("dataset {} is queued", copy.id));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let ended = if works_here {
        work_and_watch(args, home, &encoders, copy.id, stop).await?
    } else {
        watch::until_enriched(&home.pool, copy.id, !args.json, stop).await?
    };
    summarise(args, home, &ended).await?;
    Ok(if ended.dataset.status == DatasetStatus::Ready {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// `TYPE` or `TYPE=MODEL`.
fn wanted(text: &str) -> anyhow::Result<Wanted> {
    let (kind, model) = match text.split_once('=') {
        Some((kind, model)) => (kind, Some(model)),
        None => (text, None),
    };
    let known = || {
        let all: Vec<&str> = EnrichmentType::ALL
            .iter()
            .map(|known| known.as_str())
            .collect();
        format!("{kind:?} is none of {}", all.join(", "))
    };
    let enrichment_type: EnrichmentType = kind.parse().ok().with_context(known)?;
    let slot = match model {
        None => enrichment_type.slot(),
        Some(id) => Slot::find(id).with_context(|| format!("there is no model {id:?}"))?,
    };
    anyhow::ensure!(
        slot.enrichment_type == enrichment_type,
        "the model {} is for {}",
        slot.id,
        slot.enrichment_type
    );
    Ok(Wanted {
        enrichment_type,
        slot,
        prompt: None,
    })
}

/// Nobody else can be working on jobs: do it here.
async fn work_and_watch(
    args: &EnrichArgs,
    home: &Home,
    encoders: &Encoders,
    copy: DatasetId,
    stop: &CancellationToken,
) -> anyhow::Result<EndedEnrichment> {
    let explorer = engine::explorer(home, encoders, &args.index, ThresholdSense::default());
    let runner = engine::worker(home, &explorer, &args.worker, &args.index)?;
    let done = stop.child_token();
    let (ended, ()) = tokio::join!(
        async {
            let ended = watch::until_enriched(&home.pool, copy, !args.json, stop).await;
            done.cancel();
            ended
        },
        runner.run(done.clone())
    );
    encoders.models().shutdown().await;
    ended
}

async fn summarise(args: &EnrichArgs, home: &Home, ended: &EndedEnrichment) -> anyhow::Result<()> {
    let dataset = &ended.dataset;
    let failures = enrichment::failures(&home.pool, dataset.id, MOST_FAILURES).await?;
    if args.json {
        let steps: Vec<serde_json::Value> = ended
            .steps
            .iter()
            .map(|step| {
                serde_json::json!({
                    "type": step.enrichment_type, "package": step.key.package, "parameters": step.key.parameters,
                    "units": step.units_done, "run": step.units_run, "failed": step.units_failed,
                    "busy_seconds": step.busy_seconds,
                })
            })
            .collect();
        return output::json(&serde_json::json!({
            "dataset_id": dataset.id,
            "source_dataset_id": dataset.source_dataset_id,
            "name": dataset.display_name,
            "status": dataset.status,
            "fatal_error_msg": dataset.fatal_error_msg,
            "n_images": dataset.n_images,
            "n_objects": dataset.n_objects,
            "steps": steps,
            "failed": failures.len(),
            "seconds": ended.elapsed.as_secs_f64(),
        }));
    }
    output::line(format_args!(
        "dataset   {} ({})",
        dataset.id, dataset.display_name
    ));
    output::line(format_args!("status    {}", dataset.status));
    if let Some(message) = &dataset.fatal_error_msg {
        output::line(format_args!("reason    {message}"));
    }
    output::line(format_args!("pictures  {}", dataset.n_images));
    output::line(format_args!("objects   {}", dataset.n_objects));
    for step in &ended.steps {
        output::line(format_args!(
            "{:<26} {:>8} done, {} by running {}, {:.1} s",
            step.enrichment_type,
            step.units_done,
            step.units_run,
            step.key.package,
            step.busy_seconds
        ));
    }
    failed(&failures);
    output::line(format_args!(
        "time      {:.1} s",
        ended.elapsed.as_secs_f64()
    ));
    Ok(())
}

fn failed(failures: &[ItemFailure]) {
    let mut counts: std::collections::BTreeMap<(&str, &str), usize> = Default::default();
    for failure in failures {
        let key = (
            failure.enrichment_type.as_str(),
            failure.rejection.reason.as_str(),
        );
        *counts.entry(key).or_default() += 1;
    }
    for ((kind, reason), count) in counts {
        output::line(format_args!("left out  {count:>6} by {kind}: {reason}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_named_by_type_with_or_without_id() {
        let plain = wanted("CAPTION_IMAGES").unwrap();
        assert_eq!(plain.slot.id, "vl_image_captioner_v00");
        let named = wanted("CAPTION_IMAGES=vl_image_captioner_v00").unwrap();
        assert_eq!(named, plain);
        for bad in [
            "FACES",
            "CAPTION_IMAGES=yolo",
            "CAPTION_IMAGES=vl_object_detector_v00",
        ] {
            assert!(wanted(bad).is_err(), "{bad}");
        }
    }
}
