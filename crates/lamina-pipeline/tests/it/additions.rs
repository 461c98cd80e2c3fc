//! Media added to a dataset, clusters derived anew, and the way back by snapshots.

use lamina_index::{ExpectedGeneration, Generation};
use lamina_jobs::{NewJob, Phase};
use lamina_store::users::User;
use lamina_store::{additions, datasets, generations, media, snapshots, spaces, tags};
use lamina_testkit::pictures::picture;
use lamina_types::{
    AddSpec, CloneSpec, DatasetId, DatasetStatus, EntityType, IngestSource, JobKind, ReindexSpec,
    RestoreSpec, ServeMode, SnapshotReason, SourceType, Space, TagId,
};
use sqlx::PgPool;
use uuid::Uuid;

use crate::world::{PICTURES, World};

/// Pictures of the world's dataset: one comes twice.
const BEFORE: u32 = PICTURES as u32 + 1;

/// Enough for clusters to be kept instead of derived anew.
const MANY: u64 = 60;

pub async fn enqueue(
    world: &World,
    owner: &User,
    id: DatasetId,
    kind: JobKind,
    spec: impl serde::Serialize,
) {
    let job = NewJob::new(
        kind.as_str(),
        Some(owner.id.as_uuid()),
        Some(id.as_uuid()),
        &spec,
        Phase::single(kind.first_phase()),
    );
    let mut tx = world.pool.begin().await.unwrap();
    lamina_jobs::enqueue(&mut tx, job.unwrap()).await.unwrap();
    tx.commit().await.unwrap();
}

/// A folder beside the others with these pictures.
pub fn folder(world: &World, name: &str, numbers: std::ops::Range<u64>) -> String {
    let path = world.photos.parent().unwrap().join(name);
    fs_err::create_dir_all(&path).unwrap();
    for number in numbers {
        fs_err::write(
            path.join(format!("{number:03}.jpg")),
            picture(number).unwrap(),
        )
        .unwrap();
    }
    path.to_str().unwrap().to_owned()
}

/// Asks for an addition of a folder, as the API does.
pub async fn add(world: &World, owner: &User, id: DatasetId, path: String, auto_reindex: bool) {
    let mut tx = world.pool.begin().await.unwrap();
    let begun = additions::begin(&mut tx, id).await.unwrap();
    tx.commit().await.unwrap();
    let spec = AddSpec {
        dataset_id: id,
        batch: begun.batch,
        batch_id: Uuid::now_v7(),
        source: IngestSource::Folder { path: path.clone() },
        roots: vec![path],
        serve_mode: ServeMode::Copy,
        auto_reindex,
        previous: begun.previous,
    };
    enqueue(world, owner, id, JobKind::Add, spec).await;
}

async fn generation(world: &World, id: DatasetId) -> Generation {
    let (images, index) = (EntityType::Images, Space::Index);
    let space = spaces::find(&world.pool, id, images, index)
        .await
        .unwrap()
        .unwrap();
    let row = generations::latest(&world.pool, id, images, index)
        .await
        .unwrap()
        .unwrap();
    let expected: ExpectedGeneration = lamina_explore::generations::expectation(&row, &space);
    let bytes = world.blobs.get(&row.blob_key).await.unwrap();
    Generation::decode(&bytes, &expected).unwrap()
}

async fn dataset_of(world: &World, owner: &User, path: String) -> DatasetId {
    let source = IngestSource::Folder { path: path.clone() };
    let id = world.begin(owner, source, vec![path]).await;
    world.work().await;
    assert_eq!(world.find(id).await.status, DatasetStatus::Ready);
    id
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn added_media_are_in_clusters_at_once_and_a_reindex_is_a_fresh_build(pool: PgPool) {
    let world = World::new(pool);
    let ada = world.user("ada").await;
    let id = dataset_of(&world, &ada, folder(&world, "first", 0..MANY)).await;
    let before = generation(&world, id).await;
    let ids = media::all_ids(&world.pool, id).await.unwrap();

    // Some are new, one is a copy of the first.
    let path = folder(&world, "second", 100..108);
    fs_err::write(format!("{path}/copy.jpg"), picture(0).unwrap()).unwrap();
    fs_err::write(format!("{path}/no-picture.jpg"), b"x").unwrap();
    add(&world, &ada, id, path, false).await;
    assert_eq!(world.find(id).await.status, DatasetStatus::ReadOnly);
    world.work().await;
    let dataset = world.find(id).await;
    assert_eq!(
        (dataset.status, dataset.n_images, dataset.progress),
        (DatasetStatus::PartialIndex, MANY as u32 + 9, 100.0),
        "{:?}",
        dataset.fatal_error_msg
    );
    let now = media::all_ids(&world.pool, id).await.unwrap();
    assert_eq!(now[..MANY as usize], ids[..], "media keep their ids");
    let placed = generation(&world, id).await;
    for (old, new) in before.levels.iter().zip(&placed.levels) {
        assert_eq!(old[..], new[..MANY as usize], "nothing was clustered anew");
        // Listed behind the others by its name.
        assert_eq!(
            new[MANY as usize + 8],
            new[0],
            "the copy is where its original is"
        );
    }
    assert_eq!(placed.duplicate_groups(1.0)[MANY as usize + 8], 0);
    world.assert_clean().await;

    datasets::move_status(
        &mut world.pool.acquire().await.unwrap(),
        id,
        &[DatasetStatus::PartialIndex],
        DatasetStatus::ReadOnly,
    )
    .await
    .unwrap();
    enqueue(
        &world,
        &ada,
        id,
        JobKind::Reindex,
        ReindexSpec { dataset_id: id },
    )
    .await;
    world.work().await;
    assert_eq!(world.find(id).await.status, DatasetStatus::Ready);
    let anew = generation(&world, id).await;
    let header = anew.header.clone();
    let fresh = lamina_index::build(
        header,
        std::sync::Arc::clone(&anew.vectors),
        &anew.settings,
        &lamina_index::StopFlag::new(),
    );
    assert_eq!(anew, fresh.unwrap(), "as a fresh build");
    world.assert_clean().await;
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn an_addition_may_reindex_at_once_and_one_that_fails_changes_nothing(pool: PgPool) {
    let world = World::new(pool);
    let ada = world.user("ada").await;
    let id = world.dataset(&ada, ServeMode::Copy).await;
    add(&world, &ada, id, folder(&world, "more", 100..103), true).await;
    world.work().await;
    let dataset = world.find(id).await;
    assert_eq!(
        (dataset.status, dataset.n_images),
        (DatasetStatus::Ready, BEFORE + 3)
    );

    let bad = folder(&world, "bad", 0..0);
    fs_err::write(format!("{bad}/no-picture.jpg"), b"x").unwrap();
    for path in [bad, folder(&world, "empty", 0..0), "/nowhere".to_owned()] {
        add(&world, &ada, id, path, false).await;
        world.work().await;
        let dataset = world.find(id).await;
        assert_eq!(
            (dataset.status, dataset.n_images),
            (DatasetStatus::Ready, BEFORE + 3)
        );
        assert_eq!(dataset.fatal_error_msg, None);
        world.assert_clean().await;
    }
    let failed: Vec<String> = sqlx::query_scalar(
        "select error_message from job_states where state = 'failed' order by updated_at",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    assert_eq!(failed.len(), 3);
    assert!(failed[0].contains("None of the 1 files"), "{failed:?}");
    // The next one has a number of its own.
    add(&world, &ada, id, folder(&world, "last", 110..111), false).await;
    world.work().await;
    let numbers: Vec<i32> =
        sqlx::query_scalar("select distinct batch from media where dataset_id = $1 order by batch")
            .bind(id.as_uuid())
            .fetch_all(&world.pool)
            .await
            .unwrap();
    assert_eq!(numbers, [0, 1, 5]);
    assert_eq!(world.find(id).await.status, DatasetStatus::PartialIndex);
    world.assert_clean().await;
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_snapshot_brings_a_dataset_back_and_becomes_another(pool: PgPool) {
    let world = World::new(pool);
    let ada = world.user("ada").await;
    let id = world.dataset(&ada, ServeMode::Copy).await;
    let ids = media::all_ids(&world.pool, id).await.unwrap();
    let first = generation(&world, id).await;
    let made = snapshots::list(&world.pool, id).await.unwrap();
    assert_eq!(made.len(), 1);
    assert_eq!(
        (made[0].reason, made[0].is_current, made[0].n_images),
        (SnapshotReason::Creation, true, BEFORE)
    );
    let snapshot = made[0].id;

    let mut tx = world.pool.begin().await.unwrap();
    let tag = TagId::new();
    tags::create(&mut tx, id, tag, "review", ada.id)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    add(&world, &ada, id, folder(&world, "more", 100..103), false).await;
    world.work().await;
    assert_eq!(world.find(id).await.n_images, BEFORE + 3);

    restore(&world, &ada, id, snapshot).await;
    let back = world.find(id).await;
    assert_eq!((back.status, back.n_images), (DatasetStatus::Ready, BEFORE));
    assert_eq!(
        media::all_ids(&world.pool, id).await.unwrap(),
        ids,
        "media keep their ids"
    );
    assert_eq!(generation(&world, id).await, first);
    assert!(
        tags::ids(&world.pool, id).await.unwrap().is_empty(),
        "{tag:?} came later"
    );
    world.assert_clean().await;

    // What is added now does not take the number of a generation that was taken away.
    add(&world, &ada, id, folder(&world, "other", 200..202), false).await;
    world.work().await;
    assert_eq!(generation(&world, id).await.header.number, 3);
    restore(&world, &ada, id, snapshot).await;

    let mut tx = world.pool.begin().await.unwrap();
    let new = datasets::NewDataset {
        id: DatasetId::new(),
        owner_id: ada.id,
        display_name: "Road scenes (cloned)".to_owned(),
        description: String::new(),
        source_type: SourceType::Vl,
        source_uri: String::new(),
        filename: None,
        serve_mode: ServeMode::Copy,
        status: DatasetStatus::Indexing,
        source_dataset_id: Some(id),
    };
    datasets::insert(&mut *tx, &new).await.unwrap();
    tx.commit().await.unwrap();
    let spec = CloneSpec {
        dataset_id: new.id,
        snapshot_id: snapshot,
    };
    enqueue(&world, &ada, new.id, JobKind::Clone, spec).await;
    world.work().await;
    let clone = world.find(new.id).await;
    assert_eq!(
        (clone.status, clone.n_images),
        (DatasetStatus::Ready, BEFORE)
    );
    assert_eq!(generation(&world, new.id).await.levels, first.levels);
    let own = snapshots::list(&world.pool, new.id).await.unwrap();
    assert_eq!(own[0].reason, SnapshotReason::Clone);
    world.assert_clean().await;

    // Nobody meets the datasets behind snapshots.
    let seen = datasets::list_visible(&world.pool, &ada.principal())
        .await
        .unwrap();
    let mut seen: Vec<DatasetId> = seen.iter().map(datasets::DatasetAccess::id).collect();
    seen.sort();
    assert_eq!(seen, [id, new.id]);
    let hidden = datasets::access(&world.pool, Some(&ada.principal()), snapshot)
        .await
        .unwrap();
    assert!(hidden.is_none());
}

async fn restore(world: &World, owner: &User, id: DatasetId, snapshot: DatasetId) {
    let mut tx = world.pool.begin().await.unwrap();
    let previous = additions::lock(&mut tx, id).await.unwrap();
    let next = DatasetStatus::ReadOnly;
    datasets::move_status(&mut tx, id, &[previous], next)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let spec = RestoreSpec {
        dataset_id: id,
        snapshot_id: snapshot,
        previous,
    };
    enqueue(world, owner, id, JobKind::Restore, spec).await;
    world.work().await;
    assert_eq!(world.find(id).await.status, DatasetStatus::Ready);
}
