//! Verify is clean on a healthy dataset, and names each thing that is broken.

use std::time::Duration;

use lamina_store::{
    BlobStore, datasets,
    verify::{VerifyOptions, VerifyReport, verify},
};
use lamina_types::{DatasetStatus, EntityType, Space};
use sqlx::PgPool;

use crate::support::{blobs, bytes, content, dataset, hash_of, ready, user};

fn deep() -> VerifyOptions {
    VerifyOptions {
        deep: true,
        grace: Duration::ZERO,
        ..VerifyOptions::default()
    }
}

fn broken(report: &VerifyReport) -> Vec<&'static str> {
    report
        .checks
        .iter()
        .filter(|check| check.breach_count > 0)
        .map(|check| check.id)
        .collect()
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_healthy_installation_is_clean(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let store = blobs(&folder);
    let owner = user(&pool, "o").await;
    ready(&pool, &store, &owner, 3).await;
    ready(&pool, &store, &owner, 0).await;
    dataset(&pool, &owner, DatasetStatus::Draft).await;
    let report = verify(&pool, &store, &deep()).await.unwrap();
    assert!(report.is_clean(), "{report:#?}");
    assert_eq!(
        serde_json::to_value(&report).unwrap()["checks"][0]["id"],
        "V1"
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn each_kind_of_damage_is_named(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let store = blobs(&folder);
    let owner = user(&pool, "o").await;
    let id = ready(&pool, &store, &owner, 3).await;
    let caption = "insert into captions (dataset_id, entity_type, entity_id, source, caption) \
                   select dataset_id, 'IMAGES', id, 'User', 'a boat' from media where ordinal = 0";
    sqlx::query(caption).execute(&pool).await.unwrap();
    for (damage, mend, expected) in [
        (
            "delete from caption_texts",
            "insert into caption_texts (dataset_id, entity_type, text_sha256, words) \
             select dataset_id, entity_type, text_sha256, to_tsvector('english', caption) from captions",
            "V3",
        ),
        (
            "update datasets set n_images = 7",
            "update datasets set n_images = 3",
            "V2",
        ),
        (
            "update media set ordinal = 9 where ordinal = 2",
            "update media set ordinal = 2 where ordinal = 9",
            "V2",
        ),
        (
            "update media set file_name = 'x' where ordinal = 1",
            "update media set file_name = '1.jpg' where ordinal = 1",
            "V2",
        ),
        (
            "update outputs set vector = vector || '\\x0000' where content_id = (select min(id) from contents)",
            "update outputs set vector = substring(vector for 8)",
            "V3",
        ),
        (
            "update index_generations set count = 2",
            "update index_generations set count = 3",
            "V4",
        ),
        (
            "update datasets set progress = 50",
            "update datasets set progress = 100",
            "V8",
        ),
        (
            "update datasets set status = 'READ ONLY'",
            "update datasets set status = 'READY'",
            "V1",
        ),
    ] {
        sqlx::query(damage).execute(&pool).await.unwrap();
        assert_eq!(
            broken(&verify(&pool, &store, &deep()).await.unwrap()),
            [expected],
            "{damage}"
        );
        sqlx::query(mend).execute(&pool).await.unwrap();
        assert!(
            verify(&pool, &store, &deep()).await.unwrap().is_clean(),
            "{mend}"
        );
    }
    let content_path = store.content_path(owner.id, content(1).hash);
    fs_err::write(&content_path, b"rot").unwrap();
    let shallow = VerifyOptions {
        deep: false,
        ..deep()
    };
    assert!(
        verify(&pool, &store, &shallow).await.unwrap().is_clean(),
        "only deep reads the bytes"
    );
    assert_eq!(
        broken(&verify(&pool, &store, &deep()).await.unwrap()),
        ["V6"]
    );
    fs_err::remove_file(&content_path).unwrap();
    assert_eq!(
        broken(&verify(&pool, &store, &shallow).await.unwrap()),
        ["V6"]
    );
    fs_err::write(&content_path, bytes(1)).unwrap();

    let key = BlobStore::generation_key(id, EntityType::Images, Space::Index, 1);
    let file = store.get(&key).await.unwrap();
    store
        .put_generation(&key, bytes::Bytes::from_static(b"damaged"))
        .await
        .unwrap();
    assert_eq!(
        broken(&verify(&pool, &store, &deep()).await.unwrap()),
        ["V4"]
    );
    store.delete(&key).await.unwrap();
    assert_eq!(
        broken(&verify(&pool, &store, &deep()).await.unwrap()),
        ["V4"]
    );
    store.put_generation(&key, file).await.unwrap();

    store
        .put_content(owner.id, hash_of(&bytes(77)), bytes(77))
        .await
        .unwrap();
    assert_eq!(
        broken(&verify(&pool, &store, &deep()).await.unwrap()),
        ["V6b"]
    );
    let patient = VerifyOptions {
        grace: Duration::from_secs(3600),
        ..deep()
    };
    assert!(verify(&pool, &store, &patient).await.unwrap().is_clean());
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn vectors_that_must_not_be_indexed_are_found(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let store = blobs(&folder);
    let owner = user(&pool, "o").await;
    ready(&pool, &store, &owner, 2).await;
    for bad in [vec![0_u8; 8], vec![0xff; 8]] {
        sqlx::query(
            "update outputs set vector = $1 where content_id = (select max(id) from contents)",
        )
        .bind(&bad)
        .execute(&pool)
        .await
        .unwrap();
        assert_eq!(
            broken(&verify(&pool, &store, &deep()).await.unwrap()),
            ["V3b"],
            "{bad:?}"
        );
    }
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn forgotten_work_is_found(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let store = blobs(&folder);
    let owner = user(&pool, "o").await;
    let id = dataset(&pool, &owner, DatasetStatus::Indexing).await;
    assert_eq!(
        broken(&verify(&pool, &store, &deep()).await.unwrap()),
        ["V1", "V7"],
        "indexing, and no job"
    );
    let job = uuid::Uuid::now_v7();
    sqlx::query("insert into jobs (id, kind, subject_id, spec) values ($1, 'ingest', $2, '{}')")
        .bind(job)
        .bind(id.as_uuid())
        .execute(&pool)
        .await
        .unwrap();
    sqlx::query("insert into job_states (job_id, phase) values ($1, 'list')")
        .bind(job)
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(
        broken(&verify(&pool, &store, &deep()).await.unwrap()),
        ["V7"],
        "a live job without a chunk"
    );
    let sql = "insert into job_chunks (job_id, phase, first_unit, end_unit, state, lease_expires_at) \
               values ($1, 'list', 0, 1, 'running', now())";
    sqlx::query(sql).bind(job).execute(&pool).await.unwrap();
    assert!(verify(&pool, &store, &deep()).await.unwrap().is_clean());
    sqlx::query("update job_chunks set lease_expires_at = now() - interval '5 minutes'")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(
        broken(&verify(&pool, &store, &deep()).await.unwrap()),
        ["V7"],
        "nobody claims it"
    );
    sqlx::query("update job_chunks set lease_expires_at = now(), attempt = 30")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(
        broken(&verify(&pool, &store, &deep()).await.unwrap()),
        ["V7"],
        "tried too often"
    );
    datasets::fail(&pool, id, "x").await.unwrap();
}
