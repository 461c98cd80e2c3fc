//! Vectors and measures of boxes that are not from a model's run: those that people brought.

use std::collections::{BTreeMap, HashSet};

use futures::StreamExt as _;
use lamina_media::MEASURES_VERSION;
use lamina_store::measures::ContentMeasures;
use lamina_store::media::{self, Media};
use lamina_store::regions;
use lamina_store::sqlx::PgConnection;
use lamina_types::{BoundingBox, DatasetId, INDEX_SLOT, SpaceKey};

use super::chunk::{ChunkAnswers, LAST_TRY};
use super::crops::{PICTURES_IN_FLIGHT, cut};
use super::looking::{Looker, is_wanted};
use super::models::{Answer, Task};
use super::values;
use crate::PipelineError;
use crate::workshop::Workshop;

/// What came of some regions, to be kept in a transaction of the caller's.
pub(crate) struct Embedded {
    key: SpaceKey,
    vectors: Vec<(i64, Answer)>,
    measures: Vec<(i64, ContentMeasures)>,
}

/// Cuts out those regions that lack a vector of `key` or measures, each with the ordinal of a picture of `dataset` it lies on.
/// Regions that cannot be cut out are left without.
///
/// # Errors
/// The model failed on everything, or is not there; the database, the disk.
pub(crate) async fn embed(
    workshop: &Workshop,
    (dataset, key): (DatasetId, &SpaceKey),
    wanted: &[(u32, i64, BoundingBox)],
    attempt: i32,
    tick: impl Fn(),
) -> Result<Embedded, PipelineError> {
    let pool = &workshop.pool;
    let ids: Vec<i64> = wanted.iter().map(|(_, region, _)| *region).collect();
    let lacking = regions::lacking(pool, key, &ids).await?;
    let names = (INDEX_SLOT, INDEX_SLOT);
    let lookers = [Looker::new(workshop, 0, Task::Encode, names, key, (lacking, true)).await?];
    let unmeasured = regions::unmeasured(pool, MEASURES_VERSION, &ids).await?;
    let unmeasured: HashSet<i64> = unmeasured.into_iter().collect();
    let mut by_picture: BTreeMap<u32, BTreeMap<i64, BoundingBox>> = BTreeMap::new();
    for (picture, region, area) in wanted {
        if is_wanted(&lookers, *region) || unmeasured.contains(region) {
            by_picture
                .entry(*picture)
                .or_default()
                .insert(*region, *area);
        }
    }
    let ordinals: Vec<u32> = by_picture.keys().copied().collect();
    let mut areas = by_picture;
    let pictures: Vec<(Media, BTreeMap<i64, BoundingBox>)> =
        media::by_ordinals(pool, dataset, &ordinals)
            .await?
            .into_iter()
            .filter_map(|media| Some((areas.remove(&media.ordinal)?, media)))
            .map(|(areas, media)| (media, areas))
            .collect();
    let mut answers = ChunkAnswers::default();
    let mut measures = Vec::new();
    let mut cuts = futures::stream::iter(pictures)
        .map(|(media, areas)| {
            let wanted = (lookers.as_slice(), &unmeasured);
            async move { cut(workshop, attempt >= LAST_TRY, wanted, &media, areas).await }
        })
        .buffer_unordered(PICTURES_IN_FLIGHT);
    while let Some(cut) = cuts.next().await {
        let cut = cut?;
        for (region, said) in cut.answers {
            answers.add(region, said);
        }
        measures.extend(cut.measures);
        tick();
    }
    drop(cuts);
    answers.check_models(&lookers)?;
    Ok(Embedded {
        key: key.clone(),
        vectors: answers.take(0),
        measures,
    })
}

impl Embedded {
    /// Stores what came of the regions.
    ///
    /// # Errors
    /// The database.
    pub(crate) async fn keep(self, conn: &mut PgConnection) -> Result<(), PipelineError> {
        regions::put_measures(&mut *conn, &self.measures).await?;
        values::keep_of_regions(conn, &self.key, self.vectors).await
    }
}
