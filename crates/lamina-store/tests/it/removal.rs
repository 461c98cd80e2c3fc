//! Deleting: what is used stays, what is not goes, in the order that survives a crash.

use std::time::Duration;

use bytes::Bytes;
use lamina_store::{
    BlobStore, StoreError, contents, datasets, removal, removal::Purge, uploads,
    uploads::UploadFile,
};
use lamina_types::{DatasetId, DatasetStatus, UserId};
use sqlx::PgPool;

use crate::support::{blobs, bytes, content, count, dataset, hash_of, principal, ready, user};

async fn purge_all(pool: &PgPool, id: DatasetId, limit: u32) -> (u32, Vec<String>) {
    let mut rounds = 0;
    loop {
        rounds += 1;
        let mut tx = pool.begin().await.unwrap();
        let step = removal::purge(&mut tx, id, limit).await.unwrap();
        tx.commit().await.unwrap();
        if let Purge::Done { blob_keys, .. } = step {
            return (rounds, blob_keys);
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
    let (rounds, blob_keys) = purge_all(&pool, id, 2).await;
    assert_eq!(
        rounds,
        3 + 3 + 1,
        "5 media and 6 source items by two, then the dataset"
    );
    assert_eq!(blob_keys.len(), 1);
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

async fn put_files(store: &BlobStore, owner: UserId, n: u32) {
    store
        .put_content(owner, content(n).hash, bytes(n))
        .await
        .unwrap();
    store
        .put_thumbnail(owner, content(n).hash, Bytes::from_static(b"w"))
        .await
        .unwrap();
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_row_is_refused_when_its_files_were_collected_just_before(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let store = blobs(&folder);
    let owner = user(&pool, "o").await;
    put_files(&store, owner.id, 0).await;
    // Between "the files are there" and "here is the row", the sweep finds files without a row.
    assert_eq!(
        removal::sweep_orphans(&pool, &store, Duration::ZERO)
            .await
            .unwrap(),
        1
    );
    let mut tx = pool.begin().await.unwrap();
    let refused = contents::record(&mut tx, &store, owner.id, &[content(0)])
        .await
        .unwrap_err();
    assert!(matches!(refused, StoreError::ContentGone(hash) if hash == content(0).hash));
    assert!(refused.is_transient(), "the caller puts the files again");
    tx.rollback().await.unwrap();
    put_files(&store, owner.id, 0).await;
    let mut tx = pool.begin().await.unwrap();
    contents::record(&mut tx, &store, owner.id, &[content(0)])
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn the_collector_waits_for_writers_and_sees_their_rows(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let store = blobs(&folder);
    let owner = user(&pool, "o").await;
    put_files(&store, owner.id, 0).await;
    let mut tx = pool.begin().await.unwrap();
    contents::record(&mut tx, &store, owner.id, &[content(0)])
        .await
        .unwrap();
    // The row is not committed: to the sweep the files look unused, until it has the lock.
    let sweep = removal::sweep_orphans(&pool, &store, Duration::ZERO);
    let commit = async {
        let sql = "select count(*) from pg_locks where locktype = 'advisory' and not granted \
                   and database = (select oid from pg_database where datname = current_database())";
        let waiting = async { while count(&pool, sql).await == 0 {} };
        tokio::time::timeout(Duration::from_secs(20), waiting)
            .await
            .expect("the sweep waits for the lock");
        tx.commit().await.unwrap();
    };
    let (swept, ()) = tokio::join!(sweep, commit);
    assert_eq!(swept.unwrap(), 0);
    assert!(
        store.has_content(owner.id, content(0).hash).await.unwrap(),
        "a row without its file"
    );
}
