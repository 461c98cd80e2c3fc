//! Captions: writing them and searching their words.
//!
//! Words are searched by Postgres (`tsvector`, English stemming). What is searched for arrives as a tree whose leaves become
//! `plainto_tsquery` and `phraseto_tsquery` calls over bound parameters, so no text of a caller ever is SQL or the
//! operator language of `to_tsquery`.

use std::collections::HashMap;

use lamina_types::{DatasetId, EntityType};
use sqlx::{PgExecutor, Postgres, QueryBuilder, Row};
use uuid::Uuid;

use crate::annotations::AnnotationSource;
use crate::{StoreError, columns};

/// Words to look for in captions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WordQuery {
    /// All of these words, in any order; words that stemming drops ("the") are not looked for.
    Words(String),
    /// These words one after the other.
    Phrase(String),
    /// All of the parts.
    All(Vec<WordQuery>),
    /// At least one of the parts.
    Any(Vec<WordQuery>),
    /// Not this.
    Not(Box<WordQuery>),
}

impl WordQuery {
    /// Appends the query as an SQL expression of type `tsquery`.
    fn push(&self, sql: &mut QueryBuilder<Postgres>) {
        match self {
            Self::Words(words) => {
                sql.push("plainto_tsquery('english', ")
                    .push_bind(words.clone())
                    .push(")");
            }
            Self::Phrase(words) => {
                sql.push("phraseto_tsquery('english', ")
                    .push_bind(words.clone())
                    .push(")");
            }
            Self::All(parts) => Self::push_joined(parts, " && ", sql),
            Self::Any(parts) => Self::push_joined(parts, " || ", sql),
            Self::Not(part) => {
                sql.push("(!! ");
                part.push(sql);
                sql.push(")");
            }
        }
    }

    fn push_joined(parts: &[Self], operator: &'static str, sql: &mut QueryBuilder<Postgres>) {
        sql.push("(");
        for (place, part) in parts.iter().enumerate() {
            if place > 0 {
                sql.push(operator);
            }
            part.push(sql);
        }
        if parts.is_empty() {
            sql.push("''::tsquery");
        }
        sql.push(")");
    }
}

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

/// The pictures or objects of which a caption matches, by ordinal, each with the best `ts_rank` of its captions (0 and up,
/// higher is better; 0 where only exclusions matched).
///
/// # Errors
/// Invalid input for a NUL inside a text; the database.
pub async fn search(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    entity: EntityType,
    query: &WordQuery,
) -> Result<Vec<(u32, f32)>, StoreError> {
    let items = match entity {
        EntityType::Images => "media",
        EntityType::Objects => "objects",
    };
    let mut sql = QueryBuilder::new("with wanted as (select ");
    query.push(&mut sql);
    sql.push(" as query) select i.ordinal, max(ts_rank(c.words, wanted.query)) as rank from wanted cross join captions c join ")
        .push(items)
        .push(" i on i.id = c.entity_id where c.words @@ wanted.query and c.dataset_id = ")
        .push_bind(dataset.as_uuid())
        .push(" and i.dataset_id = c.dataset_id and c.entity_type = ")
        .push_bind(entity.as_str())
        .push(" group by i.ordinal order by i.ordinal");
    let rows = sql.build().fetch_all(ex).await?;
    rows.iter()
        .map(|row| Ok((columns::unsigned(row, "ordinal")?, row.try_get("rank")?)))
        .collect()
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
