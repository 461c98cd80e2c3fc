//! Runs that meet trouble: bad pictures cost a row, broken models the run, and the source always comes back.

use lamina_store::enrichment;
use lamina_types::{DatasetStatus, EnrichmentStatus, EnrichmentType, RejectReason, ServeMode};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::played::Mood;
use crate::world::{World, step};

const FAILURES: &str = "select count(*) from enrichment_failures where dataset_id = $1";

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_picture_that_is_gone_or_changed_costs_one_row_a_model(pool: PgPool) {
    let world = World::new(pool);
    let ada = world.user("ada").await;
    let source = world.dataset(&ada, ServeMode::ReduceDiskSpace).await;
    fs_err::remove_file(world.photos.join("003.jpg")).unwrap();
    fs_err::write(world.photos.join("004.jpg"), b"not the same").unwrap();
    let types = [
        EnrichmentType::CaptionImages,
        EnrichmentType::MultimodelImageEncoding,
        EnrichmentType::ObjectDetection,
    ];
    let copy = world.enriched(source, &types).await;
    assert_eq!(world.count(FAILURES, copy).await, 6);
    let failures = enrichment::failures(&world.pool, copy, 100).await.unwrap();
    assert!(
        failures
            .iter()
            .all(|failure| failure.rejection.reason == RejectReason::Unreadable)
    );
    let failed: Vec<u64> = enrichment::steps(&world.pool, copy)
        .await
        .unwrap()
        .iter()
        .map(|step| step.units_failed)
        .collect();
    assert_eq!(failed, [2, 2, 2, 0]);
    assert_eq!(world.find(copy).await.n_images, 13);
    world.assert_clean().await;
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn objects_that_cannot_be_embedded_are_not_shown(pool: PgPool) {
    let world = World::new(pool);
    let ada = world.user("ada").await;
    let source = world.dataset(&ada, ServeMode::Copy).await;
    let all = world
        .enriched(source, &[EnrichmentType::ObjectDetection])
        .await;
    let all = world.find(all).await.n_objects;
    sqlx::query("delete from region_outputs")
        .execute(&world.pool)
        .await
        .unwrap();
    let (index, _) = world.played.index.lock().unwrap().clone();
    world.played.be(&index, Mood::Refuses(3));
    // What was published before has no vectors any more; a new owner's dataset is what counts here.
    let copy = world
        .enriched(source, &[EnrichmentType::ObjectDetection])
        .await;
    let left = world.find(copy).await.n_objects;
    assert!(left < all && left > 0, "{left} of {all}");
    let numbers: Vec<i32> =
        sqlx::query_scalar("select ordinal from objects where dataset_id = $1 order by ordinal")
            .bind(copy.as_uuid())
            .fetch_all(&world.pool)
            .await
            .unwrap();
    assert_eq!(numbers, (0..left as i32).collect::<Vec<_>>());
    assert_eq!(world.count(FAILURES, copy).await, i64::from(all - left));
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_picture_that_a_model_fails_on_is_left_out_after_a_few_tries(pool: PgPool) {
    let world = World::new(pool);
    let ada = world.user("ada").await;
    let source = world.dataset(&ada, ServeMode::Copy).await;
    world.played.be("CAPTION_IMAGES", Mood::Fails(4));
    let copy = world
        .enriched(source, &[EnrichmentType::CaptionImages])
        .await;
    let failures = enrichment::failures(&world.pool, copy, 100).await.unwrap();
    assert!(!failures.is_empty() && failures.len() < 13, "{failures:?}");
    for failure in &failures {
        assert_eq!(failure.rejection.reason, RejectReason::ModelFailed);
    }
    world.assert_clean().await;
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_picture_that_ends_its_worker_again_and_again_is_left_out(pool: PgPool) {
    let world = World::new(pool);
    let ada = world.user("ada").await;
    let source = world.dataset(&ada, ServeMode::Copy).await;
    world.played.be("IMAGE_TAGGING", Mood::Hangs(4));
    let copy = world
        .ask(source, vec![step(EnrichmentType::ImageTagging)])
        .await;
    let mut ends = 0;
    while world.find(copy).await.status == DatasetStatus::Indexing {
        let (runner, stop) = (world.runner(), CancellationToken::new());
        tokio::select! {
            // The worker is gone from one moment to the next, and its lease runs out.
            () = world.played.hung.notified() => ends += 1,
            worked = runner.run_one(&stop) => assert!(worked.unwrap(), "nothing is due and the run is not over"),
        }
        assert!(ends < 200, "the run gets nowhere");
        sqlx::query("update job_chunks set lease_expires_at = now() where state = 'running'")
            .execute(&world.pool)
            .await
            .unwrap();
    }
    assert!(ends > 1);
    let shown = world.find(copy).await;
    assert_eq!(
        shown.status,
        DatasetStatus::Ready,
        "{:?}",
        shown.fatal_error_msg
    );
    assert_eq!(world.find(source).await.status, DatasetStatus::Ready);
    let failures = enrichment::failures(&world.pool, copy, 100).await.unwrap();
    assert!(!failures.is_empty() && failures.len() < 13, "{failures:?}");
    for failure in &failures {
        assert_eq!(failure.rejection.reason, RejectReason::EndedTheWorker);
    }
    let labels = "select count(*) from labels where dataset_id = $1";
    let labels = world.count(labels, copy).await;
    assert_eq!(labels + failures.len() as i64, 13, "every other picture");
    world.assert_clean().await;
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_model_that_cannot_be_loaded_ends_the_run_with_its_reason(pool: PgPool) {
    let world = World::new(pool);
    let ada = world.user("ada").await;
    let source = world.dataset(&ada, ServeMode::Copy).await;
    world.played.be("CAPTION_IMAGES", Mood::Broken);
    let steps = [EnrichmentType::CaptionImages, EnrichmentType::ImageTagging].map(step);
    let copy = world.ask(source, steps.to_vec()).await;
    world.work().await;
    let shown = world.find(copy).await;
    assert_eq!(shown.status, DatasetStatus::Error);
    let message = shown.fatal_error_msg.unwrap();
    assert!(
        message.contains("vl_image_captioner_v00") && message.contains("could not be started"),
        "{message}"
    );
    assert_eq!(world.find(source).await.status, DatasetStatus::Ready);
    let (_, status) = enrichment::context(&world.pool, copy).await.unwrap();
    assert_eq!(status, EnrichmentStatus::Failed);
    world.assert_clean().await;
    // Mended, the same request goes through.
    world.played.be("CAPTION_IMAGES", Mood::Good);
    world
        .enriched(source, &[EnrichmentType::CaptionImages])
        .await;
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn an_aborted_run_writes_nothing_more_and_its_work_is_not_lost(pool: PgPool) {
    let world = World::new(pool);
    let ada = world.user("ada").await;
    let source = world.dataset(&ada, ServeMode::Copy).await;
    let steps = vec![step(EnrichmentType::CaptionImages)];
    let copy = world.ask(source, steps).await;
    let (runner, stop) = (world.runner(), CancellationToken::new());
    // The rows, and one chunk of pictures.
    for _ in 0..2 {
        assert!(runner.run_one(&stop).await.unwrap());
    }
    let looks = world.played.looks_of("CAPTION_IMAGES");
    assert!(looks > 0);
    let mut tx = world.pool.begin().await.unwrap();
    assert_eq!(
        lamina_jobs::cancel_of_subject(&mut tx, copy.as_uuid())
            .await
            .unwrap(),
        1
    );
    enrichment::end_badly(
        &mut tx,
        copy,
        source,
        EnrichmentStatus::Aborted,
        "The enrichment was aborted.",
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    world.work().await;
    assert_eq!(world.played.looks_of("CAPTION_IMAGES"), looks);
    assert_eq!(world.find(copy).await.status, DatasetStatus::Error);
    assert_eq!(world.find(source).await.status, DatasetStatus::Ready);
    world.assert_clean().await;
    // The next run goes on where this one was stopped.
    world
        .enriched(source, &[EnrichmentType::CaptionImages])
        .await;
    assert_eq!(world.played.looks_of("CAPTION_IMAGES"), 12);
}
