//! A run as a whole: how it ends, what it costs, what it left out.

use lamina_store::enrichment::{ItemFailure, StepWork};
use lamina_store::{datasets, enrichment, media};
use lamina_types::{DatasetStatus, EnrichmentStatus, EnrichmentType, RejectReason, Rejection};
use sqlx::PgPool;

use super::{begun, captioner, detector, status_of};
use crate::support::{blobs, ready, user};

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_run_that_fails_gives_the_source_back_and_says_why(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let owner = user(&pool, "ada").await;
    let source = ready(&pool, &blobs(&folder), &owner, 2).await;
    let copy = begun(&pool, source, &[EnrichmentType::CaptionImages]).await;
    let mut tx = pool.begin().await.unwrap();
    let ended = enrichment::end_badly(
        &mut tx,
        copy,
        source,
        EnrichmentStatus::Failed,
        "The model did not load.",
    );
    assert!(ended.await.unwrap());
    tx.commit().await.unwrap();
    let shown = datasets::find(&pool, copy).await.unwrap().unwrap();
    assert_eq!(shown.status, DatasetStatus::Error);
    assert_eq!(
        shown.fatal_error_msg.as_deref(),
        Some("The model did not load.")
    );
    assert_eq!(status_of(&pool, source).await, DatasetStatus::Ready);
    assert_eq!(
        enrichment::context(&pool, copy).await.unwrap().1,
        EnrichmentStatus::Failed
    );
    // A second ending changes nothing.
    let mut tx = pool.begin().await.unwrap();
    let again = enrichment::end_badly(&mut tx, copy, source, EnrichmentStatus::Aborted, "x");
    assert!(!again.await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(
        enrichment::context(&pool, copy).await.unwrap().1,
        EnrichmentStatus::Failed
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn sources_that_nobody_works_on_are_given_back(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let owner = user(&pool, "ada").await;
    let source = ready(&pool, &blobs(&folder), &owner, 2).await;
    // Without the job that should have come in the same transaction.
    begun(&pool, source, &[EnrichmentType::CaptionImages]).await;
    assert_eq!(enrichment::release_stranded(&pool).await.unwrap(), 1);
    assert_eq!(status_of(&pool, source).await, DatasetStatus::Ready);
    assert_eq!(enrichment::release_stranded(&pool).await.unwrap(), 0);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn steps_add_up_and_costs_are_learnt(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let owner = user(&pool, "ada").await;
    let source = ready(&pool, &blobs(&folder), &owner, 2).await;
    let copy = begun(&pool, source, &[EnrichmentType::CaptionImages]).await;
    let (quick, slow) = (detector(), captioner());
    let steps = [
        ("OBJECT_DETECTION", "d", &quick),
        ("CAPTION_IMAGES", "c", &slow),
    ];
    enrichment::insert_steps(&pool, copy, &steps).await.unwrap();
    enrichment::set_extent(&pool, copy, 0, 2, 1.0)
        .await
        .unwrap();
    enrichment::set_extent(&pool, copy, 1, 2, 9.0)
        .await
        .unwrap();
    let work = StepWork {
        done: 2,
        run: 1,
        failed: 1,
        busy_seconds: 0.5,
    };
    enrichment::add_work(&pool, copy, &[(0, work)])
        .await
        .unwrap();
    let seen = enrichment::steps(&pool, copy).await.unwrap();
    assert_eq!((seen[0].units_done, seen[0].units_run), (2, 1));
    assert!((enrichment::share_done(&seen) - 0.1).abs() < 1e-6);
    // A new extent keeps the weight: progress does not fall.
    enrichment::set_extent(&pool, copy, 1, 5, 100.0)
        .await
        .unwrap();
    let seen = enrichment::steps(&pool, copy).await.unwrap();
    assert_eq!((seen[1].units_total, seen[1].expected_seconds), (5, 9.0));

    assert_eq!(
        enrichment::expected_unit_seconds(&pool, &slow)
            .await
            .unwrap(),
        None
    );
    enrichment::learn_cost(&pool, &slow, 1.0).await.unwrap();
    enrichment::learn_cost(&pool, &slow, 2.0).await.unwrap();
    let learnt = enrichment::expected_unit_seconds(&pool, &slow).await;
    assert!((learnt.unwrap().unwrap() - 1.2).abs() < 1e-9);

    let failure = ItemFailure {
        enrichment_type: "CAPTION_IMAGES".to_owned(),
        entity_id: media::all_ids(&pool, copy).await.unwrap()[0].as_uuid(),
        rejection: Rejection::new(RejectReason::Damaged, "cut off\0here"),
    };
    for _ in 0..2 {
        enrichment::put_failures(&pool, copy, std::slice::from_ref(&failure))
            .await
            .unwrap();
    }
    let failures = enrichment::failures(&pool, copy, 10).await.unwrap();
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].rejection.detail, "cut off\u{fffd}here");
}
