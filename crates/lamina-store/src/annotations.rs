//! Labels, captions and tags of media: look-ups for a page of answers, columns for the snapshot, and bulk writes.

use std::collections::HashMap;

use lamina_types::{DatasetId, EntityType, MediaId, TagId, UserId};
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
}

impl FromRow<'_, PgRow> for Label {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            media_id: MediaId::from_uuid(row.try_get("media_id")?),
            name: row.try_get("name")?,
            source: columns::text(row, "source")?,
            confidence: row.try_get("confidence")?,
        })
    }
}

/// A tag as shown on a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Id.
    pub id: TagId,
    /// Unique in the dataset.
    pub name: String,
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
    let sql = "insert into labels (dataset_id, media_id, name, source, confidence) \
               select $1, t.* from unnest($2::uuid[], $3::text[], $4::text[], $5::real[]) t on conflict do nothing";
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
    let sql = "select media_id, name, source, confidence from labels where dataset_id = $1 and media_id = any($2)";
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

/// Every `(ordinal, label)` of a dataset by label and ordinal, for the snapshot's bitmaps.
///
/// # Errors
/// The database.
pub async fn label_column(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
) -> Result<Vec<(u32, String)>, StoreError> {
    let sql = "select distinct m.ordinal, l.name from labels l join media m on m.id = l.media_id \
               where l.dataset_id = $1 order by l.name, m.ordinal";
    column(
        sqlx::query(sql)
            .bind(dataset.as_uuid())
            .fetch_all(ex)
            .await?,
        |row| row.try_get("name"),
    )
}

/// Every `(ordinal, tag)` of a dataset by tag and ordinal, for the snapshot's bitmaps.
///
/// # Errors
/// The database.
pub async fn tag_column(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
) -> Result<Vec<(u32, TagId)>, StoreError> {
    let sql = "select m.ordinal, t.id from tags t join media_tags mt on mt.tag_id = t.id \
               join media m on m.id = mt.media_id where t.dataset_id = $1 order by t.id, m.ordinal";
    let rows = sqlx::query(sql)
        .bind(dataset.as_uuid())
        .fetch_all(ex)
        .await?;
    column(rows, |row| row.try_get("id").map(TagId::from_uuid))
}

fn column<T>(
    rows: Vec<PgRow>,
    value: impl Fn(&PgRow) -> Result<T, sqlx::Error>,
) -> Result<Vec<(u32, T)>, StoreError> {
    rows.iter()
        .map(|row| Ok((columns::unsigned(row, "ordinal")?, value(row)?)))
        .collect()
}

/// Tags of a page of media, by name.
///
/// # Errors
/// The database.
pub async fn tags_of(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    media: &[MediaId],
) -> Result<HashMap<MediaId, Vec<Tag>>, StoreError> {
    let sql = "select mt.media_id, t.id, t.name from tags t join media_tags mt on mt.tag_id = t.id \
               where t.dataset_id = $1 and mt.media_id = any($2) order by t.name, t.id";
    let mut found: HashMap<MediaId, Vec<Tag>> = HashMap::new();
    for row in sqlx::query(sql)
        .bind(dataset.as_uuid())
        .bind(uuids(media))
        .fetch_all(ex)
        .await?
    {
        let tag = Tag {
            id: TagId::from_uuid(row.try_get("id")?),
            name: row.try_get("name")?,
        };
        found
            .entry(MediaId::from_uuid(row.try_get("media_id")?))
            .or_default()
            .push(tag);
    }
    Ok(found)
}

/// The best caption of each of a page of media: a user's, else an enrichment's.
///
/// # Errors
/// The database.
pub async fn captions_of(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    media: &[MediaId],
) -> Result<HashMap<MediaId, String>, StoreError> {
    let sql = "select distinct on (entity_id) entity_id, caption from captions \
               where dataset_id = $1 and entity_type = $3 and entity_id = any($2) \
               order by entity_id, case source when 'User' then 0 when 'Visual Layer' then 1 else 2 end";
    let mut found = HashMap::new();
    for row in sqlx::query(sql)
        .bind(dataset.as_uuid())
        .bind(uuids(media))
        .bind(EntityType::Images.as_str())
        .fetch_all(ex)
        .await?
    {
        found.insert(
            MediaId::from_uuid(row.try_get("entity_id")?),
            row.try_get("caption")?,
        );
    }
    Ok(found)
}

/// Makes a tag.
///
/// # Errors
/// Conflict (`tags_name_key`) when the dataset has one of this name.
pub async fn create_tag(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    id: TagId,
    name: &str,
    by: UserId,
) -> Result<(), StoreError> {
    sqlx::query("insert into tags (id, dataset_id, name, created_by) values ($1, $2, $3, $4)")
        .bind(id.as_uuid())
        .bind(dataset.as_uuid())
        .bind(name)
        .bind(by.as_uuid())
        .execute(ex)
        .await?;
    Ok(())
}

/// Puts a tag of this dataset on media of this dataset; others are left out. How many got it now.
///
/// # Errors
/// The database.
pub async fn assign_tag(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    tag: TagId,
    media: &[MediaId],
) -> Result<u64, StoreError> {
    let sql = "insert into media_tags (tag_id, media_id) select t.id, m.id from tags t join media m on m.dataset_id = t.dataset_id \
               where t.id = $2 and t.dataset_id = $1 and m.id = any($3) order by m.id on conflict do nothing";
    let done = sqlx::query(sql)
        .bind(dataset.as_uuid())
        .bind(tag.as_uuid())
        .bind(uuids(media))
        .execute(ex)
        .await?;
    Ok(done.rows_affected())
}
