//! What models said, made rows of a dataset: captions and labels out of the outputs of its contents and regions.

use lamina_types::{DatasetId, SpaceKey};
use sqlx::PgExecutor;

use crate::annotations::AnnotationSource;
use crate::{StoreError, columns};

/// Captions of the pictures numbered from `first` to before `end`; an empty text is none.
///
/// # Errors
/// The database.
pub async fn caption_media(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    key: &SpaceKey,
    [first, end]: [u32; 2],
) -> Result<(), StoreError> {
    let sql = "insert into captions (dataset_id, entity_type, entity_id, source, caption) \
               select $1, 'IMAGES', m.id, $6, o.value ->> 'caption' \
               from media m join outputs o on o.content_id = m.content_id and o.package = $2 and o.parameters = $3 \
               where m.dataset_id = $1 and m.ordinal >= $4 and m.ordinal < $5 and coalesce(o.value ->> 'caption', '') <> '' \
               on conflict do nothing";
    make(ex, sql, dataset, key, [first, end]).await
}

/// Labels of the pictures numbered from `first` to before `end`.
///
/// # Errors
/// The database.
pub async fn label_media(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    key: &SpaceKey,
    [first, end]: [u32; 2],
) -> Result<(), StoreError> {
    let sql = "insert into labels (dataset_id, media_id, name, source, confidence) \
               select $1, m.id, left(t.tag ->> 'name', 255), $6, (t.tag ->> 'confidence')::real \
               from media m join outputs o on o.content_id = m.content_id and o.package = $2 and o.parameters = $3 \
               cross join lateral jsonb_array_elements(o.value -> 'tags') as t (tag) \
               where m.dataset_id = $1 and m.ordinal >= $4 and m.ordinal < $5 and coalesce(t.tag ->> 'name', '') <> '' \
               on conflict do nothing";
    make(ex, sql, dataset, key, [first, end]).await
}

/// Captions of the objects numbered from `first` to before `end`; an empty text is none.
///
/// # Errors
/// The database.
pub async fn caption_objects(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    key: &SpaceKey,
    [first, end]: [u32; 2],
) -> Result<(), StoreError> {
    let sql = "insert into captions (dataset_id, entity_type, entity_id, source, caption) \
               select $1, 'OBJECTS', b.id, $6, o.value ->> 'caption' \
               from objects b join region_outputs o on o.region_id = b.region_id and o.package = $2 and o.parameters = $3 \
               where b.dataset_id = $1 and b.ordinal >= $4 and b.ordinal < $5 and coalesce(o.value ->> 'caption', '') <> '' \
               on conflict do nothing";
    make(ex, sql, dataset, key, [first, end]).await
}

async fn make(
    ex: impl PgExecutor<'_>,
    sql: &'static str,
    dataset: DatasetId,
    key: &SpaceKey,
    [first, end]: [u32; 2],
) -> Result<(), StoreError> {
    sqlx::query(sql)
        .bind(dataset.as_uuid())
        .bind(&key.package)
        .bind(&key.parameters)
        .bind(columns::to_int(first)?)
        .bind(columns::to_int(end)?)
        .bind(AnnotationSource::VisualLayer.as_str())
        .execute(ex)
        .await?;
    Ok(())
}
