//! What the tests share: users, datasets, pictures that are only bytes, and a whole small dataset.

use bytes::Bytes;
use chrono::Utc;
use half::f16;
use lamina_store::{
    BlobOptions, BlobStore, Principal, Role, contents, contents::NewContent, datasets,
    datasets::NewDataset, generations, generations::Generation, measures,
    measures::ContentMeasures, outputs, source_items, source_items::NewSourceItem, spaces,
    spaces::DatasetSpace, users, users::User,
};
use lamina_types::{
    ContentHash, DatasetId, DatasetStatus, EntityType, RejectReason, Rejection, ServeMode,
    SourceType, Space, SpaceKey, UserId,
};
use sha2::{Digest, Sha256};
use sqlx::PgPool;

pub const DIMENSION: usize = 4;

pub fn key() -> SpaceKey {
    SpaceKey {
        package: "encoder@1".to_owned(),
        parameters: String::new(),
    }
}

pub async fn user(pool: &PgPool, name: &str) -> User {
    users::create(pool, UserId::new(), name, None, Role::Editor)
        .await
        .unwrap()
}

pub fn principal(user: &User) -> Principal {
    user.principal()
}

pub fn new_dataset(owner: UserId, status: DatasetStatus) -> NewDataset {
    NewDataset {
        id: DatasetId::new(),
        owner_id: owner,
        display_name: "Road scenes".to_owned(),
        description: String::new(),
        source_type: SourceType::Folder,
        source_uri: String::new(),
        filename: None,
        serve_mode: ServeMode::Copy,
        status,
        source_dataset_id: None,
    }
}

pub async fn dataset(pool: &PgPool, owner: &User, status: DatasetStatus) -> DatasetId {
    datasets::insert(pool, &new_dataset(owner.id, status))
        .await
        .unwrap()
        .id
}

/// Stand-ins for pictures: the store does not look inside.
pub fn bytes(n: u32) -> Bytes {
    Bytes::from(format!("picture {n}"))
}

pub fn hash_of(bytes: &[u8]) -> ContentHash {
    ContentHash::from_bytes(Sha256::digest(bytes).into())
}

pub fn content(n: u32) -> NewContent {
    let data = bytes(n);
    NewContent {
        hash: hash_of(&data),
        byte_size: data.len() as i64,
        format: "jpeg".to_owned(),
        width: 640,
        height: 480,
        has_original: true,
    }
}

/// A unit vector of its own for each number.
pub fn vector(n: u32) -> Vec<u8> {
    let angle = n as f32;
    [angle.cos(), angle.sin(), 0.0, 0.0]
        .iter()
        .flat_map(|value| f16::from_f32(*value).to_le_bytes())
        .collect()
}

pub fn measured(n: u32) -> ContentMeasures {
    ContentMeasures {
        version: 1,
        sharpness: n as f32,
        luma_low: 0.1,
        luma_high: 0.9,
        blur_confidence: 0.25,
        dark_confidence: 0.0,
        bright_confidence: 0.0,
        is_truncated: false,
    }
}

pub fn items(numbers: std::ops::Range<u32>) -> Vec<NewSourceItem> {
    numbers
        .map(|n| NewSourceItem {
            source_key: format!("a/{n}.jpg"),
            file_name: format!("{n}.jpg"),
            original_uri: format!("a/{n}.jpg"),
            source_path: None,
        })
        .collect()
}

pub fn blobs(folder: &tempfile::TempDir) -> BlobStore {
    let no_margin = BlobOptions {
        margin_bytes: 0,
        margin_share: 0.0,
    };
    BlobStore::open(folder.path().join("blobs"), no_margin).unwrap()
}

/// A READY dataset of `n` pictures, and one rejected file, made the way an ingest makes it.
pub async fn ready(pool: &PgPool, blobs: &BlobStore, owner: &User, n: u32) -> DatasetId {
    let id = dataset(pool, owner, DatasetStatus::Indexing).await;
    source_items::insert(pool, id, 0, 0, &items(0..n + 1))
        .await
        .unwrap();
    for number in 0..n {
        let data = bytes(number);
        blobs
            .put_content(owner.id, hash_of(&data), data.clone())
            .await
            .unwrap();
        blobs
            .put_thumbnail(owner.id, hash_of(&data), Bytes::from_static(b"webp"))
            .await
            .unwrap();
    }
    let rows: Vec<NewContent> = (0..n).map(content).collect();
    let mut tx = pool.begin().await.unwrap();
    let ids = contents::record(&mut tx, blobs, owner.id, &rows)
        .await
        .unwrap();
    let numbered = || ids.iter().zip(0..n);
    measures::put(
        &mut *tx,
        &numbered()
            .map(|(id, n)| (*id, measured(n)))
            .collect::<Vec<_>>(),
    )
    .await
    .unwrap();
    let vectors: Vec<_> = numbered().map(|(id, n)| (*id, vector(n))).collect();
    outputs::put_vectors(&mut *tx, &key(), DIMENSION, &vectors)
        .await
        .unwrap();
    let done: Vec<(u32, i64)> = numbered().map(|(id, n)| (n, *id)).collect();
    source_items::mark_done(&mut *tx, id, 0, &done)
        .await
        .unwrap();
    let bad = Rejection::new(RejectReason::Damaged, "cut off\0here");
    source_items::mark_rejected(&mut *tx, id, 0, &[(n, bad)])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    publish(pool, blobs, id, 1).await;
    id
}

/// Media rows, space, generation and status, in one transaction.
pub async fn publish(pool: &PgPool, blobs: &BlobStore, id: DatasetId, number: i32) {
    let (entity, space) = (EntityType::Images, Space::Index);
    let blob_key = BlobStore::generation_key(id, entity, space, number);
    let file = Bytes::from(format!("generation {number} of {id}"));
    blobs.put_generation(&blob_key, file.clone()).await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    let count = source_items::finalize(&mut tx, id, 0).await.unwrap() as u32;
    datasets::recount(&mut *tx, id).await.unwrap();
    let made = DatasetSpace {
        entity_type: entity,
        space,
        key: key(),
        dimension: DIMENSION as u32,
    };
    spaces::put(&mut tx, id, &made).await.unwrap();
    let generation = Generation {
        dataset_id: id,
        entity_type: entity,
        space,
        number,
        origin_dataset_id: id,
        blob_key,
        checksum: Sha256::digest(&file).into(),
        count,
        created_at: Utc::now(),
    };
    generations::publish(&mut *tx, &generation).await.unwrap();
    if number == 1 {
        datasets::set_status(&mut tx, id, DatasetStatus::Ready)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
}

pub async fn count(pool: &PgPool, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}
