//! What filters by file name, size and date need to know of every item of a dataset.

use chrono::{DateTime, Utc};
use lamina_types::{BoundingBox, DatasetId};
use sqlx::{FromRow, PgExecutor, Row, postgres::PgRow};

use crate::{StoreError, columns};

/// Facts about one picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaFacts {
    /// As shown.
    pub file_name: String,
    /// When it became part of the dataset.
    pub added_at: DateTime<Utc>,
    /// Pixels of the turned picture.
    pub width: u32,
    /// Pixels of the turned picture.
    pub height: u32,
}

impl FromRow<'_, PgRow> for MediaFacts {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            file_name: row.try_get("file_name")?,
            added_at: row.try_get("created_at")?,
            width: columns::unsigned(row, "width")?,
            height: columns::unsigned(row, "height")?,
        })
    }
}

/// Facts about all pictures in ordinal order.
///
/// # Errors
/// The database.
pub async fn of_media(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
) -> Result<Vec<MediaFacts>, StoreError> {
    let sql = "select m.file_name, m.created_at, c.width, c.height from media m join contents c on c.id = m.content_id \
               where m.dataset_id = $1 order by m.ordinal";
    Ok(sqlx::query_as(sql)
        .bind(dataset.as_uuid())
        .fetch_all(ex)
        .await?)
}

/// Width and height in pixels of all objects in ordinal order.
///
/// # Errors
/// The database.
pub async fn sizes_of_objects(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
) -> Result<Vec<(u32, u32)>, StoreError> {
    let sql = "select r.x, r.y, r.width as region_width, r.height as region_height, c.width, c.height \
               from objects o join regions r on r.id = o.region_id join contents c on c.id = r.content_id \
               where o.dataset_id = $1 order by o.ordinal";
    let rows = sqlx::query(sql)
        .bind(dataset.as_uuid())
        .fetch_all(ex)
        .await?;
    rows.iter()
        .map(|row| {
            let region = BoundingBox {
                x: row.try_get("x")?,
                y: row.try_get("y")?,
                width: row.try_get("region_width")?,
                height: row.try_get("region_height")?,
            };
            let (width, height) = (
                columns::unsigned(row, "width")?,
                columns::unsigned(row, "height")?,
            );
            let [_, _, width, height] = region.to_pixels(width, height);
            Ok((width, height))
        })
        .collect()
}
