//! Runs that go well: what a copy holds in the end, what is not done twice, who learns nothing.

use std::collections::BTreeSet;

use lamina_store::{annotations, enrichment, generations, media, objects, spaces};
use lamina_types::{DatasetStatus, EnrichmentStatus, EnrichmentType, EntityType, ServeMode, Space};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::world::{PICTURES, World, step};

const CAPTIONS: &str =
    "select count(*) from captions where dataset_id = $1 and entity_type = 'IMAGES'";
const OBJECT_CAPTIONS: &str =
    "select count(*) from captions where dataset_id = $1 and entity_type = 'OBJECTS'";
const LABELS: &str = "select count(*) from labels where dataset_id = $1";

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn every_type_at_once_and_again_without_a_look(pool: PgPool) {
    let world = World::new(pool);
    let ada = world.user("ada").await;
    let source = world.dataset(&ada, ServeMode::Copy).await;
    let copy = world.enriched(source, EnrichmentType::ALL).await;
    let shown = world.find(copy).await;
    // One file comes twice: two media, one content.
    assert_eq!(u64::from(shown.n_images), PICTURES + 1);
    assert!(shown.n_objects > PICTURES as u32, "{}", shown.n_objects);
    assert_eq!(shown.progress, 100.0);
    assert_eq!(world.count(CAPTIONS, copy).await, PICTURES as i64 + 1);
    assert_eq!(world.count(LABELS, copy).await, PICTURES as i64 + 1);
    assert_eq!(
        world.count(OBJECT_CAPTIONS, copy).await,
        i64::from(shown.n_objects)
    );
    let found: BTreeSet<(EntityType, Space)> = spaces::list(&world.pool, copy)
        .await
        .unwrap()
        .into_iter()
        .map(|space| (space.entity_type, space.space))
        .collect();
    let (images, boxes) = (EntityType::Images, EntityType::Objects);
    assert_eq!(
        found,
        BTreeSet::from([
            (images, Space::Index),
            (images, Space::MultimodelImage),
            (images, Space::CaptionText),
            (boxes, Space::Index),
            (boxes, Space::MultimodelObject),
            (boxes, Space::CaptionText),
        ])
    );
    let generation = generations::latest(&world.pool, copy, boxes, Space::Index)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (generation.count, generation.origin_dataset_id),
        (shown.n_objects, copy)
    );
    let of_pictures = generations::latest(&world.pool, copy, images, Space::Index)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(of_pictures.origin_dataset_id, source, "clusters are shared");
    let (_, status) = enrichment::context(&world.pool, copy).await.unwrap();
    assert_eq!(status, EnrichmentStatus::Completed);
    assert_eq!(
        enrichment::applied(&world.pool, copy).await.unwrap().len(),
        6
    );
    for step in enrichment::steps(&world.pool, copy).await.unwrap() {
        assert_eq!(
            step.units_done, step.units_total,
            "{}",
            step.enrichment_type
        );
        assert!(step.units_run > 0 && step.units_failed == 0);
    }
    world.assert_clean().await;
    // Each picture was looked at once by each model, the doubled one as well.
    assert_eq!(world.played.looks_of("CAPTION_IMAGES") as u64, PICTURES);

    let looks = world.played.all_looks();
    let again = world.enriched(source, EnrichmentType::ALL).await;
    assert_eq!(
        world.played.all_looks(),
        looks,
        "the second time no model is run"
    );
    assert_eq!(world.find(again).await.n_objects, shown.n_objects);
    let steps = enrichment::steps(&world.pool, again).await.unwrap();
    assert!(steps.iter().all(|step| step.units_run == 0));
    world.assert_clean().await;
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn progress_rises_and_is_100_only_in_the_end(pool: PgPool) {
    let world = World::new(pool);
    let ada = world.user("ada").await;
    let source = world.dataset(&ada, ServeMode::Copy).await;
    let steps = EnrichmentType::ALL.iter().map(|kind| step(*kind));
    let copy = world.ask(source, steps.collect()).await;
    let (runner, stop) = (world.runner(), CancellationToken::new());
    let mut seen = vec![world.find(copy).await.progress];
    while runner.run_one(&stop).await.unwrap() {
        let shown = world.find(copy).await;
        assert!(
            seen.last().is_none_or(|last| *last <= shown.progress),
            "{seen:?}"
        );
        assert_eq!(
            shown.progress == 100.0,
            shown.status == DatasetStatus::Ready
        );
        seen.push(shown.progress);
    }
    assert_eq!(seen.last(), Some(&100.0));
    let distinct: BTreeSet<u32> = seen.iter().map(|share| share.to_bits()).collect();
    assert!(distinct.len() > 8, "{seen:?}");
    // Pictures are done before the half, crops after: neither jumps to the end.
    assert!(
        seen.iter().any(|share| (10.0..60.0).contains(share)),
        "{seen:?}"
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn applying_a_type_again_replaces_it_in_the_new_copy_only(pool: PgPool) {
    let world = World::new(pool);
    let ada = world.user("ada").await;
    let source = world.dataset(&ada, ServeMode::Copy).await;
    let types = [
        EnrichmentType::CaptionImages,
        EnrichmentType::ObjectDetection,
        EnrichmentType::CaptionObjects,
    ];
    let first = world.enriched(source, &types).await;
    let ids = media::all_ids(&world.pool, first).await.unwrap();
    let ids: Vec<_> = ids.iter().map(|id| id.as_uuid()).collect();
    let said = || annotations::captions_of(&world.pool, first, EntityType::Images, &ids);
    let before = said().await.unwrap();
    // Another package for captions; objects are inherited.
    let mut other = step(EnrichmentType::CaptionImages);
    other.key.package = "other captioner".to_owned();
    let second = world.ask(first, vec![other]).await;
    world.work().await;
    assert_eq!(world.find(second).await.status, DatasetStatus::Ready);
    let applied = enrichment::applied(&world.pool, second).await.unwrap();
    let packages: Vec<&str> = applied
        .iter()
        .map(|model| model.key.package.as_str())
        .collect();
    assert_eq!(
        packages,
        ["other captioner", "CAPTION_OBJECTS", "OBJECT_DETECTION"]
    );
    assert_eq!(world.count(CAPTIONS, second).await, PICTURES as i64 + 1);
    assert_eq!(
        world.find(second).await.n_objects,
        world.find(first).await.n_objects
    );
    assert_eq!(
        world.count(OBJECT_CAPTIONS, second).await,
        world.count(OBJECT_CAPTIONS, first).await
    );
    let after = said().await.unwrap();
    assert_eq!(before, after, "the source keeps what it has");
    world.assert_clean().await;
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_copy_outlives_its_source(pool: PgPool) {
    let world = World::new(pool);
    let ada = world.user("ada").await;
    let source = world.dataset(&ada, ServeMode::Copy).await;
    let copy = world
        .enriched(source, &[EnrichmentType::ObjectDetection])
        .await;
    let access = datasets_access(&world, &ada, source).await;
    lamina_store::datasets::mark_deleted(&world.pool, &access)
        .await
        .unwrap();
    let spec = lamina_types::RemoveSpec { dataset_id: source };
    let job = lamina_jobs::NewJob::new(
        "remove",
        None,
        Some(source.as_uuid()),
        &spec,
        lamina_jobs::Phase::single("remove"),
    );
    let mut tx = world.pool.begin().await.unwrap();
    lamina_jobs::enqueue(&mut tx, job.unwrap()).await.unwrap();
    tx.commit().await.unwrap();
    world.work().await;
    assert_eq!(
        world
            .count("select count(*) from datasets where id = $1", source)
            .await,
        0
    );
    assert_eq!(world.find(copy).await.source_dataset_id, None);
    world.assert_clean().await;
    // It can be enriched again.
    let next = world
        .enriched(copy, &[EnrichmentType::CaptionObjects])
        .await;
    assert!(world.count(OBJECT_CAPTIONS, next).await > 0);
}

async fn datasets_access(
    world: &World,
    user: &lamina_store::users::User,
    id: lamina_types::DatasetId,
) -> lamina_store::datasets::DatasetAccess {
    lamina_store::datasets::access(&world.pool, Some(&user.principal()), id)
        .await
        .unwrap()
        .unwrap()
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn two_tenants_with_the_same_pictures_share_nothing_that_was_said(pool: PgPool) {
    let world = World::new(pool);
    let (ada, bob) = (world.user("ada").await, world.user("bob").await);
    let of_ada = world.dataset(&ada, ServeMode::Copy).await;
    let of_bob = world.dataset(&bob, ServeMode::Copy).await;
    world
        .enriched(of_ada, &[EnrichmentType::CaptionImages])
        .await;
    let (looks, texts) = (
        world.played.looks_of("CAPTION_IMAGES"),
        world.played.looks_of("sentences@1"),
    );
    world
        .enriched(of_bob, &[EnrichmentType::CaptionImages])
        .await;
    assert_eq!(world.played.looks_of("CAPTION_IMAGES"), 2 * looks);
    assert_eq!(world.played.looks_of("sentences@1"), 2 * texts);
    world.assert_clean().await;
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn two_workers_share_a_run_and_show_no_picture_twice(pool: PgPool) {
    let world = World::new(pool);
    let ada = world.user("ada").await;
    let source = world.dataset(&ada, ServeMode::Copy).await;
    let steps = [
        EnrichmentType::ObjectDetection,
        EnrichmentType::CaptionObjects,
    ];
    let copy = world.ask(source, steps.map(step).to_vec()).await;
    let (first, second) = (world.runner(), world.runner());
    let stop = CancellationToken::new();
    let ended = async {
        // Both work until the copy is at rest.
        while world.find(copy).await.status == DatasetStatus::Indexing {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    tokio::join!(first.run(stop.clone()), second.run(stop.clone()), ended);
    let shown = world.find(copy).await;
    assert_eq!(
        shown.status,
        DatasetStatus::Ready,
        "{:?}",
        shown.fatal_error_msg
    );
    let crops = objects::range(&world.pool, copy, 0, 1_000).await.unwrap();
    let regions: BTreeSet<i64> = crops.iter().map(|crop| crop.region_id).collect();
    // Crops of pictures with the same bytes are one region: whether both workers meet it at the same moment is up to them.
    let looks = world.played.looks_of("CAPTION_OBJECTS");
    assert!(
        (regions.len()..=crops.len()).contains(&looks),
        "each object once: {looks} looks at {} crops of {} regions",
        crops.len(),
        regions.len()
    );
    world.assert_clean().await;
}
