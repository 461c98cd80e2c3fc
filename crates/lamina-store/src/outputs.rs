//! Outputs: what a model package says about a content, with which parameters. Keyed by content, so every dataset that
//! holds the same picture shares them; never updated, replaced packages write new rows.

use lamina_types::{DatasetId, SpaceKey};
use sqlx::{PgExecutor, PgPool, Row};

use crate::{StoreError, columns};

/// Rows read at once when a dataset's vectors are loaded: about 8 MB of 512-d vectors.
const VECTOR_PAGE: i32 = 8_192;

/// Which of `content_ids` have no output for `key` yet, in the given order: the checkpoint of every model run.
///
/// # Errors
/// The database.
pub async fn lacking(
    ex: impl PgExecutor<'_>,
    key: &SpaceKey,
    content_ids: &[i64],
) -> Result<Vec<i64>, StoreError> {
    let sql = "select t.id from unnest($1::bigint[]) with ordinality as t (id, n) where not exists \
               (select from outputs o where o.content_id = t.id and o.package = $2 and o.parameters = $3) order by t.n";
    Ok(sqlx::query_scalar(sql)
        .bind(content_ids)
        .bind(&key.package)
        .bind(&key.parameters)
        .fetch_all(ex)
        .await?)
}

/// Stores vectors by content id: little-endian f16, L2-normalised, all of `dimension` values. Those already there stay.
///
/// # Errors
/// Malformed for a vector of another length; conflict for a content that is gone.
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
    let ids: Vec<i64> = rows.iter().map(|(id, _)| *id).collect();
    let bytes: Vec<&[u8]> = rows.iter().map(|(_, bytes)| bytes.as_slice()).collect();
    let sql = "insert into outputs (content_id, package, parameters, vector) \
               select t.id, $3, $4, t.vector from unnest($1::bigint[], $2::bytea[]) as t (id, vector) on conflict do nothing";
    sqlx::query(sql)
        .bind(ids)
        .bind(bytes)
        .bind(&key.package)
        .bind(&key.parameters)
        .execute(ex)
        .await?;
    Ok(())
}

/// Stores captions, boxes or tags by content id. Those already there stay.
///
/// # Errors
/// Conflict for a content that is gone; invalid input for a NUL inside.
pub async fn put_values(
    ex: impl PgExecutor<'_>,
    key: &SpaceKey,
    values: &[(i64, serde_json::Value)],
) -> Result<(), StoreError> {
    let mut rows: Vec<&(i64, serde_json::Value)> = values.iter().collect();
    rows.sort_by_key(|(id, _)| *id);
    let ids: Vec<i64> = rows.iter().map(|(id, _)| *id).collect();
    let values: Vec<&serde_json::Value> = rows.iter().map(|(_, value)| value).collect();
    let sql = "insert into outputs (content_id, package, parameters, value) \
               select t.id, $3, $4, t.value from unnest($1::bigint[], $2::jsonb[]) as t (id, value) on conflict do nothing";
    sqlx::query(sql)
        .bind(ids)
        .bind(values)
        .bind(&key.package)
        .bind(&key.parameters)
        .execute(ex)
        .await?;
    Ok(())
}

/// The vector of one media item in a space, as stored.
///
/// # Errors
/// The database.
pub async fn vector_of_media(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    ordinal: u32,
    key: &SpaceKey,
) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "select o.vector from media m join outputs o on o.content_id = m.content_id \
               and o.package = $3 and o.parameters = $4 where m.dataset_id = $1 and m.ordinal = $2 and o.vector is not null";
    Ok(sqlx::query_scalar(sql)
        .bind(dataset.as_uuid())
        .bind(columns::to_int(ordinal)?)
        .bind(&key.package)
        .bind(&key.parameters)
        .fetch_optional(ex)
        .await?)
}

/// All vectors of a dataset's media in ordinal order, one after the other: little-endian f16, `2 * dimension` bytes each.
///
/// Read in pages, each its own statement; the dataset must not gain media meanwhile (it does not while its job runs).
///
/// # Errors
/// [`StoreError::VectorsIncomplete`] when a media item has none or one of another length, or ordinals have a gap.
pub async fn load_vectors(
    pool: &PgPool,
    dataset: DatasetId,
    key: &SpaceKey,
    dimension: usize,
) -> Result<Vec<u8>, StoreError> {
    let media: i64 = sqlx::query_scalar("select count(*) from media where dataset_id = $1")
        .bind(dataset.as_uuid())
        .fetch_one(pool)
        .await?;
    let media = usize::try_from(media).map_err(|_| StoreError::Malformed("a negative count"))?;
    let mut bytes = Vec::with_capacity(media * dimension * 2);
    let sql = "select m.ordinal, o.vector from media m \
               left join outputs o on o.content_id = m.content_id and o.package = $2 and o.parameters = $3 \
               where m.dataset_id = $1 and m.ordinal >= $4 and m.ordinal < $5 order by m.ordinal";
    let mut expected = 0_u32;
    while usize::try_from(expected).is_ok_and(|expected| expected < media) {
        let first = columns::to_int(expected)?;
        let rows = sqlx::query(sql)
            .bind(dataset.as_uuid())
            .bind(&key.package)
            .bind(&key.parameters)
            .bind(first)
            .bind(first.saturating_add(VECTOR_PAGE))
            .fetch_all(pool)
            .await?;
        let incomplete = |ordinal: u32, found: usize| StoreError::VectorsIncomplete {
            dataset,
            media,
            found,
            ordinal,
        };
        let before = expected;
        for row in &rows {
            let vector: Option<&[u8]> = row.try_get("vector")?;
            match vector {
                Some(vector)
                    if vector.len() == dimension * 2
                        && columns::unsigned(row, "ordinal")? == expected =>
                {
                    bytes.extend_from_slice(vector);
                    expected += 1;
                }
                Some(_) | None => return Err(incomplete(expected, expected as usize)),
            }
        }
        if expected == before {
            return Err(incomplete(expected, expected as usize));
        }
    }
    Ok(bytes)
}
