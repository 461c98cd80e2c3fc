//! Labels and captions: look-ups for a page of answers, columns for the snapshot, and bulk writes.

use std::collections::HashMap;

use lamina_types::{DatasetId, EntityType, MediaId};
use sqlx::{FromRow, PgExecutor, Row, postgres::PgRow};
use uuid::Uuid;

use crate::{StoreError, columns};

/// Who said it. In this order of weight: a user's word beats a model's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AnnotationSource {
    /// A person, or the labels that came with the source.
    User,
    /// Lamina's own enrichment.
    VisualLayer,
    /// A model named by the user.
    Model,
}

impl AnnotationSource {
    /// Its column and wire text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::VisualLayer => "Visual Layer",
            Self::Model => "Model",
        }
    }
}

impl std::str::FromStr for AnnotationSource {
    type Err = lamina_types::UnknownValue;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::User, Self::VisualLayer, Self::Model]
            .into_iter()
            .find(|source| source.as_str() == text)
            .ok_or_else(|| lamina_types::UnknownValue {
                what: "annotation source",
                value: text.to_owned(),
            })
    }
}

/// A label of a whole picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// Which picture.
    pub media_id: MediaId,
    /// 1 to 255 characters.
    pub name: String,
    /// Who said it.
    pub source: AnnotationSource,
    /// 0..=1, if it came from a model.
    pub confidence: Option<f32>,
    /// In the annotations it came with; -1 when it came with none.
    pub original_id: i64,
}

impl FromRow<'_, PgRow> for Label {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            media_id: MediaId::from_uuid(row.try_get("media_id")?),
            name: row.try_get("name")?,
            source: columns::text(row, "source")?,
            confidence: row.try_get("confidence")?,
            original_id: row.try_get("original_id")?,
        })
    }
}

fn uuids(ids: &[MediaId]) -> Vec<Uuid> {
    ids.iter().map(|id| id.as_uuid()).collect()
}

/// Inserts labels; those already there keep their confidence.
///
/// # Errors
/// Not finite; invalid input for a name the schema refuses.
pub async fn put_labels(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    labels: &[Label],
) -> Result<(), StoreError> {
    if labels.iter().any(|label| {
        label
            .confidence
            .is_some_and(|confidence| !confidence.is_finite())
    }) {
        return Err(StoreError::NotFinite("a label's confidence"));
    }
    let sql = "insert into labels (dataset_id, media_id, name, source, confidence, original_id) \
               select $1, t.* from unnest($2::uuid[], $3::text[], $4::text[], $5::real[], $6::bigint[]) t \
               on conflict do nothing";
    sqlx::query(sql)
        .bind(dataset.as_uuid())
        .bind(
            labels
                .iter()
                .map(|label| label.media_id.as_uuid())
                .collect::<Vec<_>>(),
        )
        .bind(
            labels
                .iter()
                .map(|label| label.name.as_str())
                .collect::<Vec<_>>(),
        )
        .bind(
            labels
                .iter()
                .map(|label| label.source.as_str())
                .collect::<Vec<_>>(),
        )
        .bind(
            labels
                .iter()
                .map(|label| label.confidence)
                .collect::<Vec<_>>(),
        )
        .bind(
            labels
                .iter()
                .map(|label| label.original_id)
                .collect::<Vec<_>>(),
        )
        .execute(ex)
        .await?;
    Ok(())
}

/// Labels of a page of media, a user's first.
///
/// # Errors
/// The database.
pub async fn labels_of(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    media: &[MediaId],
) -> Result<HashMap<MediaId, Vec<Label>>, StoreError> {
    let sql = "select media_id, name, source, confidence, original_id from labels where dataset_id = $1 and media_id = any($2)";
    let mut rows: Vec<Label> = sqlx::query_as(sql)
        .bind(dataset.as_uuid())
        .bind(uuids(media))
        .fetch_all(ex)
        .await?;
    rows.sort_by(|a, b| (a.source, &a.name).cmp(&(b.source, &b.name)));
    let mut found: HashMap<MediaId, Vec<Label>> = HashMap::new();
    for label in rows {
        found.entry(label.media_id).or_default().push(label);
    }
    Ok(found)
}

/// Whether any picture of the dataset carries a label.
///
/// # Errors
/// The database.
pub async fn labels_exist(ex: impl PgExecutor<'_>, dataset: DatasetId) -> Result<bool, StoreError> {
    let sql = "select exists (select from labels where dataset_id = $1)";
    Ok(sqlx::query_scalar(sql)
        .bind(dataset.as_uuid())
        .fetch_one(ex)
        .await?)
}

/// The ordinals of the pictures that carry each label, ascending, for the snapshot's bitmaps.
///
/// # Errors
/// The database.
pub async fn label_column(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
) -> Result<Vec<(String, Vec<u32>)>, StoreError> {
    let sql = "select l.name, array_agg(distinct m.ordinal order by m.ordinal) as ordinals \
               from labels l join media m on m.id = l.media_id where l.dataset_id = $1 group by l.name order by l.name";
    let rows = sqlx::query(sql)
        .bind(dataset.as_uuid())
        .fetch_all(ex)
        .await?;
    rows.iter()
        .map(|row| Ok((row.try_get("name")?, columns::ordinals(row, "ordinals")?)))
        .collect()
}

/// The label of each picture to which users gave exactly one, by ordinal, ascending.
///
/// # Errors
/// The database.
pub async fn only_labels(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
) -> Result<Vec<(u32, String)>, StoreError> {
    let sql = "select m.ordinal, min(l.name) as name from labels l join media m on m.id = l.media_id \
               where l.dataset_id = $1 and l.source = $2 group by m.ordinal having count(*) = 1 order by m.ordinal";
    let rows = sqlx::query(sql)
        .bind(dataset.as_uuid())
        .bind(AnnotationSource::User.as_str())
        .fetch_all(ex)
        .await?;
    rows.iter()
        .map(|row| Ok((columns::unsigned(row, "ordinal")?, row.try_get("name")?)))
        .collect()
}

/// The best caption of each of a page of media or objects: a user's, else an enrichment's.
///
/// # Errors
/// The database.
pub async fn captions_of(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    entity: EntityType,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, String>, StoreError> {
    let sql = "select distinct on (entity_id) entity_id, caption from captions \
               where dataset_id = $1 and entity_type = $3 and entity_id = any($2) \
               order by entity_id, case source when 'User' then 0 when 'Visual Layer' then 1 else 2 end";
    let rows: Vec<(Uuid, String)> = sqlx::query_as(sql)
        .bind(dataset.as_uuid())
        .bind(ids)
        .bind(entity.as_str())
        .fetch_all(ex)
        .await?;
    Ok(rows.into_iter().collect())
}
