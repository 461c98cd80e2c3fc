//! What models would say about the first few pictures of a dataset (contract 2.6).

use std::collections::BTreeMap;

use lamina_api::{
    BoxInfo, EnrichmentPreview, EnrichmentPreviews, ErrorCode, SampleLabel, SampleObject,
    SampleObjectCaption, SampleResult,
};
use lamina_store::datasets::Dataset;

use crate::ApiError;
use crate::enrich::{self, EnrichRequest, Sample, SampleError};
use crate::links::Variant;
use crate::state::AppState;
use crate::views::Linker;

/// Pictures that are shown to the models.
const PICTURES: usize = 4;

/// Shows the first few pictures to the models.
///
/// # Errors
/// 409 for a dataset without content, or a type whose dependency is not part of the request; 422 as for a run.
pub(crate) async fn take(
    state: &AppState,
    dataset: &Dataset,
    request: &EnrichRequest,
    linker: &Linker,
) -> Result<EnrichmentPreviews, ApiError> {
    let plan = enrich::plan(state.models.as_ref(), request).await?;
    if !dataset.status.is_browsable() {
        return Err(ApiError::conflict(format!(
            "The dataset is {}, there is nothing to show to the models",
            dataset.status
        )));
    }
    // Found objects are not kept, so what looks at objects needs the detector in the same request.
    for one in &request.0 {
        let unmet = one
            .enrichment_type
            .dependencies()
            .iter()
            .find(|needed| !request.has(**needed));
        if let Some(needed) = unmet {
            return Err(ApiError::conflict(format!(
                "{} needs {needed} in the same request",
                one.enrichment_type
            )));
        }
    }
    let found = state
        .models
        .samples(dataset, &plan.steps, PICTURES)
        .await
        .map_err(refused)?;
    let previews = found.into_iter().map(|(media, results)| {
        let results: BTreeMap<String, SampleResult> = results
            .into_iter()
            .map(|(kind, sample)| (kind.as_str().to_owned(), shown(sample)))
            .collect();
        EnrichmentPreview {
            media_id: media.as_uuid(),
            media_uri: linker.link(media.as_uuid(), Variant::Original),
            results,
        }
    });
    Ok(EnrichmentPreviews {
        previews: previews.collect(),
    })
}

fn refused(error: SampleError) -> ApiError {
    match error {
        SampleError::Unusable(text) => ApiError::new(ErrorCode::Unavailable, text),
        SampleError::Store(error) => error.into(),
        SampleError::Model(_) => ApiError::plain(ErrorCode::Unavailable).with_cause(error),
    }
}

fn shown(sample: Sample) -> SampleResult {
    match sample {
        Sample::Caption(caption) => SampleResult::Caption { caption },
        Sample::Objects(objects) => SampleResult::Objects(
            objects
                .into_iter()
                .map(|(label, confidence, area)| SampleObject {
                    label,
                    confidence,
                    bounding_box: BoxInfo::from(area),
                })
                .collect(),
        ),
        Sample::ObjectCaptions(captions) => SampleResult::ObjectCaptions(
            captions
                .into_iter()
                .map(|(caption, area)| SampleObjectCaption {
                    caption,
                    bounding_box: BoxInfo::from(area),
                })
                .collect(),
        ),
        Sample::Tags(tags) => SampleResult::Labels(
            tags.into_iter()
                .map(|(label, confidence)| SampleLabel { label, confidence })
                .collect(),
        ),
        Sample::Vector(dimension) => SampleResult::Vector { dimension },
    }
}
