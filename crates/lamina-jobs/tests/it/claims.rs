//! Who gets what.

use std::collections::HashSet;

use lamina_jobs::{NewJob, Phase, cancel, claim, enqueue, progress, queue_health};
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::{KIND, claim_one, expire, put, request, scalar};

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_job_exists_only_if_the_callers_transaction_commits(pool: PgPool) {
    let mut tx = pool.begin().await.unwrap();
    let spec = serde_json::json!({});
    let job = NewJob::new(KIND, None, None, &spec, Phase::single("p")).unwrap();
    enqueue(&mut tx, job).await.unwrap();
    assert!(claim(&pool, &request("w")).await.unwrap().is_none());
    tx.rollback().await.unwrap();
    assert!(claim(&pool, &request("w")).await.unwrap().is_none());
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn fifty_claimers_never_get_the_same_chunk(pool: PgPool) {
    put(&pool, None, Phase::chunked("p", 40, 1)).await;
    let claims = (0..50).map(|n| {
        let pool = pool.clone();
        async move { claim(&pool, &request(&format!("w{n}"))).await.unwrap() }
    });
    let claimed: Vec<_> = futures::future::join_all(claims)
        .await
        .into_iter()
        .flatten()
        .collect();
    let distinct: HashSet<i64> = claimed.iter().map(|chunk| chunk.id).collect();
    assert_eq!(distinct.len(), claimed.len(), "a chunk was given out twice");
    // A claimer that met a locked row went home empty, which is fine; nobody got a second one.
    let mut units: HashSet<i64> = claimed.iter().map(|chunk| chunk.first_unit).collect();
    while let Some(chunk) = claim(&pool, &request("late")).await.unwrap() {
        assert!(
            units.insert(chunk.first_unit),
            "unit {} was given out twice",
            chunk.first_unit
        );
    }
    assert_eq!(units.len(), 40);
    assert_eq!(
        scalar::<i64>(
            &pool,
            "select count(*) from job_chunks where attempt = 1 and lease_token = 1"
        )
        .await,
        40
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn only_known_kinds_are_claimed(pool: PgPool) {
    put(&pool, None, Phase::single("p")).await;
    let mut other = request("w");
    other.kinds = vec!["other".to_owned()];
    assert!(claim(&pool, &other).await.unwrap().is_none());
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_chunk_is_claimed_again_only_after_its_lease_ran_out(pool: PgPool) {
    put(&pool, None, Phase::single("p")).await;
    let first = claim_one(&pool).await;
    assert_eq!((first.attempt, first.expiries), (1, 0));
    assert!(claim(&pool, &request("other")).await.unwrap().is_none());
    expire(&pool, first.id).await;
    assert!(queue_health(&pool).await.unwrap().oldest_expired_lease_s > 0.9);
    let second = claim_one(&pool).await;
    assert_eq!(
        (second.id, second.attempt, second.expiries),
        (first.id, 2, 1)
    );
    assert!(second.lease.token > first.lease.token);
    assert_eq!(
        queue_health(&pool).await.unwrap().oldest_expired_lease_s,
        0.0
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn owners_take_turns(pool: PgPool) {
    let (many, few) = (Uuid::now_v7(), Uuid::now_v7());
    let big = put(&pool, Some(many), Phase::chunked("p", 10, 1)).await;
    let small = put(&pool, Some(few), Phase::chunked("p", 2, 1)).await;
    let mut order = Vec::new();
    for _ in 0..5 {
        order.push(claim_one(&pool).await.job.id);
    }
    // One each by turns while both wait, although the big job is older; then the big one alone.
    assert_eq!(order, [big, small, big, small, big]);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn with_one_slot_and_many_owners_nobody_waits_for_the_older_ones_to_end(pool: PgPool) {
    let owners: Vec<Uuid> = (0..3).map(|_| Uuid::now_v7()).collect();
    for owner in &owners {
        put(&pool, Some(*owner), Phase::chunked("p", 4, 1)).await;
    }
    let mut served = Vec::new();
    for _ in 0..6 {
        let chunk = claim_one(&pool).await;
        served.push(chunk.job.owner_id.unwrap());
        // The slot is free again before the next claim: nobody has more running chunks than another.
        sqlx::query("update job_chunks set state = 'done', lease_expires_at = null where id = $1")
            .bind(chunk.id)
            .execute(&pool)
            .await
            .unwrap();
    }
    assert_eq!(served, [owners.clone(), owners].concat());
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn priority_goes_before_age(pool: PgPool) {
    put(&pool, None, Phase::single("p")).await;
    let mut tx = pool.begin().await.unwrap();
    let spec = serde_json::json!({});
    let job = NewJob::new(KIND, None, None, &spec, Phase::single("p"))
        .unwrap()
        .with_priority(5);
    let id = job.id;
    enqueue(&mut tx, job).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(claim_one(&pool).await.job.id, id);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_cancelled_job_is_neither_claimed_nor_completed(pool: PgPool) {
    let id = put(&pool, None, Phase::chunked("p", 4, 1)).await;
    claim_one(&pool).await;
    let mut conn = pool.acquire().await.unwrap();
    assert!(cancel(&mut conn, id).await.unwrap());
    assert!(
        !cancel(&mut conn, id).await.unwrap(),
        "the second time there is nothing to cancel"
    );
    drop(conn);
    assert!(claim(&pool, &request("w")).await.unwrap().is_none());
    let seen = progress(&pool, id).await.unwrap().unwrap();
    assert_eq!(seen.state, lamina_jobs::JobState::Cancelled);
    assert!(seen.finished_at.is_some());
}
