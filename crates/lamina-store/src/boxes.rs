//! Objects as readers see them: a box of a media item with what is known of it, numbered 0..n-1 by ordinal in the dataset.

use std::collections::HashMap;

use lamina_types::{BoundingBox, DatasetId, MediaId, ObjectId};
use sqlx::{FromRow, PgExecutor, Row, postgres::PgRow};
use uuid::Uuid;

use crate::annotations::AnnotationSource;
use crate::media::Media;
use crate::{StoreError, columns};

/// An object and the picture it is on.
#[derive(Debug, Clone, PartialEq)]
pub struct BoxedObject {
    /// Unique across datasets.
    pub id: ObjectId,
    /// Within the objects of the dataset.
    pub ordinal: u32,
    /// The picture.
    pub media: Media,
    /// What is kept of the crop hangs on this.
    pub region_id: i64,
    /// Where on the picture.
    pub region: BoundingBox,
    /// What it is.
    pub label: String,
    /// 0..=1, when a model said so.
    pub confidence: Option<f32>,
    /// Who said so.
    pub source: AnnotationSource,
    /// In the annotations of the source; -1 when it comes from none.
    pub original_id: i64,
}

impl FromRow<'_, PgRow> for BoxedObject {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: ObjectId::from_uuid(row.try_get("object_id")?),
            ordinal: columns::unsigned(row, "object_ordinal")?,
            media: Media::from_row(row)?,
            region_id: row.try_get("region_id")?,
            // The table's checks keep it inside the picture but for rounding.
            region: BoundingBox {
                x: row.try_get("x")?,
                y: row.try_get("y")?,
                width: row.try_get("region_width")?,
                height: row.try_get("region_height")?,
            },
            label: row.try_get("label")?,
            confidence: row.try_get("confidence")?,
            source: columns::text(row, "source")?,
            original_id: row.try_get("original_id")?,
        })
    }
}

/// A query of objects; the columns that media have too are spelt out.
macro_rules! select {
    ($condition:literal) => {
        concat!(
            "select o.id as object_id, o.ordinal as object_ordinal, o.region_id, o.label, o.confidence, o.source, \
             o.original_id, r.x, r.y, r.width as region_width, r.height as region_height, \
             m.*, c.sha256, c.owner_id, c.width, c.height, c.byte_size, c.format, c.has_original \
             from objects o join regions r on r.id = o.region_id join media m on m.id = o.media_id \
             join contents c on c.id = m.content_id where o.dataset_id = $1 and ",
            $condition
        )
    };
}

/// The objects of `ordinals`, in that order. Unknown ordinals are left out.
///
/// # Errors
/// The database.
pub async fn by_ordinals(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    ordinals: &[u32],
) -> Result<Vec<BoxedObject>, StoreError> {
    let numbers = ordinals
        .iter()
        .map(|ordinal| columns::to_int(*ordinal))
        .collect::<Result<Vec<_>, _>>()?;
    let rows: Vec<BoxedObject> = sqlx::query_as(select!("o.ordinal = any($2)"))
        .bind(dataset.as_uuid())
        .bind(numbers)
        .fetch_all(ex)
        .await?;
    let mut by_ordinal: HashMap<u32, BoxedObject> = rows
        .into_iter()
        .map(|object| (object.ordinal, object))
        .collect();
    Ok(ordinals
        .iter()
        .filter_map(|ordinal| by_ordinal.remove(ordinal))
        .collect())
}

/// An object of this dataset.
///
/// # Errors
/// The database.
pub async fn by_id(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    id: ObjectId,
) -> Result<Option<BoxedObject>, StoreError> {
    Ok(sqlx::query_as(select!("o.id = $2"))
        .bind(dataset.as_uuid())
        .bind(id.as_uuid())
        .fetch_optional(ex)
        .await?)
}

/// All objects of a media item of this dataset, by ordinal.
///
/// # Errors
/// The database.
pub async fn of_media(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    media: MediaId,
) -> Result<Vec<BoxedObject>, StoreError> {
    Ok(
        sqlx::query_as(select!("o.media_id = $2 order by o.ordinal"))
            .bind(dataset.as_uuid())
            .bind(media.as_uuid())
            .fetch_all(ex)
            .await?,
    )
}

/// All objects of these media of a dataset, by ordinal.
///
/// # Errors
/// The database.
pub async fn of_media_list(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    media: &[MediaId],
) -> Result<Vec<BoxedObject>, StoreError> {
    let ids: Vec<Uuid> = media.iter().map(|id| id.as_uuid()).collect();
    Ok(
        sqlx::query_as(select!("o.media_id = any($2) order by o.ordinal"))
            .bind(dataset.as_uuid())
            .bind(ids)
            .fetch_all(ex)
            .await?,
    )
}

/// Which dataset an object is in, for routes that name only the object; access to that dataset must be checked next.
///
/// # Errors
/// The database.
pub async fn dataset_of(
    ex: impl PgExecutor<'_>,
    id: ObjectId,
) -> Result<Option<DatasetId>, StoreError> {
    let found: Option<Uuid> = sqlx::query_scalar("select dataset_id from objects where id = $1")
        .bind(id.as_uuid())
        .fetch_optional(ex)
        .await?;
    Ok(found.map(DatasetId::from_uuid))
}

/// The ordinal of an object of this dataset.
///
/// # Errors
/// The database.
pub async fn ordinal_of(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    id: ObjectId,
) -> Result<Option<u32>, StoreError> {
    let sql = "select ordinal from objects where dataset_id = $1 and id = $2";
    let row = sqlx::query(sql)
        .bind(dataset.as_uuid())
        .bind(id.as_uuid())
        .fetch_optional(ex)
        .await?;
    Ok(row
        .map(|row| columns::unsigned(&row, "ordinal"))
        .transpose()?)
}

/// What the snapshot keeps of every object beside its vector.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectColumn {
    /// Which object.
    pub ordinal: u32,
    /// Ordinal of its picture.
    pub media_ordinal: u32,
    /// What it is.
    pub label: String,
}

/// Pictures and labels of all objects in ordinal order.
///
/// # Errors
/// The database.
pub async fn column(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
) -> Result<Vec<ObjectColumn>, StoreError> {
    let sql = "select o.ordinal, m.ordinal as media_ordinal, o.label from objects o join media m on m.id = o.media_id \
               where o.dataset_id = $1 order by o.ordinal";
    let rows = sqlx::query(sql)
        .bind(dataset.as_uuid())
        .fetch_all(ex)
        .await?;
    rows.iter()
        .map(|row| {
            Ok(ObjectColumn {
                ordinal: columns::unsigned(row, "ordinal")?,
                media_ordinal: columns::unsigned(row, "media_ordinal")?,
                label: row.try_get("label")?,
            })
        })
        .collect()
}
