//! Phase `match`: which picture each row means, and which region each box is.

use lamina_jobs::{Completed, Next, Phase};
use lamina_store::annotation_imports::{self, MatchedBox};
use lamina_store::regions;
use lamina_types::{BoundingBox, BoundingBoxError};

use super::{AnnotateTask, CUT, TAKE};
use crate::PipelineError;

/// Boxes made regions at once.
const BOXES: u32 = 5_000;

pub(super) async fn run(task: &AnnotateTask<'_>) -> Result<Completed, PipelineError> {
    let (workshop, import) = (task.workshop, task.spec.import_id);
    let mut tx = workshop.pool.begin().await?;
    task.context.fence(&mut tx).await?;
    annotation_imports::begin(&mut *tx, import).await?;
    annotation_imports::match_pictures(&mut tx, task.dataset.id, import).await?;
    let mut after = -1_i64;
    let mut boxes = 0_usize;
    loop {
        let found = annotation_imports::boxes(&mut *tx, import, after, BOXES).await?;
        let Some(last) = found.last() else { break };
        after = last.n;
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for one in found {
            match region(&one) {
                Ok(area) => good.push((one.n, (one.content_id, area))),
                Err(error) => bad.push((one.n, error.to_string())),
            }
        }
        let areas: Vec<(i64, BoundingBox)> = good.iter().map(|(_, area)| *area).collect();
        let ids = regions::upsert(&mut tx, &areas).await?;
        let rows: Vec<(i64, i64)> = good.iter().map(|(n, _)| *n).zip(ids).collect();
        annotation_imports::set_regions(&mut *tx, import, &rows).await?;
        annotation_imports::set_problems(&mut *tx, import, &bad).await?;
        boxes += rows.len();
        task.context.tick();
    }
    let rows = annotation_imports::count(&mut *tx, import).await?;
    let next = if boxes > 0 {
        let rows = i64::try_from(rows).unwrap_or(i64::MAX);
        Phase::chunked(CUT, rows, workshop.chunk_files)
    } else {
        Phase::single(TAKE)
    };
    let completed = task.context.complete(&mut tx, Next::Phase(next)).await?;
    fail::fail_point!("annotate_matched_before_commit");
    tx.commit().await?;
    tracing::info!(dataset.id = %task.dataset.id, rows, boxes, "matched annotations with pictures");
    Ok(completed)
}

fn region(found: &MatchedBox) -> Result<BoundingBox, BoundingBoxError> {
    let [x, y, width, height] = found.area[..] else {
        return Err(BoundingBoxError::Empty);
    };
    if found.is_fractions {
        BoundingBox::from_fractions(x, y, width, height)
    } else {
        let [picture_width, picture_height] = found.size;
        BoundingBox::from_pixels([x, y, width, height], picture_width, picture_height)
    }
}
