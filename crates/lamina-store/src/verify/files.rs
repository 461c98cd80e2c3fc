//! Checks that read values or files: vectors, generation files, originals and thumbnails.

use half::f16;
use lamina_types::UserId;
use sqlx::{PgPool, Row};
use uuid::Uuid;

use super::{Check, VerifyOptions};
use crate::{BlobError, BlobStore, StoreError, columns, generations::Generation, removal};

/// Rows read at once.
const PAGE: i64 = 2_000;

/// How far a stored vector's length may be from 1: what rounding to half precision can do.
const NORM_TOLERANCE: f64 = 1e-3;

/// Stored vectors are finite and of length 1.
pub(super) async fn vectors(pool: &PgPool, options: &VerifyOptions) -> Result<Check, StoreError> {
    let mut check = Check::new(
        "V3b",
        "stored vectors are finite and of length 1 (deep only)",
    );
    if !options.deep {
        return Ok(check);
    }
    let sql = "select content_id, package, parameters, vector from outputs where vector is not null \
               and (content_id, package, parameters) > ($1, $2, $3) order by content_id, package, parameters limit $4";
    let (mut id, mut package, mut parameters) = (i64::MIN, String::new(), String::new());
    loop {
        let rows = sqlx::query(sql)
            .bind(id)
            .bind(&package)
            .bind(&parameters)
            .bind(PAGE)
            .fetch_all(pool)
            .await?;
        for row in &rows {
            let vector: &[u8] = row.try_get("vector")?;
            (id, package, parameters) = (
                row.try_get("content_id")?,
                row.try_get("package")?,
                row.try_get("parameters")?,
            );
            let norm = norm(vector);
            // NaN fails every comparison, so ask for what is right.
            let is_unit = (norm - 1.0).abs() <= NORM_TOLERANCE;
            if !is_unit {
                check.breach(format!(
                    "content {id}: the vector of {package} has length {norm}"
                ));
            }
        }
        if rows.is_empty() {
            return Ok(check);
        }
    }
}

/// Length of a vector of little-endian f16.
fn norm(vector: &[u8]) -> f64 {
    let squares = vector
        .as_chunks::<2>()
        .0
        .iter()
        .map(|bytes| f64::from(f16::from_le_bytes(*bytes)).powi(2));
    squares.sum::<f64>().sqrt()
}

/// The published generations are there, whole, and of the dataset's size.
pub(super) async fn generations(
    pool: &PgPool,
    blobs: &BlobStore,
    options: &VerifyOptions,
) -> Result<Check, StoreError> {
    let mut check = Check::new(
        "V4",
        "a READY dataset's published generation exists, is whole, and counts its media",
    );
    let sql = "select 'dataset ' || d.id || ' is READY and has no generation' from datasets d \
               where d.deleted_at is null and d.status = 'READY' and d.n_images > 0 and not exists \
               (select from index_generations g where g.dataset_id = d.id and g.entity_type = 'IMAGES' and g.space = 'INDEX')";
    let missing: Vec<String> = sqlx::query_scalar(sql).fetch_all(pool).await?;
    missing.into_iter().for_each(|breach| check.breach(breach));
    let sql = "select distinct on (g.dataset_id, g.entity_type, g.space) g.*, d.status in ('READY', 'PARTIAL INDEX') as is_ready, \
               case g.entity_type when 'IMAGES' then (select count(*) from media m where m.dataset_id = d.id) \
               else (select count(*) from objects o where o.dataset_id = d.id) end as items \
               from index_generations g join datasets d on d.id = g.dataset_id where d.deleted_at is null \
               order by g.dataset_id, g.entity_type, g.space, g.number desc";
    for row in sqlx::query(sql).fetch_all(pool).await? {
        let generation = <Generation as sqlx::FromRow<'_, _>>::from_row(&row)?;
        let (items, is_ready): (i64, bool) = (row.try_get("items")?, row.try_get("is_ready")?);
        if is_ready && i64::from(generation.count) != items {
            check.breach(format!(
                "{} counts {} of {items} items",
                generation.blob_key, generation.count
            ));
        }
        match blobs.get(&generation.blob_key).await {
            Ok(bytes) if (options.checksum_of)(&bytes) != generation.checksum => {
                check.breach(format!(
                    "{} is damaged: its checksum is wrong",
                    generation.blob_key
                ));
            }
            Ok(_) => {}
            Err(StoreError::Blob(BlobError::NotFound(key))) => {
                check.breach(format!("{key} is missing"))
            }
            Err(error) => return Err(error),
        }
    }
    Ok(check)
}

/// Every content has its files; deep: and they are what their names promise.
pub(super) async fn contents(
    pool: &PgPool,
    blobs: &BlobStore,
    options: &VerifyOptions,
) -> Result<Check, StoreError> {
    let mut check = Check::new(
        "V6",
        "every content has its thumbnail and, where copied, its original",
    );
    let sql = "select id, owner_id, sha256, has_original from contents where id > $1 order by id limit $2";
    let mut after = i64::MIN;
    loop {
        let rows = sqlx::query(sql)
            .bind(after)
            .bind(PAGE)
            .fetch_all(pool)
            .await?;
        for row in &rows {
            after = row.try_get("id")?;
            let owner = UserId::from_uuid(row.try_get::<Uuid, _>("owner_id")?);
            let hash = columns::hash(row, "sha256")?;
            if !blobs.has_thumbnail(owner, hash).await? {
                check.breach(format!("content {after} ({hash}) has no thumbnail"));
            }
            if !row.try_get::<bool, _>("has_original")? {
                continue;
            }
            if !blobs.has_content(owner, hash).await? {
                check.breach(format!("content {after} ({hash}) has no original"));
            } else if options.deep {
                match blobs.get_content_checked(owner, hash).await {
                    Ok(_) => {}
                    Err(StoreError::Blob(BlobError::Damaged(key))) => {
                        check.breach(format!("{key} is damaged"))
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        if rows.is_empty() {
            return Ok(check);
        }
    }
}

/// Files without a row are young.
pub(super) async fn orphans(
    pool: &PgPool,
    blobs: &BlobStore,
    options: &VerifyOptions,
) -> Result<Check, StoreError> {
    let mut check = Check::new(
        "V6b",
        "files that nobody refers to are younger than the grace",
    );
    let orphans = removal::orphans(pool, blobs, options.grace).await?;
    for (owner, hashes) in orphans.contents {
        hashes.iter().for_each(|hash| {
            check.breach(format!("nobody refers to content {hash} of owner {owner}"))
        });
    }
    orphans
        .derived
        .into_iter()
        .for_each(|key| check.breach(format!("nobody refers to {key}")));
    Ok(check)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_the_stored_values() {
        let bytes: Vec<u8> = [0.6_f32, 0.8]
            .iter()
            .flat_map(|value| f16::from_f32(*value).to_le_bytes())
            .collect();
        assert!((norm(&bytes) - 1.0).abs() < NORM_TOLERANCE);
        assert!(norm(&f16::NAN.to_le_bytes()).is_nan());
    }
}
