//! Copies, and what models say about them: rows made by insert-select, outputs by content, both datasets moving together.

mod copying;
mod outcomes;
mod runs;

use std::collections::HashMap;

use lamina_store::annotations::{AnnotationSource, Label};
use lamina_store::captions::NewCaption;
use lamina_store::copies::LeftOut;
use lamina_store::tags::Tagged;
use lamina_store::users::User;
use lamina_store::{
    annotations, captions, copies, datasets, enrichment, media, outputs, regions, tags,
};
use lamina_types::{
    BoundingBox, DatasetId, DatasetStatus, EnrichmentType, EntityType, MediaId, SpaceKey, TagId,
};
use serde_json::json;
use sqlx::PgPool;

/// The captions of pictures, as a page shows them.
pub async fn captions_of(
    pool: &PgPool,
    dataset: DatasetId,
    ids: &[MediaId],
) -> HashMap<MediaId, String> {
    let asked: Vec<_> = ids.iter().map(|id| id.as_uuid()).collect();
    let found = annotations::captions_of(pool, dataset, EntityType::Images, &asked);
    let found = found.await.unwrap().into_iter();
    found
        .map(|(id, text)| (MediaId::from_uuid(id), text))
        .collect()
}

pub fn detector() -> SpaceKey {
    SpaceKey {
        package: "detector@1".to_owned(),
        parameters: r#"{"score_threshold":0.3}"#.to_owned(),
    }
}

pub fn captioner() -> SpaceKey {
    SpaceKey {
        package: "captioner@1".to_owned(),
        parameters: String::new(),
    }
}

pub fn area(x: f64) -> BoundingBox {
    BoundingBox::from_fractions(x, 0.1, 0.2, 0.3).unwrap()
}

pub async fn contents_of(pool: &PgPool, dataset: DatasetId) -> Vec<i64> {
    let n = media::count(pool, dataset).await.unwrap() as u32;
    let ordinals: Vec<u32> = (0..n).collect();
    let found = media::by_ordinals(pool, dataset, &ordinals).await.unwrap();
    found.iter().map(|media| media.content_id).collect()
}

/// Two boxes in the first picture, one in the second, none in the others.
pub async fn detect(pool: &PgPool, dataset: DatasetId) -> Vec<i64> {
    let contents = contents_of(pool, dataset).await;
    let boxes = [
        (contents[0], area(0.1)),
        (contents[0], area(0.5)),
        (contents[1], area(0.1)),
    ];
    let mut tx = pool.begin().await.unwrap();
    let ids = regions::upsert(&mut tx, &boxes).await.unwrap();
    let found =
        |label: &str, region: i64| json!({"region": region, "label": label, "confidence": 0.5});
    let mut values = vec![
        (
            contents[0],
            json!({"boxes": [found("dog", ids[0]), found("cat", ids[1])]}),
        ),
        (contents[1], json!({"boxes": [found("dog", ids[2])]})),
    ];
    values.extend(contents[2..].iter().map(|id| (*id, json!({"boxes": []}))));
    outputs::put_values(&mut *tx, &detector(), &values)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    ids
}

pub async fn begun(pool: &PgPool, source: DatasetId, types: &[EnrichmentType]) -> DatasetId {
    let mut tx = pool.begin().await.unwrap();
    let copy = enrichment::begin(&mut tx, source).await.unwrap().id;
    copies::fill(&mut tx, source, copy, LeftOut::of(types))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    copy
}

pub async fn finished(pool: &PgPool, source: DatasetId, copy: DatasetId) {
    let mut tx = pool.begin().await.unwrap();
    enrichment::release_source(&mut *tx, source).await.unwrap();
    datasets::recount(&mut *tx, copy).await.unwrap();
    datasets::set_status(&mut tx, copy, DatasetStatus::Ready)
        .await
        .unwrap();
    enrichment::mark_completed(&mut *tx, copy).await.unwrap();
    tx.commit().await.unwrap();
}

pub async fn status_of(pool: &PgPool, dataset: DatasetId) -> DatasetStatus {
    let found = datasets::find(pool, dataset).await.unwrap().unwrap();
    found.status
}

pub async fn with_notes(pool: &PgPool, owner: &User, source: DatasetId) {
    let ids = media::all_ids(pool, source).await.unwrap();
    let label = |place: usize, source| Label {
        media_id: ids[place],
        name: "street".to_owned(),
        source,
        confidence: Some(0.5),
        original_id: -1,
    };
    let labels = [
        label(0, AnnotationSource::User),
        label(1, AnnotationSource::VisualLayer),
    ];
    annotations::put_labels(pool, source, &labels)
        .await
        .unwrap();
    let caption = |place: usize, source, caption: &str| NewCaption {
        entity_id: ids[place].as_uuid(),
        source,
        caption: caption.to_owned(),
    };
    let said = [
        caption(0, AnnotationSource::User, "a van of mine"),
        caption(1, AnnotationSource::VisualLayer, "a van"),
    ];
    captions::put(pool, source, EntityType::Images, &said)
        .await
        .unwrap();
    let tag = TagId::new();
    let conn = &mut *pool.acquire().await.unwrap();
    tags::create(conn, source, tag, "keep", owner.id)
        .await
        .unwrap();
    tags::assign(conn, source, tag, &Tagged::Ids(ids[..1].to_vec()))
        .await
        .unwrap();
}
