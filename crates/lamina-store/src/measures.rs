//! Pixel measures of contents (blur, dark, bright); definitions are in `lamina-media`.

use lamina_types::{DatasetId, EntityType};
use sqlx::{FromRow, PgExecutor, Row, postgres::PgRow};

use crate::{StoreError, columns};

/// Measures of one content.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ContentMeasures {
    /// Version of the definitions.
    pub version: i32,
    /// Focus measure, 0 and up, unitless.
    pub sharpness: f32,
    /// Low luma percentile, 0..=1.
    pub luma_low: f32,
    /// High luma percentile, 0..=1.
    pub luma_high: f32,
    /// How surely the picture is blurred, 0..=1.
    pub blur_confidence: f32,
    /// How surely it is too dark, 0..=1.
    pub dark_confidence: f32,
    /// How surely it is overexposed, 0..=1.
    pub bright_confidence: f32,
    /// Whether the file ended before the picture did.
    pub is_truncated: bool,
}

impl ContentMeasures {
    pub(crate) const fn values(&self) -> [f32; 6] {
        [
            self.sharpness,
            self.luma_low,
            self.luma_high,
            self.blur_confidence,
            self.dark_confidence,
            self.bright_confidence,
        ]
    }
}

impl FromRow<'_, PgRow> for ContentMeasures {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            version: row.try_get("version")?,
            sharpness: row.try_get("sharpness")?,
            luma_low: row.try_get("luma_low")?,
            luma_high: row.try_get("luma_high")?,
            blur_confidence: row.try_get("blur_confidence")?,
            dark_confidence: row.try_get("dark_confidence")?,
            bright_confidence: row.try_get("bright_confidence")?,
            is_truncated: row.try_get("is_truncated")?,
        })
    }
}

/// Stores measures by content id; those of another version are replaced.
///
/// # Errors
/// Not finite; invalid input for confidences outside 0..=1.
pub async fn put(
    ex: impl PgExecutor<'_>,
    measures: &[(i64, ContentMeasures)],
) -> Result<(), StoreError> {
    if measures
        .iter()
        .any(|(_, measured)| measured.values().iter().any(|value| !value.is_finite()))
    {
        return Err(StoreError::NotFinite("a pixel measure"));
    }
    let mut rows: Vec<&(i64, ContentMeasures)> = measures.iter().collect();
    rows.sort_by_key(|(id, _)| *id);
    rows.dedup_by_key(|(id, _)| *id);
    let column = |pick: fn(&ContentMeasures) -> f32| -> Vec<f32> {
        rows.iter().map(|(_, row)| pick(row)).collect()
    };
    let sql = "insert into content_measures (content_id, version, sharpness, luma_low, luma_high, blur_confidence, \
               dark_confidence, bright_confidence, is_truncated) \
               select * from unnest($1::bigint[], $2::integer[], $3::real[], $4::real[], $5::real[], $6::real[], $7::real[], \
               $8::real[], $9::boolean[]) \
               on conflict (content_id) do update set version = excluded.version, sharpness = excluded.sharpness, \
               luma_low = excluded.luma_low, luma_high = excluded.luma_high, blur_confidence = excluded.blur_confidence, \
               dark_confidence = excluded.dark_confidence, bright_confidence = excluded.bright_confidence, \
               is_truncated = excluded.is_truncated where content_measures.version <> excluded.version";
    sqlx::query(sql)
        .bind(rows.iter().map(|(id, _)| *id).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, row)| row.version).collect::<Vec<_>>())
        .bind(column(|row| row.sharpness))
        .bind(column(|row| row.luma_low))
        .bind(column(|row| row.luma_high))
        .bind(column(|row| row.blur_confidence))
        .bind(column(|row| row.dark_confidence))
        .bind(column(|row| row.bright_confidence))
        .bind(
            rows.iter()
                .map(|(_, row)| row.is_truncated)
                .collect::<Vec<_>>(),
        )
        .execute(ex)
        .await?;
    Ok(())
}

/// How surely an item is blurred, too dark and overexposed, each 0..=1, by its ordinal.
pub type Confidences = (u32, [f32; 3]);

/// Confidences of a dataset's pictures in ordinal order; those without measures are left out.
///
/// # Errors
/// The database.
pub async fn confidences_of_media(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
) -> Result<Vec<Confidences>, StoreError> {
    let sql = "select m.ordinal, c.blur_confidence, c.dark_confidence, c.bright_confidence \
               from media m join content_measures c on c.content_id = m.content_id where m.dataset_id = $1 order by m.ordinal";
    let rows = sqlx::query(sql)
        .bind(dataset.as_uuid())
        .fetch_all(ex)
        .await?;
    rows.iter().map(confidences).collect()
}

/// Confidences of a dataset's objects in ordinal order; those without measures are left out.
///
/// # Errors
/// The database.
pub async fn confidences_of_objects(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
) -> Result<Vec<Confidences>, StoreError> {
    let sql = "select o.ordinal, r.blur_confidence, r.dark_confidence, r.bright_confidence \
               from objects o join region_measures r on r.region_id = o.region_id where o.dataset_id = $1 order by o.ordinal";
    let rows = sqlx::query(sql)
        .bind(dataset.as_uuid())
        .fetch_all(ex)
        .await?;
    rows.iter().map(confidences).collect()
}

fn confidences(row: &PgRow) -> Result<Confidences, StoreError> {
    let values = [
        row.try_get("blur_confidence")?,
        row.try_get("dark_confidence")?,
        row.try_get("bright_confidence")?,
    ];
    Ok((columns::unsigned(row, "ordinal")?, values))
}

/// Measures of one picture or of the crop of one object, if it was measured.
///
/// # Errors
/// The database.
pub async fn of_item(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    entity: EntityType,
    ordinal: u32,
) -> Result<Option<ContentMeasures>, StoreError> {
    let sql = match entity {
        EntityType::Images => {
            "select c.* from media m join content_measures c on c.content_id = m.content_id \
             where m.dataset_id = $1 and m.ordinal = $2"
        }
        EntityType::Objects => {
            "select r.* from objects o join region_measures r on r.region_id = o.region_id \
             where o.dataset_id = $1 and o.ordinal = $2"
        }
    };
    Ok(sqlx::query_as(sql)
        .bind(dataset.as_uuid())
        .bind(columns::to_int(ordinal)?)
        .fetch_optional(ex)
        .await?)
}
