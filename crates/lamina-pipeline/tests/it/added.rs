//! Media added to an enriched dataset: shown to the models of the others, and kept whatever becomes of that.

use lamina_store::users::User;
use lamina_store::{datasets, enrichment, generations, objects};
use lamina_types::{
    DatasetId, DatasetStatus, EnrichmentType, EntityType, JobKind, ReindexSpec, ServeMode, Space,
};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::additions::{add, enqueue, folder};
use crate::played::Mood;
use crate::world::{PICTURES, World};

/// Media of the world's dataset: one picture comes twice.
const BEFORE: u32 = PICTURES as u32 + 1;
const ADDED: u32 = 6;

const CAPTIONS: &str =
    "select count(*) from captions where dataset_id = $1 and entity_type = 'IMAGES'";
const OBJECT_CAPTIONS: &str =
    "select count(*) from captions where dataset_id = $1 and entity_type = 'OBJECTS'";
const LABELS: &str = "select count(*) from labels where dataset_id = $1";
const FAILURES: &str = "select count(*) from enrichment_failures where dataset_id = $1";

/// Pictures that are enriched, and more of them in a folder.
async fn begun(world: &World, owner: &User) -> DatasetId {
    let source = world.dataset(owner, ServeMode::Copy).await;
    let copy = world.enriched(source, EnrichmentType::ALL).await;
    let path = folder(world, "more", 100..100 + u64::from(ADDED));
    add(world, owner, copy, path, false).await;
    copy
}

async fn reindexed(world: &World, owner: &User, id: DatasetId) {
    let from = [DatasetStatus::PartialIndex];
    let mut conn = world.pool.acquire().await.unwrap();
    datasets::move_status(&mut conn, id, &from, DatasetStatus::ReadOnly)
        .await
        .unwrap();
    drop(conn);
    let spec = ReindexSpec { dataset_id: id };
    enqueue(world, owner, id, JobKind::Reindex, spec).await;
    world.work().await;
    assert_eq!(world.find(id).await.status, DatasetStatus::Ready);
    // Of a READY dataset everything has to have its vector.
    world.assert_clean().await;
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn what_is_added_is_shown_to_the_models_of_the_others_and_nothing_else_is(pool: PgPool) {
    let world = World::new(pool);
    let ada = world.user("ada").await;
    let id = begun(&world, &ada).await;
    let before = world.find(id).await;
    let steps = enrichment::steps(&world.pool, id).await.unwrap();
    let looks = world.played.all_looks();

    // Part of the work: the media are there, and nobody else may change the dataset.
    let (runner, stop) = (world.runner(), CancellationToken::new());
    while world.find(id).await.n_images == BEFORE {
        assert!(runner.run_one(&stop).await.unwrap());
    }
    let seen = world.find(id).await;
    assert_eq!(
        (seen.status, seen.n_images, seen.n_objects),
        (DatasetStatus::ReadOnly, BEFORE + ADDED, before.n_objects)
    );
    world.assert_clean().await;
    world.work().await;
    let now = world.find(id).await;
    assert_eq!(
        (now.status, now.n_images, now.progress),
        (DatasetStatus::PartialIndex, BEFORE + ADDED, 100.0)
    );
    assert!(now.n_objects >= before.n_objects + ADDED);
    let all = i64::from(BEFORE + ADDED);
    assert_eq!(world.count(CAPTIONS, id).await, all);
    assert_eq!(world.count(LABELS, id).await, all);
    assert_eq!(
        world.count(OBJECT_CAPTIONS, id).await,
        i64::from(now.n_objects)
    );
    assert_eq!(world.count(FAILURES, id).await, 0);
    let row = generations::latest(&world.pool, id, EntityType::Objects, Space::Index);
    assert_eq!(row.await.unwrap().unwrap().count, now.n_objects);
    for kind in ["CAPTION_IMAGES", "IMAGE_TAGGING", "OBJECT_DETECTION"] {
        assert_eq!(
            world.played.looks_of(kind),
            looks[kind] + ADDED as usize,
            "{kind} saw the new pictures once"
        );
    }
    let after = enrichment::steps(&world.pool, id).await.unwrap();
    assert_eq!(after, steps, "the run that made the dataset is what it was");
    world.assert_clean().await;
    reindexed(&world, &ada, id).await;

    // As if all of them had been there from the beginning.
    let photos = world.photos.clone();
    for entry in fs_err::read_dir(photos.parent().unwrap().join("more")).unwrap() {
        let entry = entry.unwrap();
        let name = format!("z-{}", entry.file_name().to_str().unwrap());
        fs_err::copy(entry.path(), photos.join(name)).unwrap();
    }
    let source = world.dataset(&ada, ServeMode::Copy).await;
    let fresh = world.enriched(source, EnrichmentType::ALL).await;
    let regions = async |id| {
        let found = objects::range(&world.pool, id, 0, u32::MAX >> 1).await;
        let found = found.unwrap().into_iter();
        found
            .map(|one| (one.ordinal, one.media_ordinal, one.region_id))
            .collect::<Vec<_>>()
    };
    assert_eq!(regions(id).await, regions(fresh).await);
}

/// An addition while a model is in this mood, and another one when it is well again.
async fn survives(pool: PgPool, package: &str, mood: Mood) {
    let world = World::new(pool);
    let ada = world.user("ada").await;
    let id = begun(&world, &ada).await;
    let before = world.find(id).await;
    world.played.be(package, mood);
    world.work().await;
    let now = world.find(id).await;
    assert_eq!(
        (now.status, now.n_images, now.progress),
        (DatasetStatus::PartialIndex, BEFORE + ADDED, 100.0)
    );
    assert!(now.n_objects >= before.n_objects);
    world.assert_clean().await;
    // The next one is not in its way.
    world.played.be(package, Mood::Good);
    let path = folder(&world, "again", 200..202);
    add(&world, &ada, id, path, false).await;
    world.work().await;
    let last = world.find(id).await;
    assert_eq!(
        (last.status, last.n_images),
        (DatasetStatus::PartialIndex, BEFORE + ADDED + 2)
    );
    assert!(last.n_objects > now.n_objects);
    reindexed(&world, &ada, id).await;
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_model_of_pictures_that_cannot_be_had_takes_nothing_back(pool: PgPool) {
    survives(pool, "CAPTION_IMAGES", Mood::Broken).await;
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_model_of_objects_that_cannot_be_had_takes_nothing_back(pool: PgPool) {
    survives(pool, "CAPTION_OBJECTS", Mood::Broken).await;
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_model_that_fails_on_everything_takes_nothing_back(pool: PgPool) {
    survives(pool, "OBJECT_DETECTION", Mood::Fails(1)).await;
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_model_that_has_no_opinion_of_anything_takes_nothing_back(pool: PgPool) {
    survives(pool, "MULTIMODEL_OBJECT_ENCODING", Mood::Refuses(1)).await;
}
