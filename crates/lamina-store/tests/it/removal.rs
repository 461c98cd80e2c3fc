//! Deleting: what is used stays, what is not goes, in the order that survives a crash.

use std::time::Duration;

use bytes::Bytes;
use lamina_store::{
    StoreError, contents, datasets, removal, removal::Purge, uploads, uploads::UploadFile,
};
use lamina_types::{DatasetId, DatasetStatus};
use sqlx::PgPool;

use crate::support::{blobs, bytes, content, count, dataset, hash_of, principal, ready, user};

async fn purge_all(pool: &PgPool, id: DatasetId, limit: u32) -> (u32, Vec<String>) {
    let mut rounds = 0;
    loop {
        rounds += 1;
        let mut tx = pool.begin().await.unwrap();
        let step = removal::purge(&mut tx, id, limit).await.unwrap();
        tx.commit().await.unwrap();
        if let Purge::Done {
            generation_keys, ..
        } = step
        {
            return (rounds, generation_keys);
        }
    }
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_deleted_dataset_goes_in_small_steps_and_leaves_what_others_use(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let store = blobs(&folder);
    let owner = user(&pool, "o").await;
    let kept = ready(&pool, &store, &owner, 2).await;
    let id = ready(&pool, &store, &owner, 5).await;
    assert!(matches!(
        removal::purge(&mut pool.acquire().await.unwrap(), id, 2).await,
        Err(StoreError::NotFound(_))
    ));
    let access = datasets::access(&pool, Some(&principal(&owner)), id)
        .await
        .unwrap()
        .unwrap();
    datasets::mark_deleted(&pool, &access).await.unwrap();
    assert_eq!(removal::unfinished(&pool).await.unwrap(), [id]);
    let (rounds, generation_keys) = purge_all(&pool, id, 2).await;
    assert_eq!(
        rounds,
        3 + 3 + 1,
        "5 media and 6 source items by two, then the dataset"
    );
    assert_eq!(generation_keys.len(), 1);
    assert!(removal::unfinished(&pool).await.unwrap().is_empty());
    let sql = "select (select count(*) from media) + (select count(*) from source_items)";
    assert_eq!(
        count(&pool, sql).await,
        2 + 3,
        "only the other dataset's rows are left"
    );

    let young = removal::collect_contents(&pool, &store, owner.id, Duration::from_secs(3600))
        .await
        .unwrap();
    assert_eq!(young, 0, "the grace protects what was written just now");
    assert_eq!(
        removal::collect_contents(&pool, &store, owner.id, Duration::ZERO)
            .await
            .unwrap(),
        3
    );
    for n in 0..5 {
        assert_eq!(
            store.has_content(owner.id, content(n).hash).await.unwrap(),
            n < 2,
            "picture {n}"
        );
        assert_eq!(
            store
                .has_thumbnail(owner.id, content(n).hash)
                .await
                .unwrap(),
            n < 2,
            "thumbnail {n}"
        );
    }
    assert_eq!(count(&pool, "select count(*) from outputs").await, 2);
    assert_eq!(lamina_store::media::count(&pool, kept).await.unwrap(), 2);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn files_without_rows_are_swept_but_not_those_of_uploads(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let store = blobs(&folder);
    let owner = user(&pool, "o").await;
    let id = dataset(&pool, &owner, DatasetStatus::Draft).await;
    for n in 0..3 {
        store
            .put_content(owner.id, hash_of(&bytes(n)), bytes(n))
            .await
            .unwrap();
    }
    let trans = uploads::open(&pool, id).await.unwrap();
    let file = UploadFile {
        file_name: "a".to_owned(),
        hash: content(1).hash,
        byte_size: 1,
    };
    uploads::add_files(&mut pool.acquire().await.unwrap(), id, trans, &[file])
        .await
        .unwrap();
    // An archive that a live job still reads.
    let job = uuid::Uuid::now_v7();
    sqlx::query("insert into jobs (id, kind, owner_id, spec) values ($1, 'ingest', $2, $3)")
        .bind(job)
        .bind(owner.id.as_uuid())
        .bind(serde_json::json!({ "source": { "type": "archive_blob", "content": content(2).hash.to_hex() } }))
        .execute(&pool)
        .await
        .unwrap();
    sqlx::query("insert into job_states (job_id, phase) values ($1, 'list')")
        .bind(job)
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(
        removal::sweep_orphans(&pool, &store, Duration::from_secs(3600))
            .await
            .unwrap(),
        0
    );
    assert_eq!(
        removal::sweep_orphans(&pool, &store, Duration::ZERO)
            .await
            .unwrap(),
        1
    );
    assert!(!store.has_content(owner.id, content(0).hash).await.unwrap());
    assert!(store.has_content(owner.id, content(1).hash).await.unwrap());
    assert!(store.has_content(owner.id, content(2).hash).await.unwrap());
    sqlx::query("update job_states set state = 'succeeded'")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(
        removal::sweep_orphans(&pool, &store, Duration::ZERO)
            .await
            .unwrap(),
        1
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn collecting_beside_an_ingest_never_leaves_a_row_without_its_file(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let store = blobs(&folder);
    let owner = user(&pool, "o").await;
    let data = bytes(0);
    let hash = hash_of(&data);
    let mut recorded = 0;
    for _ in 0..40 {
        let write = async {
            store
                .put_content(owner.id, hash, data.clone())
                .await
                .unwrap();
            store
                .put_thumbnail(owner.id, hash, Bytes::from_static(b"w"))
                .await
                .unwrap();
            let mut tx = pool.begin().await.unwrap();
            match contents::record(&mut tx, &store, owner.id, &[content(0)]).await {
                Ok(_) => tx.commit().await.unwrap(),
                // The collector was faster: the caller puts the files again.
                Err(StoreError::ContentGone(gone)) => assert_eq!(gone, hash),
                Err(other) => panic!("{other}"),
            }
        };
        let collect = removal::collect_contents(&pool, &store, owner.id, Duration::ZERO);
        let sweep = removal::sweep_orphans(&pool, &store, Duration::ZERO);
        let ((), collected, swept) = tokio::join!(write, collect, sweep);
        collected.unwrap();
        swept.unwrap();
        if count(&pool, "select count(*) from contents").await == 1 {
            recorded += 1;
            assert!(
                store.has_content(owner.id, hash).await.unwrap(),
                "a row without its file"
            );
            assert!(
                store.has_thumbnail(owner.id, hash).await.unwrap(),
                "a row without its thumbnail"
            );
        }
    }
    assert!(
        recorded > 0,
        "the race was never won by the writer: the test shows nothing"
    );
}
