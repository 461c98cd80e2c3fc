//! Regions: boxes of contents, with what is measured of their crops and what models say about them. Keyed by content, so
//! that the same box in ten datasets is cropped, measured and embedded once.

use std::collections::HashMap;

use lamina_types::{BoundingBox, SpaceKey};
use sqlx::{PgConnection, PgExecutor, Row};

use crate::measures::ContentMeasures;
use crate::{StoreError, columns};

/// Inserts boxes, or finds those that are there; ids in the order of `boxes`. Must run in a transaction.
///
/// # Errors
/// Conflict for a content that is gone.
pub async fn upsert(
    conn: &mut PgConnection,
    boxes: &[(i64, BoundingBox)],
) -> Result<Vec<i64>, StoreError> {
    if boxes.is_empty() {
        return Ok(Vec::new());
    }
    let mut rows: Vec<&(i64, BoundingBox)> = boxes.iter().collect();
    // Every writer takes rows in one order, so that no two wait for each other.
    rows.sort_by(|a, b| {
        order(a)
            .partial_cmp(&order(b))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    let contents: Vec<i64> = rows.iter().map(|(content, _)| *content).collect();
    let column = |pick: fn(&BoundingBox) -> f64| -> Vec<f64> {
        rows.iter().map(|(_, area)| pick(area)).collect()
    };
    let (xs, ys) = (column(|area| area.x), column(|area| area.y));
    let (widths, heights) = (column(|area| area.width), column(|area| area.height));
    let sql = "insert into regions (content_id, x, y, width, height) \
               select distinct t.* from unnest($1::bigint[], $2::float8[], $3::float8[], $4::float8[], $5::float8[]) t \
               order by 1, 2, 3, 4, 5 on conflict do nothing";
    sqlx::query(sql)
        .bind(&contents)
        .bind(&xs)
        .bind(&ys)
        .bind(&widths)
        .bind(&heights)
        .execute(&mut *conn)
        .await?;
    // A statement of its own: rows that somebody else committed while the insert waited for them are visible only now.
    let sql = "select r.* from regions r where r.content_id = any($1)";
    let found = sqlx::query(sql).bind(&contents).fetch_all(conn).await?;
    let mut ids: HashMap<(i64, [u64; 4]), i64> = HashMap::with_capacity(found.len());
    for row in &found {
        let side = |column: &str| row.try_get::<f64, _>(column).map(f64::to_bits);
        let sides = [side("x")?, side("y")?, side("width")?, side("height")?];
        ids.insert((row.try_get("content_id")?, sides), row.try_get("id")?);
    }
    let id_of = |(content, area): &(i64, BoundingBox)| {
        let sides = [area.x, area.y, area.width, area.height].map(f64::to_bits);
        ids.get(&(*content, sides)).copied()
    };
    boxes
        .iter()
        .map(|row| id_of(row).ok_or(StoreError::NotFound("region")))
        .collect()
}

const fn order((content, area): &(i64, BoundingBox)) -> (i64, f64, f64, f64, f64) {
    (*content, area.x, area.y, area.width, area.height)
}

/// Which of `regions` have no measures of this version, in the given order.
///
/// # Errors
/// The database.
pub async fn unmeasured(
    ex: impl PgExecutor<'_>,
    version: i32,
    regions: &[i64],
) -> Result<Vec<i64>, StoreError> {
    let sql = "select t.id from unnest($1::bigint[]) with ordinality as t (id, n) where not exists \
               (select from region_measures m where m.region_id = t.id and m.version = $2) order by t.n";
    Ok(sqlx::query_scalar(sql)
        .bind(regions)
        .bind(version)
        .fetch_all(ex)
        .await?)
}

/// Stores measures of crops by region id; those of another version are replaced.
///
/// # Errors
/// Not finite; conflict for a region that is gone.
pub async fn put_measures(
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
    let column = |place: usize| -> Vec<f32> {
        rows.iter()
            .map(|(_, row)| row.values().get(place).copied().unwrap_or_default())
            .collect()
    };
    let sql = "insert into region_measures (region_id, version, sharpness, luma_low, luma_high, blur_confidence, \
               dark_confidence, bright_confidence, is_truncated) \
               select * from unnest($1::bigint[], $2::integer[], $3::real[], $4::real[], $5::real[], $6::real[], $7::real[], \
               $8::real[], $9::boolean[]) \
               on conflict (region_id) do update set version = excluded.version, sharpness = excluded.sharpness, \
               luma_low = excluded.luma_low, luma_high = excluded.luma_high, blur_confidence = excluded.blur_confidence, \
               dark_confidence = excluded.dark_confidence, bright_confidence = excluded.bright_confidence, \
               is_truncated = excluded.is_truncated where region_measures.version <> excluded.version";
    sqlx::query(sql)
        .bind(rows.iter().map(|(id, _)| *id).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, row)| row.version).collect::<Vec<_>>())
        .bind(column(0))
        .bind(column(1))
        .bind(column(2))
        .bind(column(3))
        .bind(column(4))
        .bind(column(5))
        .bind(
            rows.iter()
                .map(|(_, row)| row.is_truncated)
                .collect::<Vec<_>>(),
        )
        .execute(ex)
        .await?;
    Ok(())
}

/// Which of `regions` have no output for `key` yet, in the given order.
///
/// # Errors
/// The database.
pub async fn lacking(
    ex: impl PgExecutor<'_>,
    key: &SpaceKey,
    regions: &[i64],
) -> Result<Vec<i64>, StoreError> {
    let sql = "select t.id from unnest($1::bigint[]) with ordinality as t (id, n) where not exists \
               (select from region_outputs o where o.region_id = t.id and o.package = $2 and o.parameters = $3) order by t.n";
    Ok(sqlx::query_scalar(sql)
        .bind(regions)
        .bind(&key.package)
        .bind(&key.parameters)
        .fetch_all(ex)
        .await?)
}

/// Stores vectors by region id: little-endian f16, L2-normalised, all of `dimension` values. Those already there stay.
///
/// # Errors
/// Malformed for a vector of another length; conflict for a region that is gone.
pub async fn put_vectors(
    ex: impl PgExecutor<'_>,
    key: &SpaceKey,
    dimension: usize,
    vectors: &[(i64, Vec<u8>)],
) -> Result<(), StoreError> {
    if vectors
        .iter()
        .any(|(_, bytes)| bytes.len() != dimension * 2)
    {
        return Err(StoreError::Malformed(
            "a vector has not two bytes per dimension",
        ));
    }
    let mut rows: Vec<&(i64, Vec<u8>)> = vectors.iter().collect();
    rows.sort_by_key(|(id, _)| *id);
    let sql = "insert into region_outputs (region_id, package, parameters, vector) \
               select t.id, $3, $4, t.vector from unnest($1::bigint[], $2::bytea[]) as t (id, vector) on conflict do nothing";
    sqlx::query(sql)
        .bind(rows.iter().map(|(id, _)| *id).collect::<Vec<_>>())
        .bind(
            rows.iter()
                .map(|(_, bytes)| bytes.as_slice())
                .collect::<Vec<_>>(),
        )
        .bind(&key.package)
        .bind(&key.parameters)
        .execute(ex)
        .await?;
    Ok(())
}

/// Stores captions by region id. Those already there stay.
///
/// # Errors
/// Conflict for a region that is gone; invalid input for a NUL inside.
pub async fn put_values(
    ex: impl PgExecutor<'_>,
    key: &SpaceKey,
    values: &[(i64, serde_json::Value)],
) -> Result<(), StoreError> {
    let mut rows: Vec<&(i64, serde_json::Value)> = values.iter().collect();
    rows.sort_by_key(|(id, _)| *id);
    let sql = "insert into region_outputs (region_id, package, parameters, value) \
               select t.id, $3, $4, t.value from unnest($1::bigint[], $2::jsonb[]) as t (id, value) on conflict do nothing";
    sqlx::query(sql)
        .bind(rows.iter().map(|(id, _)| *id).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, value)| value).collect::<Vec<_>>())
        .bind(&key.package)
        .bind(&key.parameters)
        .execute(ex)
        .await?;
    Ok(())
}

/// Values by region id; regions without one are left out.
///
/// # Errors
/// The database.
pub async fn values(
    ex: impl PgExecutor<'_>,
    key: &SpaceKey,
    regions: &[i64],
) -> Result<HashMap<i64, serde_json::Value>, StoreError> {
    let sql = "select region_id, value from region_outputs \
               where region_id = any($1) and package = $2 and parameters = $3 and value is not null";
    let rows = sqlx::query(sql)
        .bind(regions)
        .bind(&key.package)
        .bind(&key.parameters)
        .fetch_all(ex)
        .await?;
    rows.iter()
        .map(|row| Ok((row.try_get("region_id")?, row.try_get("value")?)))
        .collect()
}

/// A box out of a row of `regions`.
pub(crate) fn bounding_box(row: &sqlx::postgres::PgRow) -> Result<BoundingBox, sqlx::Error> {
    let side = |column: &str| row.try_get::<f64, _>(column);
    BoundingBox::from_fractions(side("x")?, side("y")?, side("width")?, side("height")?)
        .map_err(|error| columns::broken("x", error))
}
