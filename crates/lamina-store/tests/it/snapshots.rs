//! Snapshots: going back gives everything the ids that it had.

use lamina_store::copies::{self, LeftOut};
use lamina_store::custom_fields::{self, CustomField, CustomValue, FieldType};
use lamina_store::snapshots::{self, NewSnapshot};
use lamina_store::tags::{self, Tagged};
use lamina_store::users::User;
use lamina_store::{annotations, boxes, datasets, media, objects, regions, said, text_vectors};
use lamina_types::{
    DatasetId, DatasetStatus, EnrichmentType, EntityType, MediaId, SnapshotReason, TagId,
};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::enrichment::{begun, captioner, detect, detector, finished, with_notes};
use crate::support::{blobs, ready, user};

/// An enriched dataset with objects, captions of them, labels, a tag and a field.
async fn noted(pool: &PgPool, folder: &tempfile::TempDir, owner: &User) -> DatasetId {
    let source = ready(pool, &blobs(folder), owner, 4).await;
    with_notes(pool, owner, source).await;
    let id = begun(pool, source, &[EnrichmentType::ObjectDetection]).await;
    let found = detect(pool, id).await;
    let mut tx = pool.begin().await.unwrap();
    objects::append_found(&mut tx, id, &detector())
        .await
        .unwrap();
    let text = vec![(found[1], json!({"caption": "a small cat"}))];
    regions::put_values(&mut *tx, &captioner(), &text)
        .await
        .unwrap();
    said::caption_objects(&mut *tx, id, &captioner(), [0, 3])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    put_field(pool, owner, id, "weather", "rain").await;
    finished(pool, source, id).await;
    id
}

async fn put_field(pool: &PgPool, owner: &User, id: DatasetId, name: &str, value: &str) {
    let field = CustomField {
        id: Uuid::now_v7(),
        name: name.to_owned(),
        field_type: FieldType::String,
        enum_options: Vec::new(),
        is_multi: false,
        status: "INIT".to_owned(),
        inserted_rows: 0,
        error_count: 0,
        sample_errors: json!([]),
    };
    custom_fields::create(pool, id, &field, owner.id)
        .await
        .unwrap();
    let first = media::all_ids(pool, id).await.unwrap()[0];
    let values = [(first.as_uuid(), CustomValue::Texts(vec![value.to_owned()]))];
    custom_fields::put(pool, field.id, &values).await.unwrap();
}

/// Everything that a dataset has, with its ids.
async fn everything(pool: &PgPool, id: DatasetId) -> Vec<String> {
    let ids: Vec<MediaId> = media::all_ids(pool, id).await.unwrap();
    let mut all = vec![format!("{ids:?}")];
    for object in boxes::of_media_list(pool, id, &ids).await.unwrap() {
        let named = [object.id.as_uuid()];
        let captions = annotations::captions_of(pool, id, EntityType::Objects, &named);
        all.push(format!(
            "{} {} {} {:?}",
            object.id,
            object.ordinal,
            object.label,
            captions.await.unwrap().values().next()
        ));
    }
    let shown = tags::of_media(pool, id, &ids).await.unwrap();
    let tagged = ids.iter().map(|one| format!("{:?}", shown.get(one)));
    all.extend(tagged);
    for field in custom_fields::list(pool, id).await.unwrap() {
        all.push(format!("{} {}", field.id, field.name));
    }
    for one in &ids {
        all.push(format!(
            "{:?}",
            custom_fields::of_media(pool, *one).await.unwrap()
        ));
    }
    all
}

async fn restore(pool: &PgPool, id: DatasetId, snapshot: DatasetId) {
    let mut tx = pool.begin().await.unwrap();
    snapshots::restore(&mut tx, id, snapshot).await.unwrap();
    tx.commit().await.unwrap();
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn going_back_gives_tags_fields_and_objects_the_ids_that_they_had(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let owner = user(&pool, "ada").await;
    let id = noted(&pool, &folder, &owner).await;
    let before = everything(&pool, id).await;
    let dataset = datasets::find(&pool, id).await.unwrap().unwrap();
    let mut tx = pool.begin().await.unwrap();
    let new = NewSnapshot {
        dataset: &dataset,
        created_by: owner.id,
        name: None,
        description: String::new(),
        reason: SnapshotReason::Manual,
    };
    let snapshot = snapshots::create(&mut tx, new).await.unwrap();
    tx.commit().await.unwrap();
    assert_ne!(
        everything(&pool, snapshot).await,
        before,
        "a snapshot has ids of its own"
    );

    // Other tags and fields, some under the same name; no objects.
    let old = tags::ids(&pool, id).await.unwrap();
    let conn = &mut *pool.acquire().await.unwrap();
    for tag in &old {
        tags::delete(&mut *conn, id, *tag).await.unwrap();
    }
    let ids = media::all_ids(&pool, id).await.unwrap();
    for name in ["keep", "review"] {
        let tag = TagId::new();
        tags::create(&mut *conn, id, tag, name, owner.id)
            .await
            .unwrap();
        tags::assign(&mut *conn, id, tag, &Tagged::Ids(ids.clone()))
            .await
            .unwrap();
    }
    for field in custom_fields::list(&pool, id).await.unwrap() {
        custom_fields::delete(&pool, id, field.id).await.unwrap();
    }
    put_field(&pool, &owner, id, "weather", "sun").await;
    sqlx::query("delete from objects where dataset_id = $1")
        .bind(id.as_uuid())
        .execute(&pool)
        .await
        .unwrap();
    assert_ne!(everything(&pool, id).await, before);

    // Twice: the second time, from a snapshot of what was restored.
    restore(&pool, id, snapshot).await;
    assert_eq!(everything(&pool, id).await, before);
    restore(&pool, id, snapshot).await;
    assert_eq!(everything(&pool, id).await, before);

    // Another dataset made of the snapshot has ids of its own, all of them.
    let clone = begun_clone(&pool, &owner, snapshot).await;
    let theirs = tags::ids(&pool, clone).await.unwrap();
    assert_eq!(theirs.len(), old.len());
    assert!(theirs.iter().all(|tag| !old.contains(tag)));
    let texts = text_vectors::captions_of(&pool, clone, EntityType::Objects, [0, 3]);
    assert_eq!(texts.await.unwrap(), ["a small cat"]);
}

async fn begun_clone(pool: &PgPool, owner: &User, snapshot: DatasetId) -> DatasetId {
    let clone = crate::support::dataset(pool, owner, DatasetStatus::Indexing).await;
    let mut tx = pool.begin().await.unwrap();
    copies::fill(&mut tx, snapshot, clone, LeftOut::of(&[]))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    clone
}
