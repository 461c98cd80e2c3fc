//! Saved views: filters with a name, looked at again for every batch of media that comes (contract 14).

use chrono::{DateTime, Utc};
use lamina_types::{DatasetId, UserId};
use serde_json::Value;
use sqlx::{FromRow, PgConnection, PgExecutor, Row, postgres::PgRow};
use uuid::Uuid;

use crate::{StoreError, notifications};

/// One view.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Id.
    pub id: Uuid,
    /// Whose filters.
    pub dataset_id: DatasetId,
    /// Unique in the dataset.
    pub name: String,
    /// Who made it.
    pub created_by: UserId,
    /// Their mail address.
    pub creator_email: Option<String>,
    /// Their name.
    pub creator_name: String,
    /// When.
    pub created_at: DateTime<Utc>,
    /// `entity_type`, `threshold`, `caption`, `vql`.
    pub filters: Value,
    /// Whether batches are looked at.
    pub monitoring_enabled: bool,
    /// Only batches from then on are.
    pub monitoring_started_at: DateTime<Utc>,
    /// Whether matches are told to everybody who may see the dataset.
    pub alerting_enabled: bool,
    /// Pictures, objects and frames of the whole dataset that matched when it was looked at last; -1 until then.
    pub stats: [i64; 3],
    /// Matches of all batches.
    pub total_results: u64,
    /// When the last batch with matches was looked at.
    pub last_results: Option<DateTime<Utc>>,
}

impl FromRow<'_, PgRow> for View {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            dataset_id: DatasetId::from_uuid(row.try_get("dataset_id")?),
            name: row.try_get("name")?,
            created_by: UserId::from_uuid(row.try_get("created_by")?),
            creator_email: row.try_get("creator_email")?,
            creator_name: row.try_get("creator_name")?,
            created_at: row.try_get("created_at")?,
            filters: row.try_get("filters")?,
            monitoring_enabled: row.try_get("monitoring_enabled")?,
            monitoring_started_at: row.try_get("monitoring_started_at")?,
            alerting_enabled: row.try_get("alerting_enabled")?,
            stats: [
                row.try_get("n_images")?,
                row.try_get("n_objects")?,
                row.try_get("n_video_frames")?,
            ],
            total_results: row.try_get::<i64, _>("total_results")?.unsigned_abs(),
            last_results: row.try_get("last_results")?,
        })
    }
}

/// Views of the dataset `$1`, all or the one that is `$2`, newest first.
const SELECT: &str = "select v.*, u.email as creator_email, u.name as creator_name, \
    (select coalesce(sum(r.count), 0)::bigint from view_results r where r.view_id = v.id) as total_results, \
    (select max(r.created_at) from view_results r where r.view_id = v.id and r.count > 0) as last_results \
    from views v join users u on u.id = v.created_by \
    where v.dataset_id = $1 and ($2::uuid is null or v.id = $2) order by v.created_at desc, v.id";

/// The views of a dataset, newest first.
///
/// # Errors
/// The database.
pub async fn list(ex: impl PgExecutor<'_>, dataset: DatasetId) -> Result<Vec<View>, StoreError> {
    Ok(sqlx::query_as(SELECT)
        .bind(dataset.as_uuid())
        .bind(None::<Uuid>)
        .fetch_all(ex)
        .await?)
}

/// One view of a dataset.
///
/// # Errors
/// The database.
pub async fn find(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    id: Uuid,
) -> Result<Option<View>, StoreError> {
    Ok(sqlx::query_as(SELECT)
        .bind(dataset.as_uuid())
        .bind(Some(id))
        .fetch_optional(ex)
        .await?)
}

/// Makes a view.
///
/// # Errors
/// Conflict when the name (`views_name_key`) is taken.
pub async fn create(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    id: Uuid,
    name: &str,
    filters: &Value,
    by: UserId,
) -> Result<(), StoreError> {
    let sql =
        "insert into views (id, dataset_id, name, filters, created_by) values ($1, $2, $3, $4, $5)";
    sqlx::query(sql)
        .bind(id)
        .bind(dataset.as_uuid())
        .bind(name)
        .bind(filters)
        .bind(by.as_uuid())
        .execute(ex)
        .await?;
    Ok(())
}

/// What is to be changed about a view; `None` leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ViewChange {
    /// Another name.
    pub name: Option<String>,
    /// Other filters: what the old ones found is forgotten.
    pub filters: Option<Value>,
    /// Whether batches are looked at; those that came while they were not never are.
    pub monitoring_enabled: Option<bool>,
    /// Whether matches are told.
    pub alerting_enabled: Option<bool>,
}

/// Changes a view; false when the dataset has none of this id.
///
/// # Errors
/// Conflict when the name is taken.
pub async fn change(
    conn: &mut PgConnection,
    dataset: DatasetId,
    id: Uuid,
    change: &ViewChange,
) -> Result<bool, StoreError> {
    let sql = "update views set name = coalesce($3, name), filters = coalesce($4, filters), \
               monitoring_started_at = case when $4 is not null or ($5 and not monitoring_enabled) then now() \
                   else monitoring_started_at end, \
               monitoring_enabled = coalesce($5, monitoring_enabled), \
               alerting_enabled = coalesce($6, alerting_enabled), \
               n_images = case when $4 is null then n_images else -1 end, \
               n_objects = case when $4 is null then n_objects else -1 end, \
               n_video_frames = case when $4 is null then n_video_frames else -1 end \
               where id = $2 and dataset_id = $1";
    let done = sqlx::query(sql)
        .bind(dataset.as_uuid())
        .bind(id)
        .bind(&change.name)
        .bind(&change.filters)
        .bind(change.monitoring_enabled)
        .bind(change.alerting_enabled)
        .execute(&mut *conn)
        .await?;
    let found = done.rows_affected() > 0;
    if found && change.filters.is_some() {
        sqlx::query("delete from view_results where view_id = $1")
            .bind(id)
            .execute(conn)
            .await?;
    }
    Ok(found)
}

/// Deletes a view; false when the dataset has none of this id.
///
/// # Errors
/// The database.
pub async fn delete(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    id: Uuid,
) -> Result<bool, StoreError> {
    let done = sqlx::query("delete from views where id = $2 and dataset_id = $1")
        .bind(dataset.as_uuid())
        .bind(id)
        .execute(ex)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// What one batch had for a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// When it was looked at.
    pub at: DateTime<Utc>,
    /// The batch.
    pub batch: Uuid,
    /// Matches of the batch.
    pub count: u64,
}

/// What every batch had for a view, oldest first.
///
/// # Errors
/// The database.
pub async fn points(ex: impl PgExecutor<'_>, id: Uuid) -> Result<Vec<Point>, StoreError> {
    let sql = "select created_at, batch_id, count from view_results where view_id = $1 order by created_at, batch_id";
    let rows = sqlx::query(sql).bind(id).fetch_all(ex).await?;
    let point = |row: &PgRow| {
        Ok::<_, sqlx::Error>(Point {
            at: row.try_get("created_at")?,
            batch: row.try_get("batch_id")?,
            count: row.try_get::<i64, _>("count")?.unsigned_abs(),
        })
    };
    Ok(rows.iter().map(point).collect::<Result<_, _>>()?)
}

/// The views that a batch is still to be looked at for: monitored since before it began, and without a result for it.
///
/// # Errors
/// The database.
pub async fn waiting_for(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    batch: Uuid,
) -> Result<Vec<(Uuid, Value)>, StoreError> {
    let sql = "select v.id, v.filters from views v join batches b on b.id = $2 and b.dataset_id = v.dataset_id \
               where v.dataset_id = $1 and v.monitoring_enabled and v.monitoring_started_at <= b.created_at \
               and not exists (select from view_results r where r.view_id = v.id and r.batch_id = b.id) order by v.id";
    let rows = sqlx::query(sql)
        .bind(dataset.as_uuid())
        .bind(batch)
        .fetch_all(ex)
        .await?;
    let view = |row: &PgRow| Ok::<_, sqlx::Error>((row.try_get("id")?, row.try_get("filters")?));
    Ok(rows.iter().map(view).collect::<Result<_, _>>()?)
}

/// What looking at a batch came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    /// Pictures of the batch that match.
    pub count: u64,
    /// Pictures of the whole dataset that match.
    pub images: u64,
    /// Objects of the whole dataset that match.
    pub objects: u64,
}

/// Keeps what a batch had for a view, once, and tells everybody who may see the dataset if the view says so. Run it in a
/// transaction. How many people were told.
///
/// # Errors
/// The database.
pub async fn record(
    conn: &mut PgConnection,
    view: Uuid,
    batch: Uuid,
    found: Found,
) -> Result<u64, StoreError> {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let sql = "insert into view_results (view_id, batch_id, count) select $1, $2, $3 \
               where exists (select from views where id = $1) on conflict do nothing";
    let written = sqlx::query(sql)
        .bind(view)
        .bind(batch)
        .bind(number(found.count))
        .execute(&mut *conn)
        .await?;
    if written.rows_affected() == 0 {
        return Ok(0);
    }
    let sql = "update views set n_images = $2, n_objects = $3, n_video_frames = 0 where id = $1";
    sqlx::query(sql)
        .bind(view)
        .bind(number(found.images))
        .bind(number(found.objects))
        .execute(&mut *conn)
        .await?;
    if found.count == 0 {
        return Ok(0);
    }
    notifications::tell_of_view(conn, view, batch, number(found.count)).await
}
