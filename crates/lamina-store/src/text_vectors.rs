//! Embeddings of caption texts: once per owner and text, never shared between tenants (hardening P30).

use std::collections::{HashMap, HashSet};

use futures::TryStreamExt as _;
use lamina_types::{DatasetId, EntityType, SpaceKey, UserId};
use sha2::{Digest, Sha256};
use sqlx::{PgExecutor, PgPool, Row};

use crate::spaces::DatasetSpace;

use crate::{StoreError, columns};

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Which of `texts` this owner has no vector of; each once, in order of first appearance.
///
/// # Errors
/// The database.
pub async fn lacking(
    ex: impl PgExecutor<'_>,
    owner: UserId,
    key: &SpaceKey,
    texts: &[String],
) -> Result<Vec<String>, StoreError> {
    let mut digests: Vec<[u8; 32]> = Vec::with_capacity(texts.len());
    let mut distinct: Vec<&String> = Vec::with_capacity(texts.len());
    let mut seen = HashSet::new();
    for text in texts {
        let hash = digest(text);
        if seen.insert(hash) {
            digests.push(hash);
            distinct.push(text);
        }
    }
    let sql = "select text_sha256 from text_vectors \
               where owner_id = $1 and package = $2 and parameters = $3 and text_sha256 = any($4)";
    let rows = sqlx::query(sql)
        .bind(owner.as_uuid())
        .bind(&key.package)
        .bind(&key.parameters)
        .bind(digests.iter().map(<[u8; 32]>::as_slice).collect::<Vec<_>>())
        .fetch_all(ex)
        .await?;
    let known = rows
        .iter()
        .map(|row| columns::digest(row, "text_sha256"))
        .collect::<Result<HashSet<_>, _>>()?;
    Ok(distinct
        .into_iter()
        .zip(digests)
        .filter(|(_, hash)| !known.contains(hash))
        .map(|(text, _)| text.clone())
        .collect())
}

/// Stores vectors of texts: little-endian f16, L2-normalised, all of `dimension` values. Those already there stay.
///
/// # Errors
/// Malformed for a vector of another length.
pub async fn put(
    ex: impl PgExecutor<'_>,
    owner: UserId,
    key: &SpaceKey,
    dimension: usize,
    vectors: &[(String, Vec<u8>)],
) -> Result<(), StoreError> {
    if vectors
        .iter()
        .any(|(_, bytes)| bytes.len() != dimension * 2)
    {
        return Err(StoreError::Malformed(
            "a vector has not two bytes per dimension",
        ));
    }
    let mut rows: Vec<([u8; 32], &[u8])> = vectors
        .iter()
        .map(|(text, bytes)| (digest(text), bytes.as_slice()))
        .collect();
    rows.sort_unstable();
    let sql = "insert into text_vectors (owner_id, text_sha256, package, parameters, vector) \
               select $1, t.hash, $2, $3, t.vector from unnest($4::bytea[], $5::bytea[]) as t (hash, vector) on conflict do nothing";
    sqlx::query(sql)
        .bind(owner.as_uuid())
        .bind(&key.package)
        .bind(&key.parameters)
        .bind(
            rows.iter()
                .map(|(hash, _)| hash.as_slice())
                .collect::<Vec<_>>(),
        )
        .bind(rows.iter().map(|(_, bytes)| *bytes).collect::<Vec<_>>())
        .execute(ex)
        .await?;
    Ok(())
}

/// The different caption texts of the items numbered from `first` to before `end`.
///
/// # Errors
/// The database.
pub async fn captions_of(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    entity: EntityType,
    [first, end]: [u32; 2],
) -> Result<Vec<String>, StoreError> {
    let sql = match entity {
        EntityType::Images => {
            "select distinct c.caption from media e join captions c \
             on c.dataset_id = e.dataset_id and c.entity_type = 'IMAGES' and c.entity_id = e.id \
             where e.dataset_id = $1 and e.ordinal >= $2 and e.ordinal < $3 order by 1"
        }
        EntityType::Objects => {
            "select distinct c.caption from objects e join captions c \
             on c.dataset_id = e.dataset_id and c.entity_type = 'OBJECTS' and c.entity_id = e.id \
             where e.dataset_id = $1 and e.ordinal >= $2 and e.ordinal < $3 order by 1"
        }
    };
    Ok(sqlx::query_scalar(sql)
        .bind(dataset.as_uuid())
        .bind(columns::to_int(first)?)
        .bind(columns::to_int(end)?)
        .fetch_all(ex)
        .await?)
}

/// Items whose captions are read at once.
const ITEMS_AT_ONCE: u32 = 65_536;

/// The different texts of a dataset's captions, a vector each, and who has which. Captions of models repeat: a million pictures
/// have far fewer texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CaptionTexts {
    /// One vector after the other: little-endian f16, `2 * dimension` bytes each.
    pub bytes: Vec<u8>,
    /// Ordinal of an item and place of its text, ascending; an item with several captions comes several times.
    pub said: Vec<(u32, u32)>,
}

/// Reads the vectors of a `CAPTION_TEXT` space. Captions without a vector are left out.
///
/// # Errors
/// [`StoreError::Malformed`] for a vector of another length; the database.
pub async fn of_captions(
    pool: &PgPool,
    dataset: DatasetId,
    space: &DatasetSpace,
) -> Result<CaptionTexts, StoreError> {
    let sql = "select v.text_sha256, v.vector from text_vectors v join datasets d on d.id = $1 and d.owner_id = v.owner_id \
               where v.package = $3 and v.parameters = $4 and exists (select from captions c \
               where c.dataset_id = $1 and c.entity_type = $2 and c.text_sha256 = v.text_sha256) order by v.text_sha256";
    let mut rows = sqlx::query(sql)
        .bind(dataset.as_uuid())
        .bind(space.entity_type.as_str())
        .bind(&space.key.package)
        .bind(&space.key.parameters)
        .fetch(pool);
    let mut found = CaptionTexts::default();
    let mut places: HashMap<[u8; 32], u32> = HashMap::new();
    while let Some(row) = rows.try_next().await? {
        let vector: &[u8] = row.try_get("vector")?;
        if vector.len() != space.dimension as usize * 2 {
            return Err(StoreError::Malformed(
                "a vector has not two bytes per dimension",
            ));
        }
        let place = columns::to_unsigned(places.len())?;
        places.insert(columns::digest(&row, "text_sha256")?, place);
        found.bytes.extend_from_slice(vector);
    }
    drop(rows);
    let sql = match space.entity_type {
        EntityType::Images => {
            "select e.ordinal, c.text_sha256 from media e join captions c \
             on c.dataset_id = e.dataset_id and c.entity_type = 'IMAGES' and c.entity_id = e.id \
             where e.dataset_id = $1 and e.ordinal >= $2 and e.ordinal < $3 order by e.ordinal"
        }
        EntityType::Objects => {
            "select e.ordinal, c.text_sha256 from objects e join captions c \
             on c.dataset_id = e.dataset_id and c.entity_type = 'OBJECTS' and c.entity_id = e.id \
             where e.dataset_id = $1 and e.ordinal >= $2 and e.ordinal < $3 order by e.ordinal"
        }
    };
    let items = match space.entity_type {
        EntityType::Images => {
            "select coalesce(max(ordinal) + 1, 0) from media where dataset_id = $1"
        }
        EntityType::Objects => {
            "select coalesce(max(ordinal) + 1, 0) from objects where dataset_id = $1"
        }
    };
    let items: i32 = sqlx::query_scalar(items)
        .bind(dataset.as_uuid())
        .fetch_one(pool)
        .await?;
    for first in (0..items.unsigned_abs()).step_by(ITEMS_AT_ONCE as usize) {
        let rows = sqlx::query(sql)
            .bind(dataset.as_uuid())
            .bind(columns::to_int(first)?)
            .bind(columns::to_int(first.saturating_add(ITEMS_AT_ONCE))?)
            .fetch_all(pool)
            .await?;
        for row in &rows {
            if let Some(place) = places.get(&columns::digest(row, "text_sha256")?) {
                let ordinal = columns::unsigned(row, "ordinal")?;
                found.said.push((ordinal, *place));
            }
        }
    }
    found.said.sort_unstable();
    Ok(found)
}
