//! Batches: each addition of media to a dataset is one.

use chrono::{DateTime, Utc};
use lamina_types::DatasetId;
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::StoreError;

/// Records a batch, once: it begins when it is recorded first. `number` is that of `media.batch`, above 0.
///
/// # Errors
/// Conflict when the dataset has another batch of this number.
pub async fn record(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    id: Uuid,
    number: i32,
) -> Result<DateTime<Utc>, StoreError> {
    // The update changes nothing and makes the row that is there come back.
    let sql = "insert into batches (id, dataset_id, number) values ($1, $2, $3) \
               on conflict (id) do update set number = batches.number returning created_at";
    Ok(sqlx::query_scalar(sql)
        .bind(id)
        .bind(dataset.as_uuid())
        .bind(number)
        .fetch_one(ex)
        .await?)
}
