//! From listing to media, and what readers load.

use std::time::Duration;

use lamina_store::{
    ErrorClass, StoreError, anchors,
    anchors::Anchor,
    annotations,
    annotations::{AnnotationSource, Label},
    contents, enrichment, generations, measures, media, outputs, source_items, spaces,
    spaces::DatasetSpace,
    vectors,
};
use lamina_types::{
    AnchorId, DatasetStatus, EntityType, MediaId, RejectReason, Rejection, Space, SpaceKey,
};
use sqlx::PgPool;

use crate::support::{
    DIMENSION, blobs, content, count, dataset, items, key, publish, ready, user, vector,
};

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn contents_are_once_per_owner_and_hash(pool: PgPool) {
    let (a, b) = (user(&pool, "a").await, user(&pool, "b").await);
    let mut tx = pool.begin().await.unwrap();
    let first = contents::upsert(&mut tx, a.id, &[content(2), content(1), content(2)])
        .await
        .unwrap();
    assert_eq!(first[0], first[2]);
    let again = contents::upsert(&mut tx, a.id, &[content(1), content(3)])
        .await
        .unwrap();
    assert_eq!(again[0], first[1]);
    let other = contents::upsert(&mut tx, b.id, &[content(1)])
        .await
        .unwrap();
    assert_ne!(other[0], first[1], "never shared across tenants");
    tx.commit().await.unwrap();
    assert_eq!(count(&pool, "select count(*) from contents").await, 4);
    assert!(
        contents::upsert(&mut pool.acquire().await.unwrap(), a.id, &[])
            .await
            .unwrap()
            .is_empty()
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn known_contents_say_which_work_is_left(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let owner = user(&pool, "o").await;
    ready(&pool, &blobs(&folder), &owner, 2).await;
    let hashes = [content(0).hash, content(1).hash, content(9).hash];
    let known = contents::known(&pool, owner.id, &hashes, &key(), 1)
        .await
        .unwrap();
    assert_eq!(known.len(), 2);
    assert!(
        known
            .iter()
            .all(|known| known.has_original && known.has_measures && known.has_output)
    );
    let newer = SpaceKey {
        package: "encoder@2".to_owned(),
        parameters: String::new(),
    };
    let known = contents::known(&pool, owner.id, &hashes, &newer, 2)
        .await
        .unwrap();
    assert!(
        known
            .iter()
            .all(|known| !known.has_measures && !known.has_output)
    );
    let ids: Vec<i64> = known.iter().map(|known| known.id).collect();
    assert_eq!(outputs::lacking(&pool, &newer, &ids).await.unwrap(), ids);
    assert!(
        outputs::lacking(&pool, &key(), &ids)
            .await
            .unwrap()
            .is_empty()
    );
    // The same work again is harmless.
    let again: Vec<_> = ids.iter().map(|id| (*id, vector(7))).collect();
    outputs::put_vectors(&pool, &key(), DIMENSION, &again)
        .await
        .unwrap();
    assert_eq!(count(&pool, "select count(*) from outputs").await, 2);
    let short = outputs::put_vectors(&pool, &key(), DIMENSION + 1, &again)
        .await
        .unwrap_err();
    assert_eq!(short.class(), ErrorClass::InvalidInput);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_listing_is_worked_off_and_finalized_once(pool: PgPool) {
    let owner = user(&pool, "o").await;
    let id = dataset(&pool, &owner, DatasetStatus::Indexing).await;
    source_items::insert(&pool, id, 0, 0, &items(0..3))
        .await
        .unwrap();
    source_items::insert(&pool, id, 0, 3, &items(3..6))
        .await
        .unwrap();
    source_items::insert(&pool, id, 0, 3, &items(3..6))
        .await
        .unwrap();
    let double = source_items::insert(&pool, id, 0, 6, &items(5..6))
        .await
        .unwrap_err();
    assert_eq!(
        double.class(),
        ErrorClass::Conflict,
        "one key at two positions"
    );
    // A listing that was interrupted is written anew.
    source_items::clear(&pool, id, 0).await.unwrap();
    source_items::insert(&pool, id, 0, 0, &items(0..6))
        .await
        .unwrap();
    source_items::set_paths(&pool, id, 0, &[(1, "/photos/a/1.jpg".to_owned())])
        .await
        .unwrap();
    let mut conn = pool.acquire().await.unwrap();
    let ids = contents::upsert(&mut conn, owner.id, &[content(0), content(1)])
        .await
        .unwrap();
    // 1 and 4 hold the same picture; 2 is bad.
    let done = [(4, ids[0]), (0, ids[1]), (1, ids[0])];
    assert_eq!(
        source_items::mark_done(&pool, id, 0, &done).await.unwrap(),
        3
    );
    assert_eq!(
        source_items::mark_done(&pool, id, 0, &done).await.unwrap(),
        0,
        "the same chunk again"
    );
    let bad = Rejection::new(RejectReason::Empty, "no bytes");
    assert_eq!(
        source_items::mark_rejected(&pool, id, 0, &[(2, bad.clone()), (0, bad)])
            .await
            .unwrap(),
        1
    );
    let waiting: Vec<u32> = source_items::pending(&pool, id, 0, 1, 5)
        .await
        .unwrap()
        .iter()
        .map(|item| item.position)
        .collect();
    assert_eq!(waiting, [3]);
    let counts = source_items::counts(&pool, id, None).await.unwrap();
    assert_eq!((counts.pending, counts.done, counts.rejected), (2, 3, 1));
    assert_eq!(counts.by_reason, [(RejectReason::Empty, 1)]);
    let report = source_items::rejected(&pool, id, None, 10).await.unwrap();
    assert_eq!(
        (
            report.len(),
            report[0].position,
            report[0].rejection.detail.as_str()
        ),
        (1, 2, "no bytes")
    );
    assert!(
        source_items::rejected(&pool, id, Some((0, 2)), 10)
            .await
            .unwrap()
            .is_empty()
    );

    assert_eq!(source_items::finalize(&mut conn, id, 0).await.unwrap(), 3);
    let before = media::all_ids(&pool, id).await.unwrap();
    assert_eq!(source_items::finalize(&mut conn, id, 0).await.unwrap(), 3);
    assert_eq!(
        media::all_ids(&pool, id).await.unwrap(),
        before,
        "finalizing twice changes nothing"
    );
    let page = media::by_ordinals(&pool, id, &[2, 0, 7]).await.unwrap();
    let names: Vec<&str> = page.iter().map(|media| media.file_name.as_str()).collect();
    assert_eq!(
        names,
        ["4.jpg", "0.jpg"],
        "dense ordinals in order of position, given back in the asked order"
    );
    let placed = media::by_ordinals(&pool, id, &[1]).await.unwrap().remove(0);
    assert_eq!(placed.source_path.as_deref(), Some("/photos/a/1.jpg"));
    // A second batch comes behind the first.
    source_items::insert(&pool, id, 1, 0, &items(0..1))
        .await
        .unwrap();
    source_items::mark_done(&pool, id, 1, &[(0, ids[0])])
        .await
        .unwrap();
    assert_eq!(source_items::finalize(&mut conn, id, 1).await.unwrap(), 1);
    assert_eq!(
        media::by_ordinals(&pool, id, &[3]).await.unwrap()[0].batch,
        1
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn media_are_found_in_their_own_dataset_only(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let store = blobs(&folder);
    let owner = user(&pool, "o").await;
    let id = ready(&pool, &store, &owner, 3).await;
    let other = ready(&pool, &store, &owner, 2).await;
    assert_eq!(
        count(&pool, "select count(*) from contents").await,
        3,
        "the same pictures are stored once"
    );
    let ids = media::all_ids(&pool, id).await.unwrap();
    assert_eq!((ids.len(), media::count(&pool, id).await.unwrap()), (3, 3));
    let found = media::by_id(&pool, id, ids[1]).await.unwrap().unwrap();
    assert_eq!(
        (found.ordinal, found.hash, found.owner_id),
        (1, content(1).hash, owner.id)
    );
    assert_eq!(
        (found.width, found.height, found.has_original),
        (640, 480, true)
    );
    assert!(media::by_id(&pool, other, ids[1]).await.unwrap().is_none());
    assert_eq!(media::dataset_of(&pool, ids[1]).await.unwrap(), Some(id));
    assert_eq!(
        media::dataset_of(&pool, MediaId::new()).await.unwrap(),
        None
    );
    let ordinals = media::ordinals_of(&pool, id, &[ids[2], MediaId::new()])
        .await
        .unwrap();
    assert_eq!(ordinals.into_iter().collect::<Vec<_>>(), [(ids[2], 2)]);
    assert_eq!(
        media::file_names(&pool, id).await.unwrap(),
        ["0.jpg", "1.jpg", "2.jpg"]
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn vectors_are_loaded_whole_or_not_at_all(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let owner = user(&pool, "o").await;
    let id = ready(&pool, &blobs(&folder), &owner, 3).await;
    let space = spaces::find(&pool, id, EntityType::Images, Space::Index);
    let space = space.await.unwrap().unwrap();
    let all = vectors::load_complete(&pool, id, &space).await.unwrap();
    assert_eq!(all, [vector(0), vector(1), vector(2)].concat());
    let wide = DatasetSpace {
        dimension: space.dimension * 2,
        ..space.clone()
    };
    let wrong = vectors::load_complete(&pool, id, &wide).await.unwrap_err();
    assert!(matches!(
        wrong,
        StoreError::VectorsIncomplete { ordinal: 0, .. }
    ));
    sqlx::query("delete from outputs where vector = $1")
        .bind(vector(1))
        .execute(&pool)
        .await
        .unwrap();
    let missing = vectors::load_complete(&pool, id, &space).await.unwrap_err();
    assert!(matches!(
        missing,
        StoreError::VectorsIncomplete {
            media: 3,
            found: 1,
            ordinal: 1,
            ..
        }
    ));
    sqlx::query("delete from media where dataset_id = $1 and ordinal = 0")
        .bind(id.as_uuid())
        .execute(&pool)
        .await
        .unwrap();
    assert!(matches!(
        media::all_ids(&pool, id).await,
        Err(StoreError::OrdinalsBroken { ordinal: 0, .. })
    ));
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn measures_come_in_ordinal_order_and_never_as_nan(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let owner = user(&pool, "o").await;
    let id = ready(&pool, &blobs(&folder), &owner, 3).await;
    let loaded = measures::confidences_of_media(&pool, id).await.unwrap();
    let expected = [0, 1, 2].map(|ordinal| (ordinal, [0.25, 0.0, 0.0]));
    assert_eq!(loaded, expected);
    let content_id = media::by_ordinals(&pool, id, &[0]).await.unwrap()[0].content_id;
    let of = |ordinal| measures::of_item(&pool, id, EntityType::Images, ordinal);
    assert_eq!(of(0).await.unwrap(), Some(crate::support::measured(0)));
    assert_eq!(of(3).await.unwrap(), None);
    let of_object = measures::of_item(&pool, id, EntityType::Objects, 0);
    assert_eq!(of_object.await.unwrap(), None);
    let bad = measures::ContentMeasures {
        sharpness: f32::NAN,
        ..crate::support::measured(0)
    };
    assert_eq!(
        measures::put(&pool, &[(content_id, bad)])
            .await
            .unwrap_err()
            .class(),
        ErrorClass::InvalidInput
    );
    let newer = measures::ContentMeasures {
        version: 2,
        sharpness: 9.0,
        ..crate::support::measured(0)
    };
    measures::put(&pool, &[(content_id, newer)]).await.unwrap();
    assert_eq!(of(0).await.unwrap().unwrap().version, 2);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn generations_are_published_by_number_and_files_of_copies_survive(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let store = blobs(&folder);
    let owner = user(&pool, "o").await;
    let id = ready(&pool, &store, &owner, 1).await;
    let (entity, space) = (EntityType::Images, Space::Index);
    assert_eq!(
        generations::next_number(&pool, id, entity, space)
            .await
            .unwrap(),
        2
    );
    publish(&pool, &store, id, 2).await;
    let latest = generations::latest(&pool, id, entity, space)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((latest.number, latest.count), (2, 1));
    let taken = generations::publish(&pool, &latest).await.unwrap_err();
    assert_eq!(taken.class(), ErrorClass::Conflict);
    // A copy points at the first file: it must not be given out for deletion.
    let first = generations::list(&pool, id).await.unwrap().pop().unwrap();
    let copy = dataset(&pool, &owner, DatasetStatus::Indexing).await;
    let shared = generations::Generation {
        dataset_id: copy,
        number: 1,
        ..first.clone()
    };
    generations::publish(&pool, &shared).await.unwrap();
    assert!(
        generations::retire(&pool, id, entity, space, 2)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(generations::list(&pool, id).await.unwrap(), [latest]);
    assert_eq!(
        generations::retire(&pool, copy, entity, space, 2)
            .await
            .unwrap(),
        [first.blob_key]
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_space_keeps_its_package(pool: PgPool) {
    let owner = user(&pool, "o").await;
    let id = dataset(&pool, &owner, DatasetStatus::Indexing).await;
    let mut conn = pool.acquire().await.unwrap();
    let space = DatasetSpace {
        entity_type: EntityType::Images,
        space: Space::Index,
        key: key(),
        dimension: 4,
    };
    spaces::put(&mut conn, id, &space).await.unwrap();
    spaces::put(&mut conn, id, &space).await.unwrap();
    let other = DatasetSpace {
        dimension: 8,
        ..space.clone()
    };
    assert_eq!(
        spaces::put(&mut conn, id, &other)
            .await
            .unwrap_err()
            .class(),
        ErrorClass::Conflict
    );
    assert_eq!(spaces::list(&pool, id).await.unwrap(), [space]);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn anchors_are_bound_to_a_dataset_and_expire(pool: PgPool) {
    let owner = user(&pool, "o").await;
    let (id, other) = (
        dataset(&pool, &owner, DatasetStatus::Ready).await,
        dataset(&pool, &owner, DatasetStatus::Ready).await,
    );
    let anchor = Anchor {
        id: AnchorId::new(),
        dataset_id: id,
        entity_type: EntityType::Images,
        key: key(),
        vector: vector(1),
    };
    anchors::insert(&pool, &anchor, Duration::from_secs(3600))
        .await
        .unwrap();
    assert_eq!(
        anchors::find(&pool, id, anchor.id).await.unwrap(),
        Some(anchor.clone())
    );
    assert_eq!(anchors::find(&pool, other, anchor.id).await.unwrap(), None);
    assert_eq!(anchors::delete_expired(&pool, 10).await.unwrap(), 0);
    sqlx::query("update anchors set expires_at = now()")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(anchors::find(&pool, id, anchor.id).await.unwrap(), None);
    assert_eq!(anchors::delete_expired(&pool, 10).await.unwrap(), 1);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn annotations_of_a_page_and_of_a_snapshot(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let owner = user(&pool, "o").await;
    let id = ready(&pool, &blobs(&folder), &owner, 3).await;
    let ids = media::all_ids(&pool, id).await.unwrap();
    let label = |media: usize, name: &str, source| Label {
        media_id: ids[media],
        name: name.to_owned(),
        source,
        confidence: None,
        original_id: -1,
    };
    let labels = [
        label(0, "dog", AnnotationSource::Model),
        label(0, "cat", AnnotationSource::User),
        label(2, "cat", AnnotationSource::User),
    ];
    annotations::put_labels(&pool, id, &labels).await.unwrap();
    annotations::put_labels(&pool, id, &labels).await.unwrap();
    let page = annotations::labels_of(&pool, id, &ids[..2]).await.unwrap();
    assert_eq!(page.len(), 1);
    assert_eq!(
        page[&ids[0]]
            .iter()
            .map(|label| label.name.as_str())
            .collect::<Vec<_>>(),
        ["cat", "dog"]
    );
    let column = annotations::label_column(&pool, id).await.unwrap();
    assert_eq!(
        column,
        [("cat".to_owned(), vec![0, 2]), ("dog".to_owned(), vec![0])]
    );
    for (source, text) in [("Model", "a blur"), ("User", "a dog")] {
        sqlx::query("insert into captions values ($1, 'IMAGES', $2, $3, $4)")
            .bind(id.as_uuid())
            .bind(ids[0].as_uuid())
            .bind(source)
            .bind(text)
            .execute(&pool)
            .await
            .unwrap();
    }
    let asked: Vec<_> = ids.iter().map(|id| id.as_uuid()).collect();
    let captions = annotations::captions_of(&pool, id, EntityType::Images, &asked)
        .await
        .unwrap();
    assert_eq!((captions.len(), captions[&asked[0]].as_str()), (1, "a dog"));
    let none = annotations::captions_of(&pool, id, EntityType::Objects, &asked);
    assert!(none.await.unwrap().is_empty());
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn an_enrichment_context_is_made_once(pool: PgPool) {
    let owner = user(&pool, "o").await;
    let id = dataset(&pool, &owner, DatasetStatus::Ready).await;
    let first = enrichment::context(&pool, id).await.unwrap();
    assert_eq!(first.1, lamina_types::EnrichmentStatus::New);
    assert_eq!(enrichment::context(&pool, id).await.unwrap(), first);
    let model = enrichment::AppliedModel {
        enrichment_type: "CAPTION_IMAGES".into(),
        slot: "s".into(),
        key: key(),
    };
    enrichment::put_applied(&pool, id, &model).await.unwrap();
    enrichment::put_applied(&pool, id, &model).await.unwrap();
    assert_eq!(enrichment::applied(&pool, id).await.unwrap(), [model]);
}
