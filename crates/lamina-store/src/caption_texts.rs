//! The words of captions: what they say, each text once, and who says it.
//!
//! Rows of `caption_texts` are written by triggers of `captions`. Words are matched and ranked by Postgres (`tsvector`, English
//! stemming), text by text; which items have a text is asked for once and then known by the caller. What is searched for
//! arrives as a tree whose leaves become `plainto_tsquery` and `phraseto_tsquery` calls over bound parameters, so no text of a
//! caller ever is SQL or the operator language of `to_tsquery`.

use lamina_types::{DatasetId, EntityType};
use sqlx::{PgExecutor, PgPool, Postgres, QueryBuilder, Row};

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

/// Ordinals of items whose captions are read at once: what comes is two packed columns, some 12 MB.
const ITEMS_AT_ONCE: u32 = 1 << 20;

/// Every caption of the pictures or objects of a dataset: the id of its text and the ordinal of its item, in no order.
///
/// # Errors
/// The database.
pub async fn said(
    pool: &PgPool,
    dataset: DatasetId,
    entity: EntityType,
) -> Result<Vec<(i64, u32)>, StoreError> {
    let [items, count] = match entity {
        EntityType::Images => [
            "media",
            "select coalesce(max(ordinal) + 1, 0) from media where dataset_id = $1",
        ],
        EntityType::Objects => [
            "objects",
            "select coalesce(max(ordinal) + 1, 0) from objects where dataset_id = $1",
        ],
    };
    let count: i32 = sqlx::query_scalar(count)
        .bind(dataset.as_uuid())
        .fetch_one(pool)
        .await?;
    let mut said = Vec::new();
    for first in (0..count.unsigned_abs()).step_by(ITEMS_AT_ONCE as usize) {
        // Two arrays of one scan: they are in the same order, whichever it is.
        let mut sql = QueryBuilder::new(
            "select coalesce(array_agg(t.id), '{}') as texts, coalesce(array_agg(i.ordinal), '{}') as ordinals \
             from caption_texts t join captions c on c.dataset_id = t.dataset_id and c.entity_type = t.entity_type \
             and c.text_sha256 = t.text_sha256 join ",
        );
        sql.push(items)
            .push(" i on i.id = c.entity_id and i.dataset_id = c.dataset_id where t.dataset_id = ")
            .push_bind(dataset.as_uuid())
            .push(" and t.entity_type = ")
            .push_bind(entity.as_str())
            .push(" and i.ordinal >= ")
            .push_bind(columns::to_int(first)?)
            .push(" and i.ordinal < ")
            .push_bind(columns::to_int(first.saturating_add(ITEMS_AT_ONCE))?);
        let row = sql.build().persistent(false).fetch_one(pool).await?;
        let texts: Vec<i64> = row.try_get("texts")?;
        said.extend(texts.into_iter().zip(columns::ordinals(&row, "ordinals")?));
    }
    Ok(said)
}

/// The texts of a dataset that match, by id, in no order, each with its `ts_rank` (0 and up, higher is better; 0 where only
/// exclusions matched). Texts that no caption has any more may be among them.
///
/// # Errors
/// Invalid input for a NUL inside a text; the database.
pub async fn search(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    entity: EntityType,
    query: &WordQuery,
) -> Result<Vec<(i64, f32)>, StoreError> {
    // Packed as above: half of a dataset may match, and rows are dearer than ranks.
    let mut sql = QueryBuilder::new(
        "select coalesce(array_agg(t.id), '{}') as texts, coalesce(array_agg(ts_rank(t.words, wanted.query)), '{}') as ranks \
         from caption_texts t cross join (select ",
    );
    query.push(&mut sql);
    sql.push(" as query) wanted where t.words @@ wanted.query and t.dataset_id = ")
        .push_bind(dataset.as_uuid())
        .push(" and t.entity_type = ")
        .push_bind(entity.as_str());
    // Planned anew each time: how many texts have the words decides whether the index helps.
    let row = sql.build().persistent(false).fetch_one(ex).await?;
    let (texts, ranks): (Vec<i64>, Vec<f32>) = (row.try_get("texts")?, row.try_get("ranks")?);
    Ok(texts.into_iter().zip(ranks).collect())
}
