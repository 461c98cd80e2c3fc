//! Files: complete or absent, named by their bytes, never outside their folder.

use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use lamina_store::{BlobError, BlobOptions, BlobStore, ErrorClass, StoreError};
use lamina_types::{ContentHash, DatasetId, EntityType, Space, UserId};

use crate::support::{blobs, bytes, hash_of};

#[tokio::test]
async fn an_original_is_stored_once_under_the_hash_of_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let store = blobs(&folder);
    let (owner, data) = (UserId::new(), bytes(1));
    let hash = hash_of(&data);
    let lie = store
        .put_content(owner, ContentHash::from_bytes([0; 32]), data.clone())
        .await
        .unwrap_err();
    assert!(matches!(lie, StoreError::Blob(BlobError::Damaged(_))));
    assert!(!store.has_content(owner, hash).await.unwrap());
    store.put_content(owner, hash, data.clone()).await.unwrap();
    store.put_content(owner, hash, data.clone()).await.unwrap();
    assert_eq!(store.get_content(owner, hash).await.unwrap(), data);
    assert_eq!(fs_err::read(store.content_path(owner, hash)).unwrap(), data);
    let nobody = store.get_content(UserId::new(), hash).await.unwrap_err();
    assert_eq!(
        nobody.class(),
        ErrorClass::NotFound,
        "each owner has a folder of their own"
    );
    let listed: Vec<_> = store.list().try_collect().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(
        BlobStore::content_of_key(&listed[0].key),
        Some((owner, hash))
    );
}

#[tokio::test]
async fn a_rotten_original_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let store = blobs(&folder);
    let (owner, data) = (UserId::new(), bytes(1));
    let hash = hash_of(&data);
    store.put_content(owner, hash, data).await.unwrap();
    fs_err::write(store.content_path(owner, hash), b"rot").unwrap();
    let error = store.get_content_checked(owner, hash).await.unwrap_err();
    assert!(matches!(error, StoreError::Blob(BlobError::Damaged(_))));
}

#[tokio::test]
async fn an_uploaded_file_is_moved_in() {
    let folder = tempfile::tempdir().unwrap();
    let store = blobs(&folder);
    let (owner, data) = (UserId::new(), bytes(1));
    let hash = hash_of(&data);
    for round in 0..2 {
        let upload = store.staging_dir().join(format!("upload-{round}"));
        fs_err::write(&upload, &data).unwrap();
        store.put_file(owner, hash, &upload).await.unwrap();
        assert!(!upload.exists());
    }
    assert_eq!(store.get_content_checked(owner, hash).await.unwrap(), data);
    let gone = store
        .put_file(
            owner,
            ContentHash::from_bytes([1; 32]),
            &store.staging_dir().join("none"),
        )
        .await;
    assert!(gone.is_err());
}

#[tokio::test]
async fn generations_and_thumbnails_have_places_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let store = blobs(&folder);
    let key = BlobStore::generation_key(DatasetId::new(), EntityType::Images, Space::Index, 1);
    store
        .put_generation(&key, Bytes::from_static(b"g"))
        .await
        .unwrap();
    store
        .put_generation(&key, Bytes::from_static(b"h"))
        .await
        .unwrap();
    assert_eq!(store.get(&key).await.unwrap().as_ref(), b"h");
    for bad in [
        "content/x",
        "generation/../../x",
        "/etc/passwd",
        "generation/",
    ] {
        let error = store.put_generation(bad, Bytes::new()).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::InvalidInput, "{bad}");
    }
    let (owner, hash) = (UserId::new(), ContentHash::from_bytes([3; 32]));
    store
        .put_thumbnail(owner, hash, Bytes::from_static(b"w"))
        .await
        .unwrap();
    assert_eq!(
        store.get_thumbnail(owner, hash).await.unwrap().as_ref(),
        b"w"
    );
    store.delete_content(owner, hash).await.unwrap();
    assert!(!store.has_thumbnail(owner, hash).await.unwrap());
    assert!(store.delete(&key).await.unwrap() && !store.delete(&key).await.unwrap());
}

#[tokio::test]
async fn a_disk_below_its_margin_refuses_writes_and_serves_reads() {
    let folder = tempfile::tempdir().unwrap();
    let (owner, data) = (UserId::new(), bytes(1));
    let hash = hash_of(&data);
    blobs(&folder)
        .put_content(owner, hash, data.clone())
        .await
        .unwrap();
    let greedy = BlobOptions {
        margin_bytes: u64::MAX,
        margin_share: 1.0,
    };
    let store = BlobStore::open(folder.path().join("blobs"), greedy).unwrap();
    let refused = store
        .put_content(owner, hash_of(b"new"), Bytes::from_static(b"new"))
        .await
        .unwrap_err();
    assert_eq!(refused.class(), ErrorClass::Unavailable);
    assert!(matches!(
        refused,
        StoreError::Blob(BlobError::NoSpace { .. })
    ));
    assert_eq!(store.get_content(owner, hash).await.unwrap(), data);
    let (free, margin) = blobs(&folder).free_space().unwrap();
    assert!(free > 0 && margin == 0);
}

#[tokio::test]
async fn left_over_temporary_files_are_swept_once_old() {
    let folder = tempfile::tempdir().unwrap();
    let store = blobs(&folder);
    let (owner, data) = (UserId::new(), bytes(1));
    let hash = hash_of(&data);
    store.put_content(owner, hash, data.clone()).await.unwrap();
    let half_upload = store.staging_dir().join("u");
    let mut half_write = store.content_path(owner, hash).into_os_string();
    half_write.push("#1");
    fs_err::write(&half_upload, b"x").unwrap();
    fs_err::write(&half_write, b"x").unwrap();
    assert_eq!(
        store.list().try_collect::<Vec<_>>().await.unwrap().len(),
        1,
        "half files are no blobs"
    );
    assert_eq!(
        store
            .sweep_staging(Duration::from_secs(3600))
            .await
            .unwrap(),
        0
    );
    assert_eq!(store.sweep_staging(Duration::ZERO).await.unwrap(), 2);
    assert_eq!(store.get_content_checked(owner, hash).await.unwrap(), data);
}
