//! What models said becomes captions, labels and objects, and `verify` sees what lacks a vector.

use lamina_store::annotations::AnnotationSource;
use lamina_store::captions::NewCaption;
use lamina_store::{
    annotations, captions, media, objects, outputs, regions, said, spaces, text_vectors,
};
use lamina_types::{EnrichmentType, EntityType, Space};
use serde_json::json;
use sqlx::PgPool;

use super::{begun, captioner, captions_of, contents_of, detect, detector, finished};
use crate::support::{DIMENSION, blobs, count, key, ready, user, vector};

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn objects_without_a_vector_go_and_the_numbers_close_up(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let owner = user(&pool, "ada").await;
    let source = ready(&pool, &blobs(&folder), &owner, 4).await;
    let copy = begun(&pool, source, &[EnrichmentType::ObjectDetection]).await;
    let ids = detect(&pool, copy).await;
    let mut tx = pool.begin().await.unwrap();
    objects::append_found(&mut tx, copy, &detector())
        .await
        .unwrap();
    let vectors = [(ids[1], vector(1)), (ids[2], vector(2))];
    regions::put_vectors(&mut *tx, &key(), DIMENSION, &vectors)
        .await
        .unwrap();
    assert_eq!(
        regions::lacking(&mut *tx, &key(), &ids).await.unwrap(),
        [ids[0]]
    );
    assert_eq!(
        objects::drop_without_vector(&mut tx, copy, &key())
            .await
            .unwrap(),
        1
    );
    tx.commit().await.unwrap();
    let left = objects::range(&pool, copy, 0, 10).await.unwrap();
    let places: Vec<(u32, i64)> = left
        .iter()
        .map(|crop| (crop.ordinal, crop.region_id))
        .collect();
    assert_eq!(places, [(0, ids[1]), (1, ids[2])]);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn captions_and_labels_come_out_of_outputs_for_their_range_only(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let owner = user(&pool, "ada").await;
    let source = ready(&pool, &blobs(&folder), &owner, 4).await;
    let copy = begun(&pool, source, &[EnrichmentType::CaptionImages]).await;
    let contents = contents_of(&pool, copy).await;
    let values: Vec<(i64, serde_json::Value)> = contents
        .iter()
        .zip(["a van", "a van", "", "a dog"])
        .map(|(id, text)| {
            (
                *id,
                json!({"caption": text, "tags": [{"name": "t", "confidence": 0.75}]}),
            )
        })
        .collect();
    outputs::put_values(&pool, &captioner(), &values)
        .await
        .unwrap();
    assert_eq!(
        outputs::count_lacking(&pool, &captioner(), copy)
            .await
            .unwrap(),
        0
    );
    assert_eq!(
        outputs::count_lacking(&pool, &detector(), copy)
            .await
            .unwrap(),
        4
    );
    for _ in 0..2 {
        said::caption_media(&pool, copy, &captioner(), [0, 3])
            .await
            .unwrap();
        said::label_media(&pool, copy, &captioner(), [0, 3])
            .await
            .unwrap();
    }
    let ids = media::all_ids(&pool, copy).await.unwrap();
    let found = captions_of(&pool, copy, &ids).await;
    assert_eq!(
        found.len(),
        2,
        "an empty text is none, the last is not asked for"
    );
    let labels = annotations::labels_of(&pool, copy, &ids).await.unwrap();
    assert_eq!(labels.len(), 3);
    assert_eq!(labels[&ids[0]][0].confidence, Some(0.75));

    let texts = text_vectors::captions_of(&pool, copy, EntityType::Images, [0, 4])
        .await
        .unwrap();
    assert_eq!(texts, ["a van"]);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_text_embedded_for_one_tenant_is_unknown_to_another(pool: PgPool) {
    let (ada, bob) = (user(&pool, "ada").await, user(&pool, "bob").await);
    let texts: Vec<String> = ["a van", "a dog", "a van"].map(str::to_owned).to_vec();
    assert_eq!(
        text_vectors::lacking(&pool, ada.id, &key(), &texts)
            .await
            .unwrap(),
        ["a van", "a dog"]
    );
    let made = [("a van".to_owned(), vector(1))];
    for _ in 0..2 {
        text_vectors::put(&pool, ada.id, &key(), DIMENSION, &made)
            .await
            .unwrap();
    }
    assert_eq!(
        text_vectors::lacking(&pool, ada.id, &key(), &texts)
            .await
            .unwrap(),
        ["a dog"]
    );
    let of_bob = text_vectors::lacking(&pool, bob.id, &key(), &texts).await;
    assert_eq!(of_bob.unwrap().len(), 2);
    // The column that Postgres makes of a caption is the same digest.
    assert_eq!(
        count(
            &pool,
            "select count(*) from text_vectors where text_sha256 = lamina_text_digest('a van')"
        )
        .await,
        1
    );
}

async fn breaches(pool: &PgPool, blobs: &lamina_store::BlobStore) -> Vec<String> {
    let options = lamina_store::verify::VerifyOptions::default();
    let report = lamina_store::verify::verify(pool, blobs, &options)
        .await
        .unwrap();
    let broken = report.checks.into_iter();
    broken.flat_map(|check| check.breaches).collect()
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn verify_sees_objects_and_captions_without_vectors(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let (owner, blobs) = (user(&pool, "ada").await, blobs(&folder));
    let source = ready(&pool, &blobs, &owner, 4).await;
    let copy = begun(&pool, source, &[EnrichmentType::ObjectDetection]).await;
    let regions_of_copy = detect(&pool, copy).await;
    let mut tx = pool.begin().await.unwrap();
    objects::append_found(&mut tx, copy, &detector())
        .await
        .unwrap();
    for (entity_type, space) in [
        (EntityType::Objects, Space::Index),
        (EntityType::Images, Space::CaptionText),
    ] {
        let space = spaces::DatasetSpace {
            entity_type,
            space,
            key: key(),
            dimension: DIMENSION as u32,
        };
        spaces::put(&mut tx, copy, &space).await.unwrap();
    }
    tx.commit().await.unwrap();
    let ids = media::all_ids(&pool, copy).await.unwrap();
    let said = NewCaption {
        entity_id: ids[0].as_uuid(),
        source: AnnotationSource::User,
        caption: "a van".to_owned(),
    };
    captions::put(&pool, copy, EntityType::Images, &[said])
        .await
        .unwrap();
    finished(&pool, source, copy).await;
    let found = breaches(&pool, &blobs).await;
    assert!(
        found.iter().any(|text| text.contains("3 objects without")),
        "{found:?}"
    );
    assert!(
        found
            .iter()
            .any(|text| text.contains("1 captions of IMAGES")),
        "{found:?}"
    );
    let vectors: Vec<(i64, Vec<u8>)> = regions_of_copy
        .iter()
        .map(|id| (*id, vector(*id as u32)))
        .collect();
    regions::put_vectors(&pool, &key(), DIMENSION, &vectors)
        .await
        .unwrap();
    let texts = [("a van".to_owned(), vector(1))];
    text_vectors::put(&pool, owner.id, &key(), DIMENSION, &texts)
        .await
        .unwrap();
    let left = breaches(&pool, &blobs).await;
    assert!(
        left.iter().all(|text| !text.contains("without")),
        "{left:?}"
    );
}
