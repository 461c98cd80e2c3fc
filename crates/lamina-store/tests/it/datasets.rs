//! Status moves, progress, failure.

use lamina_store::{ErrorClass, StoreError, datasets};
use lamina_types::{DatasetId, DatasetStatus};
use sqlx::PgPool;

use crate::support::{dataset, user};

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn every_status_and_only_legal_moves_are_stored(pool: PgPool) {
    let owner = user(&pool, "o").await;
    let mut conn = pool.acquire().await.unwrap();
    for from in DatasetStatus::ALL {
        for to in DatasetStatus::ALL {
            let id = dataset(&pool, &owner, *from).await;
            let moved = datasets::set_status(&mut conn, id, *to).await;
            let stored = datasets::find(&pool, id).await.unwrap().unwrap();
            if from.can_become(*to) {
                assert_eq!(moved.unwrap().status, *to);
                assert_eq!((stored.status, stored.revision), (*to, 1));
            } else {
                let error = moved.unwrap_err();
                assert!(
                    matches!(error, StoreError::StatusConflict { current, wanted, .. } if current == *from && wanted == *to)
                );
                assert_eq!(error.class(), ErrorClass::Conflict);
                assert_eq!((stored.status, stored.revision), (*from, 0));
            }
        }
    }
    let missing = datasets::set_status(&mut conn, DatasetId::new(), DatasetStatus::Ready)
        .await
        .unwrap_err();
    assert_eq!(missing.class(), ErrorClass::NotFound);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn of_many_callers_one_moves_the_status(pool: PgPool) {
    let owner = user(&pool, "o").await;
    let id = dataset(&pool, &owner, DatasetStatus::Ready).await;
    let tries = (0..20).map(|_| {
        let pool = pool.clone();
        async move {
            let mut conn = pool.acquire().await.unwrap();
            datasets::move_status(
                &mut conn,
                id,
                &[DatasetStatus::Ready],
                DatasetStatus::ReadOnly,
            )
            .await
        }
    });
    let done = futures::future::join_all(tries).await;
    assert_eq!(done.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(
        done.iter()
            .filter_map(|outcome| outcome.as_ref().err())
            .all(|error| error.class() == ErrorClass::Conflict)
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn progress_never_falls_and_is_100_exactly_when_complete(pool: PgPool) {
    let owner = user(&pool, "o").await;
    let id = dataset(&pool, &owner, DatasetStatus::Indexing).await;
    let progress = async || datasets::find(&pool, id).await.unwrap().unwrap().progress;
    for (set, seen) in [(40.0, 40.0), (30.0, 40.0), (100.0, 99.0), (-5.0, 99.0)] {
        datasets::set_progress(&pool, id, set).await.unwrap();
        assert_eq!(progress().await, seen);
    }
    assert_eq!(
        datasets::set_progress(&pool, id, f32::NAN)
            .await
            .unwrap_err()
            .class(),
        ErrorClass::InvalidInput
    );
    let mut conn = pool.acquire().await.unwrap();
    datasets::set_status(&mut conn, id, DatasetStatus::Ready)
        .await
        .unwrap();
    assert_eq!(progress().await, 100.0);
    datasets::set_progress(&pool, id, 50.0).await.unwrap();
    assert_eq!(progress().await, 100.0);
    datasets::set_status(&mut conn, id, DatasetStatus::ReadOnly)
        .await
        .unwrap();
    assert_eq!(
        progress().await,
        100.0,
        "stays while a complete dataset is updated"
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_failed_run_says_why_and_nothing_at_rest_fails(pool: PgPool) {
    let owner = user(&pool, "o").await;
    for status in DatasetStatus::ALL {
        let id = dataset(&pool, &owner, *status).await;
        let moved = datasets::fail(&pool, id, "the folder\0is gone")
            .await
            .unwrap();
        let stored = datasets::find(&pool, id).await.unwrap().unwrap();
        let is_running = matches!(
            status,
            DatasetStatus::Draft | DatasetStatus::Indexing | DatasetStatus::ReadOnly
        );
        assert_eq!(moved, is_running, "{status}");
        if is_running {
            assert_eq!(stored.status, DatasetStatus::Error);
            assert_eq!(
                stored.fatal_error_msg.as_deref(),
                Some("the folder\u{fffd}is gone")
            );
        } else {
            assert_eq!(stored.status, *status);
        }
    }
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn revisions_and_epochs_rise(pool: PgPool) {
    let owner = user(&pool, "o").await;
    let id = dataset(&pool, &owner, DatasetStatus::Ready).await;
    assert_eq!(datasets::bump_revision(&pool, id).await.unwrap(), 1);
    assert_eq!(datasets::bump_revision(&pool, id).await.unwrap(), 2);
    assert_eq!(datasets::bump_link_epoch(&pool, id).await.unwrap(), 1);
    assert_eq!(
        datasets::bump_revision(&pool, DatasetId::new())
            .await
            .unwrap_err()
            .class(),
        ErrorClass::NotFound
    );
}
