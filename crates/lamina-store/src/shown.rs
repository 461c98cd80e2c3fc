//! What a page of answers shows of pictures: one query, and no column that no page has.

use std::collections::HashMap;

use lamina_types::{DatasetId, MediaId};
use sqlx::{FromRow, PgExecutor, Row, postgres::PgRow};

use crate::{StoreError, columns};

/// A media item as pages show it.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownPicture {
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
    pub byte_size: i64,
    /// A user's, else a model's.
    pub caption: Option<String>,
}

impl FromRow<'_, PgRow> for ShownPicture {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: MediaId::from_uuid(row.try_get("id")?),
            ordinal: columns::unsigned(row, "ordinal")?,
            file_name: row.try_get("file_name")?,
            original_uri: row.try_get("original_uri")?,
            width: columns::unsigned(row, "width")?,
            height: columns::unsigned(row, "height")?,
            byte_size: row.try_get("byte_size")?,
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
        .map(|picture| (picture.ordinal, picture))
        .collect())
}
