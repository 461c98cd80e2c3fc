//! Tags: made, renamed, put on and taken off; what a reader has to fetch afterwards.

use lamina_store::tags::{self, Tagged};
use lamina_store::{ErrorClass, StoreError, datasets, media};
use lamina_types::{DatasetId, MediaId, TagId};
use sqlx::PgPool;

use crate::support::{blobs, ready, user};

async fn revision(pool: &PgPool, id: DatasetId) -> i64 {
    let dataset = datasets::find(pool, id).await.unwrap().unwrap();
    dataset.tags_revision
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn tags_are_put_on_and_taken_off_by_id_and_by_ordinal(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let owner = user(&pool, "o").await;
    let store = blobs(&folder);
    let id = ready(&pool, &store, &owner, 4).await;
    let foreign = ready(&pool, &store, &owner, 2).await;
    let ids = media::all_ids(&pool, id).await.unwrap();
    let strangers = media::all_ids(&pool, foreign).await.unwrap();
    let (tag, conn) = (TagId::new(), &mut *pool.acquire().await.unwrap());
    tags::create(conn, id, tag, "keep", owner.id).await.unwrap();
    let by_id = Tagged::Ids(vec![ids[1], MediaId::new(), strangers[0]]);
    assert_eq!(tags::assign(conn, id, tag, &by_id).await.unwrap(), 1);
    let by_ordinal = Tagged::Ordinals(vec![1, 2, 99]);
    assert_eq!(tags::assign(conn, id, tag, &by_ordinal).await.unwrap(), 1);
    let shown = tags::of_media(&pool, id, &ids).await.unwrap();
    assert_eq!(shown.len(), 2);
    assert_eq!(shown[&ids[2]][0].name, "keep");
    let listed = tags::list(&pool, id).await.unwrap();
    assert_eq!((listed.len(), listed[0].media_count), (1, 2));
    assert!(tags::find(&pool, foreign, tag).await.unwrap().is_none());

    let off = Tagged::Ordinals(vec![0, 1]);
    assert_eq!(tags::unassign(conn, id, tag, &off).await.unwrap(), 1);
    assert_eq!(
        tags::changed_since(&pool, id, None).await.unwrap(),
        [(tag, vec![2])]
    );
    let elsewhere = tags::assign(conn, foreign, tag, &by_id).await;
    assert!(matches!(elsewhere, Err(StoreError::NotFound("tag"))));
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn names_are_unique_and_only_what_changed_is_fetched_again(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let owner = user(&pool, "o").await;
    let id = ready(&pool, &blobs(&folder), &owner, 3).await;
    let (first, second) = (TagId::new(), TagId::new());
    let conn = &mut *pool.acquire().await.unwrap();
    tags::create(conn, id, first, "a", owner.id).await.unwrap();
    let taken = tags::create(conn, id, second, "a", owner.id).await;
    assert_eq!(taken.unwrap_err().constraint(), Some("tags_name_key"));
    tags::create(conn, id, second, "b", owner.id).await.unwrap();
    let seen = revision(&pool, id).await;
    let pictures = Tagged::Ordinals(vec![0, 2]);
    tags::assign(conn, id, second, &pictures).await.unwrap();
    assert!(revision(&pool, id).await > seen);
    let changed = tags::changed_since(&pool, id, Some(seen)).await.unwrap();
    assert_eq!(changed, [(second, vec![0, 2])]);

    let clash = tags::rename(&pool, id, first, "b").await.unwrap_err();
    assert_eq!(clash.class(), ErrorClass::Conflict);
    assert!(tags::rename(&pool, id, first, "c").await.unwrap());
    assert!(!tags::rename(&pool, id, TagId::new(), "d").await.unwrap());
    let seen = revision(&pool, id).await;
    assert!(tags::delete(conn, id, second).await.unwrap());
    assert!(!tags::delete(conn, id, second).await.unwrap());
    assert!(revision(&pool, id).await > seen);
    assert_eq!(tags::ids(&pool, id).await.unwrap(), [first]);
    let gone = tags::create(conn, DatasetId::new(), second, "x", owner.id).await;
    assert!(matches!(gone, Err(StoreError::NotFound("dataset"))));
}
