//! Outputs: what a model package says about a content, with which parameters. Keyed by content, so every dataset that
//! holds the same picture shares them; never updated, replaced packages write new rows.

use std::collections::HashMap;

use lamina_types::{DatasetId, SpaceKey};
use sqlx::{PgExecutor, Row};

use crate::StoreError;

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

/// Values by content id; contents without one are left out.
///
/// # Errors
/// The database.
pub async fn values(
    ex: impl PgExecutor<'_>,
    key: &SpaceKey,
    content_ids: &[i64],
) -> Result<HashMap<i64, serde_json::Value>, StoreError> {
    let sql = "select content_id, value from outputs \
               where content_id = any($1) and package = $2 and parameters = $3 and value is not null";
    let rows = sqlx::query(sql)
        .bind(content_ids)
        .bind(&key.package)
        .bind(&key.parameters)
        .fetch_all(ex)
        .await?;
    rows.iter()
        .map(|row| Ok((row.try_get("content_id")?, row.try_get("value")?)))
        .collect()
}

/// How many different contents of a dataset's media have no output for `key`.
///
/// # Errors
/// The database.
pub async fn count_lacking(
    ex: impl PgExecutor<'_>,
    key: &SpaceKey,
    dataset: DatasetId,
) -> Result<u64, StoreError> {
    let sql = "select count(*) from (select distinct content_id from media where dataset_id = $1) m where not exists \
               (select from outputs o where o.content_id = m.content_id and o.package = $2 and o.parameters = $3)";
    let count: i64 = sqlx::query_scalar(sql)
        .bind(dataset.as_uuid())
        .bind(&key.package)
        .bind(&key.parameters)
        .fetch_one(ex)
        .await?;
    Ok(count.unsigned_abs())
}
