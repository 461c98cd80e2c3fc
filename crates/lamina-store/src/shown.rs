//! What pages of answers show of pictures, and no column that no page has: of some pictures in one query, or of a dataset piece
//! by piece for readers that keep it.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use lamina_types::{DatasetId, MediaId};
use sqlx::{FromRow, PgExecutor, Row, postgres::PgRow};

use crate::annotations::AnnotationSource;
use crate::{StoreError, columns};

/// A picture's file. None of this changes while the picture is part of its dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownFile {
    /// Unique across datasets.
    pub id: MediaId,
    /// Within the dataset.
    pub ordinal: u32,
    /// Base name.
    pub file_name: String,
    /// Path inside the source.
    pub original_uri: String,
    /// Of the turned picture, in pixels.
    pub width: u32,
    /// Of the turned picture, in pixels.
    pub height: u32,
    /// Of the original file.
    pub byte_size: u64,
}

impl FromRow<'_, PgRow> for ShownFile {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: MediaId::from_uuid(row.try_get("id")?),
            ordinal: columns::unsigned(row, "ordinal")?,
            file_name: row.try_get("file_name")?,
            original_uri: row.try_get("original_uri")?,
            width: columns::unsigned(row, "width")?,
            height: columns::unsigned(row, "height")?,
            byte_size: row.try_get::<i64, _>("byte_size")?.unsigned_abs(),
        })
    }
}

/// A picture as pages show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownPicture {
    /// What was ingested.
    pub file: ShownFile,
    /// A user's, else a model's.
    pub caption: Option<String>,
}

impl FromRow<'_, PgRow> for ShownPicture {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            file: ShownFile::from_row(row)?,
            caption: row.try_get("caption")?,
        })
    }
}

/// The pictures of `ordinals`, by ordinal. Unknown ordinals are left out.
///
/// # Errors
/// The database.
pub async fn pictures(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    ordinals: &[u32],
) -> Result<HashMap<u32, ShownPicture>, StoreError> {
    let numbers = ordinals
        .iter()
        .map(|ordinal| columns::to_int(*ordinal))
        .collect::<Result<Vec<_>, _>>()?;
    let sql = "select m.id, m.ordinal, m.file_name, m.original_uri, c.width, c.height, c.byte_size, \
               (select s.caption from captions s where s.dataset_id = $1 and s.entity_type = 'IMAGES' and s.entity_id = m.id \
               order by case s.source when 'User' then 0 when 'Visual Layer' then 1 else 2 end limit 1) as caption \
               from media m join contents c on c.id = m.content_id where m.dataset_id = $1 and m.ordinal = any($2)";
    let rows: Vec<ShownPicture> = sqlx::query_as(sql)
        .bind(dataset.as_uuid())
        .bind(numbers)
        .fetch_all(ex)
        .await?;
    Ok(rows
        .into_iter()
        .map(|picture| (picture.file.ordinal, picture))
        .collect())
}

/// The files of the pictures in a range of ordinals, in any order.
///
/// # Errors
/// The database.
pub async fn files(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    ordinals: Range<u32>,
) -> Result<Vec<ShownFile>, StoreError> {
    let sql = "select m.id, m.ordinal, m.file_name, m.original_uri, c.width, c.height, c.byte_size \
               from media m join contents c on c.id = m.content_id \
               where m.dataset_id = $1 and m.ordinal >= $2 and m.ordinal < $3";
    Ok(sqlx::query_as(sql)
        .bind(dataset.as_uuid())
        .bind(columns::to_int(ordinals.start)?)
        .bind(columns::to_int(ordinals.end)?)
        .persistent(false)
        .fetch_all(ex)
        .await?)
}

/// The captions of the pictures in a range of ordinals, by ordinal, as [`pictures`] chooses them.
///
/// # Errors
/// The database.
pub async fn captions(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    ordinals: Range<u32>,
) -> Result<BTreeMap<u32, String>, StoreError> {
    let sql = "select m.ordinal, s.source, s.caption from media m \
               join captions s on s.dataset_id = $1 and s.entity_type = 'IMAGES' and s.entity_id = m.id \
               where m.dataset_id = $1 and m.ordinal >= $2 and m.ordinal < $3";
    let rows = sqlx::query(sql)
        .bind(dataset.as_uuid())
        .bind(columns::to_int(ordinals.start)?)
        .bind(columns::to_int(ordinals.end)?)
        .persistent(false)
        .fetch_all(ex)
        .await?;
    let mut said: Vec<(u32, AnnotationSource, String)> = rows
        .iter()
        .map(|row| {
            let ordinal = columns::unsigned(row, "ordinal")?;
            Ok((
                ordinal,
                columns::text(row, "source")?,
                row.try_get("caption")?,
            ))
        })
        .collect::<Result<_, sqlx::Error>>()?;
    // The weightiest of a picture comes last, and stays.
    said.sort_unstable_by_key(|(_, source, _)| std::cmp::Reverse(*source));
    Ok(said
        .into_iter()
        .map(|(ordinal, _, caption)| (ordinal, caption))
        .collect())
}
