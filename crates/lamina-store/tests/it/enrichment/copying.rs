//! Copies: rows by insert-select, fresh ids, what is left out.

use lamina_store::enrichment::AppliedModel;
use lamina_store::users::User;
use lamina_store::{
    annotations, datasets, enrichment, generations, media, objects, regions, said, spaces, tags,
    text_vectors,
};
use lamina_types::{DatasetId, DatasetStatus, EnrichmentStatus, EnrichmentType, EntityType, Space};
use serde_json::json;
use sqlx::PgPool;

use super::{
    area, begun, captioner, captions_of, contents_of, detect, detector, finished, status_of,
    with_notes,
};
use crate::support::{blobs, count, ready, user};

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn of_fifty_who_ask_at_once_one_gets_a_copy(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let owner = user(&pool, "ada").await;
    let source = ready(&pool, &blobs(&folder), &owner, 3).await;
    let asked = (0..50).map(|_| {
        let pool = pool.clone();
        async move {
            let mut tx = pool.begin().await.unwrap();
            let begun = enrichment::begin(&mut tx, source).await;
            tx.commit().await.unwrap();
            begun.is_ok()
        }
    });
    let granted = futures::future::join_all(asked).await;
    assert_eq!(granted.iter().filter(|granted| **granted).count(), 1);
    assert_eq!(status_of(&pool, source).await, DatasetStatus::ReadOnly);
    assert_eq!(
        enrichment::copies_being_made(&pool, source)
            .await
            .unwrap()
            .len(),
        1
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_copy_has_fresh_ids_the_same_numbers_and_everything_that_was_noted(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let owner = user(&pool, "ada").await;
    let source = ready(&pool, &blobs(&folder), &owner, 4).await;
    with_notes(&pool, &owner, source).await;
    let copy = begun(&pool, source, &[EnrichmentType::ObjectDetection]).await;

    let (old, new) = (
        media::all_ids(&pool, source).await.unwrap(),
        media::all_ids(&pool, copy).await.unwrap(),
    );
    assert_eq!(new.len(), 4);
    assert!(old.iter().all(|id| !new.contains(id)), "ids are fresh");
    assert_eq!(
        contents_of(&pool, source).await,
        contents_of(&pool, copy).await
    );
    let labels = annotations::labels_of(&pool, copy, &new).await.unwrap();
    assert_eq!(labels.len(), 2);
    let said = captions_of(&pool, copy, &new).await;
    assert_eq!(said[&new[0]], "a van of mine");
    assert_eq!(said[&new[1]], "a van");
    let shown = tags::of_media(&pool, copy, &new).await.unwrap();
    assert_eq!(shown[&new[0]][0].name, "keep");
    assert_ne!(
        shown[&new[0]][0].id,
        tags::of_media(&pool, source, &old).await.unwrap()[&old[0]][0].id
    );
    let row = generations::latest(&pool, copy, EntityType::Images, Space::Index)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((row.origin_dataset_id, row.count), (source, 4));
    assert_eq!(spaces::list(&pool, copy).await.unwrap().len(), 1);
    let context = enrichment::context(&pool, copy).await.unwrap();
    assert_eq!(context.1, EnrichmentStatus::InProgress);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn what_is_made_anew_is_left_out_and_a_users_word_is_kept(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let owner = user(&pool, "ada").await;
    let source = ready(&pool, &blobs(&folder), &owner, 4).await;
    with_notes(&pool, &owner, source).await;
    let applied = AppliedModel {
        enrichment_type: "CAPTION_IMAGES".to_owned(),
        slot: "vl_image_captioner_v00".to_owned(),
        key: captioner(),
    };
    enrichment::put_applied(&pool, source, &applied)
        .await
        .unwrap();
    let types = [EnrichmentType::CaptionImages, EnrichmentType::ImageTagging];
    let copy = begun(&pool, source, &types).await;
    let ids = media::all_ids(&pool, copy).await.unwrap();
    let said = captions_of(&pool, copy, &ids).await;
    assert_eq!(said.len(), 1);
    assert_eq!(said[&ids[0]], "a van of mine");
    let labels = annotations::labels_of(&pool, copy, &ids).await.unwrap();
    assert_eq!(labels.len(), 1);
    assert!(enrichment::applied(&pool, copy).await.unwrap().is_empty());
    // The source keeps what it has.
    assert_eq!(enrichment::applied(&pool, source).await.unwrap().len(), 1);
    assert_eq!(count(&pool, "select count(*) from captions").await, 3);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn boxes_become_objects_and_go_along_into_the_next_copy(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let owner = user(&pool, "ada").await;
    let source = ready(&pool, &blobs(&folder), &owner, 4).await;
    let first = begun(&pool, source, &[EnrichmentType::ObjectDetection]).await;
    let region_ids = detect(&pool, first).await;
    // The same boxes again are the same regions.
    assert_eq!(detect(&pool, first).await, region_ids);
    let mut tx = pool.begin().await.unwrap();
    assert_eq!(
        objects::append_found(&mut tx, first, &detector())
            .await
            .unwrap(),
        3
    );
    tx.commit().await.unwrap();
    let crops = objects::range(&pool, first, 0, 10).await.unwrap();
    let places: Vec<(u32, u32)> = crops
        .iter()
        .map(|crop| (crop.ordinal, crop.media_ordinal))
        .collect();
    assert_eq!(places, [(0, 0), (1, 0), (2, 1)]);
    assert_eq!(crops[1].area, area(0.5));

    let text = vec![(region_ids[1], json!({"caption": "a small cat"}))];
    regions::put_values(&pool, &captioner(), &text)
        .await
        .unwrap();
    said::caption_objects(&pool, first, &captioner(), [0, 3])
        .await
        .unwrap();
    finished(&pool, source, first).await;
    let shown = datasets::find(&pool, first).await.unwrap().unwrap();
    assert_eq!((shown.n_images, shown.n_objects), (4, 3));

    let second = begun(&pool, first, &[EnrichmentType::CaptionImages]).await;
    let again = objects::range(&pool, second, 0, 10).await.unwrap();
    assert_eq!(again.len(), 3);
    assert_ne!(again[1].id, crops[1].id, "ids are fresh");
    assert_eq!(again[1].region_id, crops[1].region_id);
    assert_eq!(
        text_vectors::captions_of(&pool, second, EntityType::Objects, [0, 3])
            .await
            .unwrap(),
        ["a small cat"]
    );
    finished(&pool, first, second).await;

    // New objects: the old ones and what was said about them stay behind.
    let third = begun(&pool, second, &[EnrichmentType::ObjectDetection]).await;
    assert_eq!(objects::count(&pool, third).await.unwrap(), 0);
    let none = text_vectors::captions_of(&pool, third, EntityType::Objects, [0, 3]);
    assert_eq!(none.await.unwrap(), [""; 0]);
}

/// A dataset of 100,000 pictures with captions, labels and objects, made by the database itself.
async fn large(pool: &PgPool, owner: &User) -> DatasetId {
    const MEDIA: i32 = 100_000;
    let id = crate::support::dataset(pool, owner, DatasetStatus::Indexing).await;
    for sql in [
        "insert into contents (owner_id, sha256, byte_size, format, width, height, has_original) \
         select $2, sha256(n::text::bytea), 1, 'jpeg', 640, 480, true from generate_series(1, $3) n",
        "insert into media (id, dataset_id, ordinal, content_id, file_name, original_uri) \
         select gen_random_uuid(), $1, (row_number() over (order by id) - 1)::integer, id, id || '.jpg', 'a/' || id || '.jpg' \
         from contents where owner_id = $2 and $3 > 0",
        "insert into captions (dataset_id, entity_type, entity_id, source, caption) \
         select $1, 'IMAGES', id, 'User', 'a delivery van on a wet street at night, number ' || ordinal from media \
         where dataset_id = $1 and $2::uuid is not null and $3 > 0",
        "insert into labels (dataset_id, media_id, name, source) \
         select $1, id, 'label ' || ordinal % 50, 'User' from media where dataset_id = $1 and $2::uuid is not null and $3 > 0",
        "insert into regions (content_id, x, y, width, height) \
         select id, 0.1, 0.1, 0.5, 0.5 from contents where $1::uuid is not null and owner_id = $2 and $3 > 0",
        "insert into objects (id, dataset_id, ordinal, media_id, region_id, label, source) \
         select gen_random_uuid(), $1, m.ordinal, m.id, r.id, 'van', 'Visual Layer' from media m \
         join regions r on r.content_id = m.content_id where m.dataset_id = $1 and $2::uuid is not null and $3 > 0",
    ] {
        sqlx::query(sql)
            .bind(id.as_uuid())
            .bind(owner.id.as_uuid())
            .bind(MEDIA)
            .execute(pool)
            .await
            .unwrap();
    }
    let mut conn = pool.acquire().await.unwrap();
    datasets::set_status(&mut conn, id, DatasetStatus::Ready)
        .await
        .unwrap();
    id
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_hundred_thousand_media_are_copied_in_seconds(pool: PgPool) {
    let owner = user(&pool, "ada").await;
    let source = large(&pool, &owner).await;
    let start = std::time::Instant::now();
    let copy = begun(&pool, source, &[EnrichmentType::MultimodelImageEncoding]).await;
    let took = start.elapsed();
    eprintln!("copied 100,000 media with captions, labels and objects in {took:?}");
    assert_eq!(media::count(&pool, copy).await.unwrap(), 100_000);
    assert_eq!(objects::count(&pool, copy).await.unwrap(), 100_000);
    // Seconds on a machine of its own; hours where the planner goes wrong.
    assert!(took.as_secs() < 60, "{took:?}");
}
