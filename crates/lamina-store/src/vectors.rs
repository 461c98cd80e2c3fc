//! The vectors of a dataset's items in any of its spaces, by ordinal, wherever they are kept: those of pictures with their
//! contents, of objects with their regions, of captions by text.

use lamina_types::{DatasetId, EntityType, MediaId, ObjectId, Space, SpaceKey};
use sqlx::{PgExecutor, PgPool, Row};

use crate::spaces::DatasetSpace;
use crate::{StoreError, columns};

/// Ordinals read at once: about 8 MB of 512-d vectors.
const PAGE: i32 = 8_192;

/// Vectors of those items that have any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredVectors {
    /// Whose each vector is, ascending. An item with several captions comes several times.
    pub ordinals: Vec<u32>,
    /// One vector after the other: little-endian f16, `2 * dimension` bytes each.
    pub bytes: Vec<u8>,
}

/// Every vector of a space, for spaces in which some items have none or several: captions.
///
/// Read in pages, each its own statement; the dataset must not change meanwhile (it does not while its job runs).
///
/// # Errors
/// [`StoreError::VectorsIncomplete`] for a vector of another length; the database.
pub async fn load(
    pool: &PgPool,
    dataset: DatasetId,
    space: &DatasetSpace,
) -> Result<StoredVectors, StoreError> {
    Ok(read(pool, dataset, space).await?.0)
}

/// The vectors of a space in which every item has exactly one, in ordinal order: little-endian f16, `2 * dimension` bytes
/// each.
///
/// # Errors
/// [`StoreError::VectorsIncomplete`] when an item has none, several, or one of another length, or ordinals have a gap.
pub async fn load_complete(
    pool: &PgPool,
    dataset: DatasetId,
    space: &DatasetSpace,
) -> Result<Vec<u8>, StoreError> {
    let (found, items) = read(pool, dataset, space).await?;
    let expected = 0..columns::to_unsigned(items)?;
    let agreeing = expected
        .zip(&found.ordinals)
        .take_while(|(expected, found)| expected == *found)
        .count();
    if agreeing != items || found.ordinals.len() != items {
        return Err(StoreError::VectorsIncomplete {
            dataset,
            media: items,
            found: agreeing,
            ordinal: columns::to_unsigned(agreeing)?,
        });
    }
    Ok(found.bytes)
}

/// The vector of one picture of a dataset, if this package made one of it.
///
/// # Errors
/// The database.
pub async fn of_picture(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    picture: MediaId,
    key: &SpaceKey,
) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "select v.vector from media m join outputs v on v.content_id = m.content_id \
               and v.package = $3 and v.parameters = $4 where m.dataset_id = $1 and m.id = $2 and v.vector is not null";
    Ok(sqlx::query_scalar(sql)
        .bind(dataset.as_uuid())
        .bind(picture.as_uuid())
        .bind(&key.package)
        .bind(&key.parameters)
        .fetch_optional(ex)
        .await?)
}

/// The vector of one object of a dataset, if this package made one of its crop.
///
/// # Errors
/// The database.
pub async fn of_object(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    object: ObjectId,
    key: &SpaceKey,
) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "select v.vector from objects o join region_outputs v on v.region_id = o.region_id \
               and v.package = $3 and v.parameters = $4 where o.dataset_id = $1 and o.id = $2 and v.vector is not null";
    Ok(sqlx::query_scalar(sql)
        .bind(dataset.as_uuid())
        .bind(object.as_uuid())
        .bind(&key.package)
        .bind(&key.parameters)
        .fetch_optional(ex)
        .await?)
}

async fn read(
    pool: &PgPool,
    dataset: DatasetId,
    space: &DatasetSpace,
) -> Result<(StoredVectors, usize), StoreError> {
    let items: i64 = sqlx::query_scalar(count_of(space.entity_type))
        .bind(dataset.as_uuid())
        .fetch_one(pool)
        .await?;
    let items = usize::try_from(items).map_err(|_| StoreError::Malformed("a negative count"))?;
    let row_bytes = space.dimension as usize * 2;
    let mut found = StoredVectors::default();
    if space.space != Space::CaptionText {
        found.ordinals.reserve_exact(items);
        found.bytes.reserve_exact(items * row_bytes);
    }
    let mut first = 0_i32;
    while usize::try_from(first).is_ok_and(|first| first < items) {
        let end = first.saturating_add(PAGE);
        let rows = sqlx::query(page_of(space))
            .bind(dataset.as_uuid())
            .bind(&space.key.package)
            .bind(&space.key.parameters)
            .bind(first)
            .bind(end)
            .fetch_all(pool)
            .await?;
        for row in &rows {
            let ordinal = columns::unsigned(row, "ordinal")?;
            let vector: &[u8] = row.try_get("vector")?;
            if vector.len() != row_bytes {
                return Err(StoreError::VectorsIncomplete {
                    dataset,
                    media: items,
                    found: found.ordinals.len(),
                    ordinal,
                });
            }
            found.ordinals.push(ordinal);
            found.bytes.extend_from_slice(vector);
        }
        first = end;
    }
    Ok((found, items))
}

const fn count_of(entity: EntityType) -> &'static str {
    match entity {
        EntityType::Images => "select count(*) from media where dataset_id = $1",
        EntityType::Objects => "select count(*) from objects where dataset_id = $1",
    }
}

/// One page of a space: the items numbered from `$4` to before `$5`.
const fn page_of(space: &DatasetSpace) -> &'static str {
    match (space.entity_type, space.space) {
        (EntityType::Images, Space::CaptionText) => {
            "select m.ordinal, v.vector from media m join datasets d on d.id = m.dataset_id \
             join captions c on c.dataset_id = m.dataset_id and c.entity_type = 'IMAGES' and c.entity_id = m.id \
             join text_vectors v on v.owner_id = d.owner_id and v.text_sha256 = c.text_sha256 \
             and v.package = $2 and v.parameters = $3 \
             where m.dataset_id = $1 and m.ordinal >= $4 and m.ordinal < $5 order by m.ordinal, c.source"
        }
        (EntityType::Objects, Space::CaptionText) => {
            "select o.ordinal, v.vector from objects o join datasets d on d.id = o.dataset_id \
             join captions c on c.dataset_id = o.dataset_id and c.entity_type = 'OBJECTS' and c.entity_id = o.id \
             join text_vectors v on v.owner_id = d.owner_id and v.text_sha256 = c.text_sha256 \
             and v.package = $2 and v.parameters = $3 \
             where o.dataset_id = $1 and o.ordinal >= $4 and o.ordinal < $5 order by o.ordinal, c.source"
        }
        (EntityType::Images, Space::Index | Space::MultimodelImage | Space::MultimodelObject) => {
            "select m.ordinal, v.vector from media m \
             join outputs v on v.content_id = m.content_id and v.package = $2 and v.parameters = $3 \
             where m.dataset_id = $1 and m.ordinal >= $4 and m.ordinal < $5 and v.vector is not null order by m.ordinal"
        }
        (EntityType::Objects, Space::Index | Space::MultimodelImage | Space::MultimodelObject) => {
            "select o.ordinal, v.vector from objects o \
             join region_outputs v on v.region_id = o.region_id and v.package = $2 and v.parameters = $3 \
             where o.dataset_id = $1 and o.ordinal >= $4 and o.ordinal < $5 and v.vector is not null order by o.ordinal"
        }
    }
}

/// Values per vector of a space that is being made: of any of its vectors. `None` while there is none.
///
/// # Errors
/// The database.
pub async fn dimension(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    entity_type: EntityType,
    space: Space,
    key: &SpaceKey,
) -> Result<Option<u32>, StoreError> {
    let sql = match (entity_type, space) {
        (EntityType::Images, Space::CaptionText) => {
            "select octet_length(v.vector) / 2 from datasets d join captions c on c.dataset_id = d.id and c.entity_type = 'IMAGES' \
             join text_vectors v on v.owner_id = d.owner_id and v.text_sha256 = c.text_sha256 \
             and v.package = $2 and v.parameters = $3 where d.id = $1 limit 1"
        }
        (EntityType::Objects, Space::CaptionText) => {
            "select octet_length(v.vector) / 2 from datasets d join captions c on c.dataset_id = d.id and c.entity_type = 'OBJECTS' \
             join text_vectors v on v.owner_id = d.owner_id and v.text_sha256 = c.text_sha256 \
             and v.package = $2 and v.parameters = $3 where d.id = $1 limit 1"
        }
        (EntityType::Images, Space::Index | Space::MultimodelImage | Space::MultimodelObject) => {
            "select octet_length(v.vector) / 2 from media m join outputs v on v.content_id = m.content_id \
             and v.package = $2 and v.parameters = $3 where m.dataset_id = $1 and v.vector is not null limit 1"
        }
        (EntityType::Objects, Space::Index | Space::MultimodelImage | Space::MultimodelObject) => {
            "select octet_length(v.vector) / 2 from objects o join region_outputs v on v.region_id = o.region_id \
             and v.package = $2 and v.parameters = $3 where o.dataset_id = $1 and v.vector is not null limit 1"
        }
    };
    let found: Option<i32> = sqlx::query_scalar(sql)
        .bind(dataset.as_uuid())
        .bind(&key.package)
        .bind(&key.parameters)
        .fetch_optional(ex)
        .await?;
    Ok(found.and_then(|values| u32::try_from(values).ok()))
}
