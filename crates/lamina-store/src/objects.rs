//! Objects: boxes that a dataset shows, numbered 0..n-1 by ordinal like its media.

use lamina_types::{BoundingBox, DatasetId, MediaId, ObjectId, SpaceKey};
use sqlx::{FromRow, PgConnection, PgExecutor, Row, postgres::PgRow};

use crate::annotations::AnnotationSource;
use crate::regions::bounding_box;
use crate::{StoreError, columns};

/// An object with what is needed to cut it out.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectCrop {
    /// Unique across datasets.
    pub id: ObjectId,
    /// Within the dataset.
    pub ordinal: u32,
    /// The picture it is in.
    pub media_id: MediaId,
    /// That picture's number.
    pub media_ordinal: u32,
    /// That picture's content.
    pub content_id: i64,
    /// Its region's row.
    pub region_id: i64,
    /// Where it is.
    pub area: BoundingBox,
}

impl FromRow<'_, PgRow> for ObjectCrop {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: ObjectId::from_uuid(row.try_get("id")?),
            ordinal: columns::unsigned(row, "ordinal")?,
            media_id: MediaId::from_uuid(row.try_get("media_id")?),
            media_ordinal: columns::unsigned(row, "media_ordinal")?,
            content_id: row.try_get("content_id")?,
            region_id: row.try_get("region_id")?,
            area: bounding_box(row)?,
        })
    }
}

/// Makes an object of every box that the detector of `key` found in a dataset's pictures, behind those that are there:
/// by picture, surest first. How many objects the dataset has then.
///
/// # Errors
/// The database.
pub async fn append_found(
    conn: &mut PgConnection,
    dataset: DatasetId,
    key: &SpaceKey,
) -> Result<u64, StoreError> {
    append_found_from(conn, dataset, key, 0).await
}

/// As [`append_found`], in the pictures numbered from `first` on.
///
/// # Errors
/// The database.
pub async fn append_found_from(
    conn: &mut PgConnection,
    dataset: DatasetId,
    key: &SpaceKey,
    first: u32,
) -> Result<u64, StoreError> {
    let sql = "insert into objects (id, dataset_id, ordinal, media_id, region_id, label, confidence, source) \
               select gen_random_uuid(), $1, first.ordinal + (row_number() over (order by m.ordinal, b.n))::integer - 1, m.id, \
               (b.found ->> 'region')::bigint, b.found ->> 'label', (b.found ->> 'confidence')::real, $4 \
               from media m join outputs o on o.content_id = m.content_id and o.package = $2 and o.parameters = $3 \
               cross join lateral jsonb_array_elements(o.value -> 'boxes') with ordinality as b (found, n), \
               (select coalesce(max(ordinal) + 1, 0) as ordinal from objects where dataset_id = $1) first \
               where m.dataset_id = $1 and m.ordinal >= $5";
    sqlx::query(sql)
        .bind(dataset.as_uuid())
        .bind(&key.package)
        .bind(&key.parameters)
        .bind(AnnotationSource::VisualLayer.as_str())
        .bind(columns::to_int(first)?)
        .execute(&mut *conn)
        .await?;
    count(conn, dataset).await
}

/// Number of objects.
///
/// # Errors
/// The database.
pub async fn count(ex: impl PgExecutor<'_>, dataset: DatasetId) -> Result<u64, StoreError> {
    let count: i64 = sqlx::query_scalar("select count(*) from objects where dataset_id = $1")
        .bind(dataset.as_uuid())
        .fetch_one(ex)
        .await?;
    Ok(count.unsigned_abs())
}

/// The objects numbered from `first` to before `end`, in that order.
///
/// # Errors
/// The database.
pub async fn range(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    first: u32,
    end: u32,
) -> Result<Vec<ObjectCrop>, StoreError> {
    let sql = "select o.id, o.ordinal, o.media_id, o.region_id, m.ordinal as media_ordinal, m.content_id, \
               r.x, r.y, r.width, r.height \
               from objects o join media m on m.id = o.media_id join regions r on r.id = o.region_id \
               where o.dataset_id = $1 and o.ordinal >= $2 and o.ordinal < $3 order by o.ordinal";
    Ok(sqlx::query_as(sql)
        .bind(dataset.as_uuid())
        .bind(columns::to_int(first)?)
        .bind(columns::to_int(end)?)
        .fetch_all(ex)
        .await?)
}

/// Removes objects that have no vector for `key`, because their picture could not be read or gave none, and closes the
/// gaps in the numbers. How many went. Must run in a transaction.
///
/// # Errors
/// The database.
pub async fn drop_without_vector(
    conn: &mut PgConnection,
    dataset: DatasetId,
    key: &SpaceKey,
) -> Result<u64, StoreError> {
    let sql = "with gone as (delete from objects o where o.dataset_id = $1 and not exists \
               (select from region_outputs v where v.region_id = o.region_id and v.package = $2 and v.parameters = $3 \
               and v.vector is not null) returning id), \
               said as (delete from captions c using gone where c.dataset_id = $1 and c.entity_type = 'OBJECTS' and c.entity_id = gone.id) \
               select count(*) from gone";
    let gone: i64 = sqlx::query_scalar(sql)
        .bind(dataset.as_uuid())
        .bind(&key.package)
        .bind(&key.parameters)
        .fetch_one(&mut *conn)
        .await?;
    if gone > 0 {
        renumber(conn, dataset).await?;
    }
    Ok(gone.unsigned_abs())
}

/// Removes the objects behind those that the newest generation has, and what was said about them: nobody was shown them. Must run
/// in a transaction.
///
/// # Errors
/// The database.
pub async fn drop_unindexed(conn: &mut PgConnection, dataset: DatasetId) -> Result<(), StoreError> {
    let sql = "with gone as (delete from objects where dataset_id = $1 and ordinal >= coalesce((select count from index_generations \
               where dataset_id = $1 and entity_type = 'OBJECTS' and space = 'INDEX' order by number desc limit 1), 0) returning id), \
               failed as (delete from enrichment_failures f using gone where f.dataset_id = $1 and f.entity_id = gone.id) \
               delete from captions c using gone where c.dataset_id = $1 and c.entity_type = 'OBJECTS' and c.entity_id = gone.id";
    sqlx::query(sql)
        .bind(dataset.as_uuid())
        .execute(conn)
        .await?;
    Ok(())
}

/// 0..n-1 again, in the same order. By way of numbers that nobody has: unique numbers are checked row by row.
async fn renumber(conn: &mut PgConnection, dataset: DatasetId) -> Result<(), StoreError> {
    const ASIDE: i32 = 1 << 30;
    sqlx::query("update objects set ordinal = ordinal + $2 where dataset_id = $1")
        .bind(dataset.as_uuid())
        .bind(ASIDE)
        .execute(&mut *conn)
        .await?;
    let sql = "update objects o set ordinal = n.ordinal from \
               (select id, (row_number() over (order by ordinal) - 1)::integer as ordinal from objects where dataset_id = $1) n \
               where o.id = n.id";
    sqlx::query(sql)
        .bind(dataset.as_uuid())
        .execute(conn)
        .await?;
    Ok(())
}
