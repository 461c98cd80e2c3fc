//! Media items: one picture of one dataset each, numbered 0..n-1 by ordinal.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use lamina_types::{ContentHash, DatasetId, MediaId, UserId};
use sqlx::{FromRow, PgExecutor, PgPool, Row, postgres::PgRow};
use uuid::Uuid;

use crate::{StoreError, columns};

/// Rows read at once when all ids of a dataset are loaded.
const ID_PAGE: i32 = 100_000;

/// A media item with what is known of its content.
#[derive(Debug, Clone, PartialEq)]
pub struct Media {
    /// Unique across datasets.
    pub id: MediaId,
    /// Its dataset.
    pub dataset_id: DatasetId,
    /// Within the dataset.
    pub ordinal: u32,
    /// Its content's row.
    pub content_id: i64,
    /// Of the content's bytes.
    pub hash: ContentHash,
    /// Whose blob folder holds the content.
    pub owner_id: UserId,
    /// Whether this is a video's frame.
    pub is_video_frame: bool,
    /// As shown.
    pub file_name: String,
    /// Path inside the source, as shown.
    pub original_uri: String,
    /// Where the original lies when it is not in the blob store.
    pub source_path: Option<String>,
    /// Which creation or addition it came with.
    pub batch: u32,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Of the turned picture, in pixels.
    pub width: u32,
    /// Of the turned picture, in pixels.
    pub height: u32,
    /// Of the original file.
    pub byte_size: i64,
    /// By content: `jpeg`, `png`, ...
    pub format: String,
    /// Whether the original is in the blob store.
    pub has_original: bool,
}

impl FromRow<'_, PgRow> for Media {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: MediaId::from_uuid(row.try_get("id")?),
            dataset_id: DatasetId::from_uuid(row.try_get("dataset_id")?),
            ordinal: columns::unsigned(row, "ordinal")?,
            content_id: row.try_get("content_id")?,
            hash: columns::hash(row, "sha256")?,
            owner_id: UserId::from_uuid(row.try_get("owner_id")?),
            is_video_frame: row.try_get::<&str, _>("media_type")? == "video_frame",
            file_name: row.try_get("file_name")?,
            original_uri: row.try_get("original_uri")?,
            source_path: row.try_get("source_path")?,
            batch: columns::unsigned(row, "batch")?,
            created_at: row.try_get("created_at")?,
            width: columns::unsigned(row, "width")?,
            height: columns::unsigned(row, "height")?,
            byte_size: row.try_get("byte_size")?,
            format: row.try_get("format")?,
            has_original: row.try_get("has_original")?,
        })
    }
}

/// The media of `ordinals`, in that order; the one query behind a page of answers. Unknown ordinals are left out.
///
/// # Errors
/// The database.
pub async fn by_ordinals(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    ordinals: &[u32],
) -> Result<Vec<Media>, StoreError> {
    let numbers = ordinals
        .iter()
        .map(|ordinal| columns::to_int(*ordinal))
        .collect::<Result<Vec<_>, _>>()?;
    let sql = "select m.*, c.sha256, c.owner_id, c.width, c.height, c.byte_size, c.format, c.has_original \
               from media m join contents c on c.id = m.content_id where m.dataset_id = $1 and m.ordinal = any($2)";
    let rows: Vec<Media> = sqlx::query_as(sql)
        .bind(dataset.as_uuid())
        .bind(numbers)
        .fetch_all(ex)
        .await?;
    let by_ordinal: HashMap<u32, Media> = rows
        .into_iter()
        .map(|media| (media.ordinal, media))
        .collect();
    Ok(ordinals
        .iter()
        .filter_map(|ordinal| by_ordinal.get(ordinal).cloned())
        .collect())
}

/// A media item of this dataset.
///
/// # Errors
/// The database.
pub async fn by_id(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    id: MediaId,
) -> Result<Option<Media>, StoreError> {
    let sql = "select m.*, c.sha256, c.owner_id, c.width, c.height, c.byte_size, c.format, c.has_original \
               from media m join contents c on c.id = m.content_id where m.dataset_id = $1 and m.id = $2";
    Ok(sqlx::query_as(sql)
        .bind(dataset.as_uuid())
        .bind(id.as_uuid())
        .fetch_optional(ex)
        .await?)
}

/// The media of one addition; 0 is the dataset's creation.
///
/// # Errors
/// The database.
pub async fn of_batch(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    batch: u32,
) -> Result<Vec<MediaId>, StoreError> {
    let sql = "select id from media where dataset_id = $1 and batch = $2 order by ordinal";
    let ids: Vec<Uuid> = sqlx::query_scalar(sql)
        .bind(dataset.as_uuid())
        .bind(i64::from(batch))
        .fetch_all(ex)
        .await?;
    Ok(ids.into_iter().map(MediaId::from_uuid).collect())
}

/// Number of the first picture of an addition; none when it has none.
///
/// # Errors
/// The database.
pub async fn first_of_batch(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    batch: u32,
) -> Result<Option<u32>, StoreError> {
    let sql = "select min(ordinal) from media where dataset_id = $1 and batch = $2";
    let first: Option<i32> = sqlx::query_scalar(sql)
        .bind(dataset.as_uuid())
        .bind(i64::from(batch))
        .fetch_one(ex)
        .await?;
    Ok(first.and_then(|first| u32::try_from(first).ok()))
}

/// Ordinals of media ids of this dataset; ids of others are left out.
///
/// # Errors
/// The database.
pub async fn ordinals_of(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    ids: &[MediaId],
) -> Result<HashMap<MediaId, u32>, StoreError> {
    let sql = "select id, ordinal from media where dataset_id = $1 and id = any($2)";
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query(sql)
        .bind(dataset.as_uuid())
        .bind(ids)
        .fetch_all(ex)
        .await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in &rows {
        found.insert(
            MediaId::from_uuid(row.try_get("id")?),
            columns::unsigned(row, "ordinal")?,
        );
    }
    Ok(found)
}

/// Which dataset a media item is in, for routes that name only the item; access to that dataset must be checked next.
///
/// # Errors
/// The database.
pub async fn dataset_of(
    ex: impl PgExecutor<'_>,
    id: MediaId,
) -> Result<Option<DatasetId>, StoreError> {
    let sql = "select dataset_id from media where id = $1";
    let found: Option<Uuid> = sqlx::query_scalar(sql)
        .bind(id.as_uuid())
        .fetch_optional(ex)
        .await?;
    Ok(found.map(DatasetId::from_uuid))
}

/// The media item with this path inside the source; of several the first.
///
/// # Errors
/// The database.
pub async fn by_uri(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    uri: &str,
) -> Result<Option<MediaId>, StoreError> {
    // A NUL is in no path, and no text that Postgres takes.
    let uri = uri.replace('\0', "\u{fffd}");
    let sql =
        "select id from media where dataset_id = $1 and original_uri = $2 order by ordinal limit 1";
    let found: Option<Uuid> = sqlx::query_scalar(sql)
        .bind(dataset.as_uuid())
        .bind(uri)
        .fetch_optional(ex)
        .await?;
    Ok(found.map(MediaId::from_uuid))
}

/// Number of media items.
///
/// # Errors
/// The database.
pub async fn count(ex: impl PgExecutor<'_>, dataset: DatasetId) -> Result<u64, StoreError> {
    let sql = "select count(*) from media where dataset_id = $1";
    let count: i64 = sqlx::query_scalar(sql)
        .bind(dataset.as_uuid())
        .fetch_one(ex)
        .await?;
    Ok(count.unsigned_abs())
}

/// The ids of all media in ordinal order: place `i` holds ordinal `i`. 16 bytes an item.
///
/// # Errors
/// [`StoreError::OrdinalsBroken`] when an ordinal is missing.
pub async fn all_ids(pool: &PgPool, dataset: DatasetId) -> Result<Vec<MediaId>, StoreError> {
    let sql = "select ordinal, id from media where dataset_id = $1 and ordinal >= $2 order by ordinal limit $3";
    let mut ids: Vec<MediaId> = Vec::new();
    loop {
        let expected =
            u32::try_from(ids.len()).map_err(|_| StoreError::Malformed("too many media"))?;
        let page: Vec<(i32, Uuid)> = sqlx::query_as(sql)
            .bind(dataset.as_uuid())
            .bind(columns::to_int(expected)?)
            .bind(i64::from(ID_PAGE))
            .fetch_all(pool)
            .await?;
        if page.is_empty() {
            return Ok(ids);
        }
        for (ordinal, (found, id)) in (expected..).zip(page) {
            if u32::try_from(found) != Ok(ordinal) {
                return Err(StoreError::OrdinalsBroken { dataset, ordinal });
            }
            ids.push(MediaId::from_uuid(id));
        }
    }
}

/// File names of all media in ordinal order.
///
/// # Errors
/// The database.
pub async fn file_names(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
) -> Result<Vec<String>, StoreError> {
    let sql = "select file_name from media where dataset_id = $1 order by ordinal";
    Ok(sqlx::query_scalar(sql)
        .bind(dataset.as_uuid())
        .fetch_all(ex)
        .await?)
}
