//! Vectors of every entity and space, by ordinal.

use lamina_store::captions::{self, NewCaption};
use lamina_store::spaces::DatasetSpace;
use lamina_store::users::User;
use lamina_store::vectors::{self, StoredVectors};
use lamina_store::{StoreError, annotations::AnnotationSource, media, text_vectors};
use lamina_types::{DatasetId, EntityType, ObjectId, Space};
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::{DIMENSION, blobs, key, ready, user, vector};

fn space_of(entity_type: EntityType, space: Space) -> DatasetSpace {
    DatasetSpace {
        entity_type,
        space,
        key: key(),
        dimension: DIMENSION as u32,
    }
}

/// An object on each of the media, the last one first; their ids.
async fn add_objects(pool: &PgPool, dataset: DatasetId) -> Vec<Uuid> {
    let mut ids = Vec::new();
    for (ordinal, media) in (0..).zip(media::all_ids(pool, dataset).await.unwrap().iter().rev()) {
        let region: i64 = sqlx::query_scalar(
            "insert into regions (content_id, x, y, width, height) \
             select content_id, 0, 0, 0.5, 0.5 from media where id = $1 returning id",
        )
        .bind(media.as_uuid())
        .fetch_one(pool)
        .await
        .unwrap();
        let id = ObjectId::new().as_uuid();
        sqlx::query(
            "insert into objects (id, dataset_id, ordinal, media_id, label, source, region_id) \
             values ($1, $2, $3, $4, 'car', 'Visual Layer', $5)",
        )
        .bind(id)
        .bind(dataset.as_uuid())
        .bind(ordinal)
        .bind(media.as_uuid())
        .bind(region)
        .execute(pool)
        .await
        .unwrap();
        sqlx::query("insert into region_outputs (region_id, package, parameters, vector) values ($1, $2, '', $3)")
            .bind(region)
            .bind(key().package)
            .bind(vector(ordinal as u32))
            .execute(pool)
            .await
            .unwrap();
        ids.push(id);
    }
    ids
}

async fn embed_text(pool: &PgPool, owner: &User, text: &str, number: u32) {
    sqlx::query(
        "insert into text_vectors (owner_id, text_sha256, package, parameters, vector) \
         values ($1, lamina_text_digest($2), $3, '', $4)",
    )
    .bind(owner.id.as_uuid())
    .bind(text)
    .bind(key().package)
    .bind(vector(number))
    .execute(pool)
    .await
    .unwrap();
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn vectors_of_objects_come_from_their_regions(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let owner = user(&pool, "o").await;
    let id = ready(&pool, &blobs(&folder), &owner, 3).await;
    add_objects(&pool, id).await;
    for space in [Space::Index, Space::MultimodelObject] {
        let space = space_of(EntityType::Objects, space);
        let found = vectors::load_complete(&pool, id, &space).await.unwrap();
        assert_eq!(found, [vector(0), vector(1), vector(2)].concat());
    }
    sqlx::query("delete from region_outputs where vector = $1")
        .bind(vector(1))
        .execute(&pool)
        .await
        .unwrap();
    let space = space_of(EntityType::Objects, Space::Index);
    let missing = vectors::load_complete(&pool, id, &space).await;
    assert!(matches!(
        missing,
        Err(StoreError::VectorsIncomplete { ordinal: 1, .. })
    ));
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn vectors_of_captions_are_as_many_as_there_are_captions(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let owner = user(&pool, "o").await;
    let id = ready(&pool, &blobs(&folder), &owner, 3).await;
    let objects = add_objects(&pool, id).await;
    let media: Vec<Uuid> = media::all_ids(&pool, id)
        .await
        .unwrap()
        .iter()
        .map(|id| id.as_uuid())
        .collect();
    let caption = |entity_id, source, caption: &str| NewCaption {
        entity_id,
        source,
        caption: caption.to_owned(),
    };
    let of_pictures = [
        caption(media[0], AnnotationSource::Model, "a dog"),
        caption(media[2], AnnotationSource::User, "a dog"),
        caption(media[2], AnnotationSource::VisualLayer, "a cat"),
        caption(media[1], AnnotationSource::User, "nobody embedded this"),
    ];
    captions::put(&pool, id, EntityType::Images, &of_pictures)
        .await
        .unwrap();
    let of_objects = [caption(objects[1], AnnotationSource::Model, "a cat")];
    captions::put(&pool, id, EntityType::Objects, &of_objects)
        .await
        .unwrap();
    embed_text(&pool, &owner, "a dog", 7).await;
    embed_text(&pool, &owner, "a cat", 8).await;
    // What another owner's texts mean is none of ours.
    let other = user(&pool, "other").await;
    embed_text(&pool, &other, "nobody embedded this", 9).await;

    let space = space_of(EntityType::Images, Space::CaptionText);
    let texts = text_vectors::of_captions(&pool, id, &space).await.unwrap();
    let mut said: Vec<(u32, Vec<u8>)> = Vec::new();
    for (ordinal, place) in &texts.said {
        let length = vector(7).len();
        let start = *place as usize * length;
        said.push((*ordinal, texts.bytes[start..start + length].to_vec()));
    }
    said.sort();
    assert_eq!(said, [(0, vector(7)), (2, vector(7)), (2, vector(8))]);
    assert_eq!(texts.bytes.len(), 2 * vector(7).len(), "each text once");
    let found = vectors::load(&pool, id, &space).await.unwrap();
    let expected = StoredVectors {
        ordinals: vec![0, 2, 2],
        bytes: [vector(7), vector(7), vector(8)].concat(),
    };
    assert_eq!(found, expected);
    let incomplete = vectors::load_complete(&pool, id, &space).await;
    assert!(matches!(
        incomplete,
        Err(StoreError::VectorsIncomplete { ordinal: 1, .. })
    ));
    let space = space_of(EntityType::Objects, Space::CaptionText);
    let found = vectors::load(&pool, id, &space).await.unwrap();
    assert_eq!((found.ordinals, found.bytes), (vec![1], vector(8)));
}
