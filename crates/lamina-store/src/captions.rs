//! Captions: writing and reading them. Their words are searched in [`crate::caption_texts`].

use std::collections::HashMap;

use lamina_types::{DatasetId, EntityType};
use sqlx::{PgExecutor, Row};
use uuid::Uuid;

use crate::annotations::AnnotationSource;
use crate::{StoreError, columns};

/// A caption to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCaption {
    /// A media id or an object id, by entity type.
    pub entity_id: Uuid,
    /// Who said it.
    pub source: AnnotationSource,
    /// The text.
    pub caption: String,
}

/// Stores captions; one of the same entity and source is replaced.
///
/// # Errors
/// Invalid input for a NUL inside a text, or for an entity and source that is listed twice.
pub async fn put(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    entity: EntityType,
    captions: &[NewCaption],
) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = captions.iter().map(|caption| caption.entity_id).collect();
    let sources: Vec<&str> = captions.iter().map(|new| new.source.as_str()).collect();
    let texts: Vec<&str> = captions.iter().map(|new| new.caption.as_str()).collect();
    let sql = "insert into captions (dataset_id, entity_type, entity_id, source, caption) \
               select $1, $2, t.* from unnest($3::uuid[], $4::text[], $5::text[]) t \
               on conflict (dataset_id, entity_type, entity_id, source) do update set caption = excluded.caption";
    sqlx::query(sql)
        .bind(dataset.as_uuid())
        .bind(entity.as_str())
        .bind(ids)
        .bind(sources)
        .bind(texts)
        .execute(ex)
        .await?;
    Ok(())
}

/// Whether the dataset has any caption of these entities.
///
/// # Errors
/// The database.
pub async fn exist(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    entity: EntityType,
) -> Result<bool, StoreError> {
    let sql = "select exists (select from captions where dataset_id = $1 and entity_type = $2)";
    Ok(sqlx::query_scalar(sql)
        .bind(dataset.as_uuid())
        .bind(entity.as_str())
        .fetch_one(ex)
        .await?)
}

/// The best caption of each of these media or objects with who wrote it: a user's, else an enrichment's.
///
/// # Errors
/// The database.
pub async fn best_of(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    entity: EntityType,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, (String, AnnotationSource)>, StoreError> {
    let sql = "select distinct on (entity_id) entity_id, caption, source from captions \
               where dataset_id = $1 and entity_type = $3 and entity_id = any($2) \
               order by entity_id, case source when 'User' then 0 when 'Visual Layer' then 1 else 2 end";
    let rows = sqlx::query(sql)
        .bind(dataset.as_uuid())
        .bind(ids)
        .bind(entity.as_str())
        .fetch_all(ex)
        .await?;
    rows.iter()
        .map(|row| {
            let said = (row.try_get("caption")?, columns::text(row, "source")?);
            Ok((row.try_get("entity_id")?, said))
        })
        .collect()
}
