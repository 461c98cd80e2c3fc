//! Snapshots: a dataset as it was, to go back to or to make another one of.
//!
//! A snapshot is a dataset that nobody sees, filled by insert-select like every copy: its media have the ordinals of those they
//! were copied from, pixels and generation files are shared. Media are only ever added to a dataset, behind those it has: so
//! going back keeps the media that the snapshot knows, with their ids, and takes away what came later. Tags, fields of custom metadata
//! and objects get the ids that they had when the snapshot was made, which its rows remember.

use chrono::{DateTime, Utc};
use lamina_types::{DatasetId, DatasetStatus, SnapshotReason, SourceType, UserId};
use sqlx::{FromRow, PgConnection, PgExecutor, Row, postgres::PgRow};
use uuid::Uuid;

use crate::copies;
use crate::datasets::{self, Dataset, NewDataset};
use crate::{StoreError, columns};

/// One snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Also the id of the dataset that holds its rows.
    pub id: DatasetId,
    /// Whose it is.
    pub dataset_id: DatasetId,
    /// 1 to 255 characters.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Why it was made.
    pub reason: SnapshotReason,
    /// Mail address of who made it, or their name.
    pub created_by: String,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Name of its dataset at that time.
    pub source_dataset_name: String,
    /// Whether the dataset was last made into it, or it of the dataset.
    pub is_current: bool,
    /// Whether the dataset is being made into it.
    pub is_restoring: bool,
    /// Pictures.
    pub n_images: u32,
    /// Videos.
    pub n_videos: u32,
}

impl FromRow<'_, PgRow> for Snapshot {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: DatasetId::from_uuid(row.try_get("id")?),
            dataset_id: DatasetId::from_uuid(row.try_get("dataset_id")?),
            name: row.try_get("name")?,
            description: row.try_get("description")?,
            reason: columns::text(row, "reason")?,
            created_by: row.try_get("created_by")?,
            created_at: row.try_get("created_at")?,
            source_dataset_name: row.try_get("source_dataset_name")?,
            is_current: row.try_get("is_current")?,
            is_restoring: row.try_get("is_restoring")?,
            n_images: columns::unsigned(row, "n_images")?,
            n_videos: columns::unsigned(row, "n_videos")?,
        })
    }
}

const SELECT: &str = "select s.id, s.dataset_id, s.name, s.description, s.reason, coalesce(u.email, u.name) as created_by, \
                      s.created_at, s.source_dataset_name, s.is_current, h.n_images, h.n_videos, \
                      exists (select from jobs j join job_states t on t.job_id = j.id where j.subject_id = s.dataset_id \
                      and j.kind = 'restore' and t.state in ('queued', 'running') \
                      and j.spec ->> 'snapshot_id' = s.id::text) as is_restoring \
                      from snapshots s join datasets h on h.id = s.id and h.deleted_at is null \
                      join users u on u.id = s.created_by where s.dataset_id = $1";

/// The snapshots of a dataset, newest first.
///
/// # Errors
/// The database.
pub async fn list(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
) -> Result<Vec<Snapshot>, StoreError> {
    let sql = format!("{SELECT} order by s.created_at desc, s.id desc");
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(dataset.as_uuid())
        .fetch_all(ex)
        .await?)
}

/// One snapshot of a dataset; the current one for `None`.
///
/// # Errors
/// The database.
pub async fn find(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    id: Option<DatasetId>,
) -> Result<Option<Snapshot>, StoreError> {
    let sql = format!("{SELECT} and ($2::uuid is null and s.is_current or s.id = $2)");
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(dataset.as_uuid())
        .bind(id.map(DatasetId::as_uuid))
        .fetch_optional(ex)
        .await?)
}

/// A snapshot to be made.
#[derive(Debug, Clone)]
pub struct NewSnapshot<'a> {
    /// Of which dataset, whose rows do not change until the transaction ends.
    pub dataset: &'a Dataset,
    /// Who asks.
    pub created_by: UserId,
    /// 1 to 255 characters; made of the dataset's name when absent.
    pub name: Option<String>,
    /// Free text.
    pub description: String,
    /// Why.
    pub reason: SnapshotReason,
}

impl<'a> NewSnapshot<'a> {
    /// The first one of a dataset.
    pub const fn of_creation(dataset: &'a Dataset) -> Self {
        Self {
            dataset,
            created_by: dataset.owner_id,
            name: None,
            description: String::new(),
            reason: SnapshotReason::Creation,
        }
    }
}

/// Makes a snapshot, which is the current one from then on; its id. Must run in a transaction.
///
/// # Errors
/// The database.
pub async fn create(
    conn: &mut PgConnection,
    new: NewSnapshot<'_>,
) -> Result<DatasetId, StoreError> {
    let dataset = new.dataset;
    let hidden = NewDataset {
        id: DatasetId::new(),
        owner_id: dataset.owner_id,
        display_name: dataset.display_name.clone(),
        description: dataset.description.clone(),
        source_type: SourceType::Vl,
        source_uri: dataset.source_uri.clone(),
        filename: dataset.filename.clone(),
        serve_mode: dataset.serve_mode,
        status: DatasetStatus::Ready,
        source_dataset_id: None,
    };
    let id = hidden.id;
    datasets::insert(&mut *conn, &hidden).await?;
    sqlx::query("update datasets set snapshot_of = $2, progress = 100 where id = $1")
        .bind(id.as_uuid())
        .bind(dataset.id.as_uuid())
        .execute(&mut *conn)
        .await?;
    copies::remember(&mut *conn, dataset.id, id).await?;
    datasets::recount(&mut *conn, id).await?;
    fail::fail_point!("snapshot_filled", |_| Err(StoreError::NotFound(
        "injected by a fail point"
    )));
    clear_current(&mut *conn, dataset.id).await?;
    let name = new
        .name
        .unwrap_or_else(|| default_name(&dataset.display_name, id));
    let sql = "insert into snapshots (id, dataset_id, name, description, reason, created_by, source_dataset_name, is_current) \
               values ($1, $2, $3, $4, $5, $6, $7, true)";
    sqlx::query(sql)
        .bind(id.as_uuid())
        .bind(dataset.id.as_uuid())
        .bind(name)
        .bind(new.description)
        .bind(new.reason.as_str())
        .bind(new.created_by.as_uuid())
        .bind(&dataset.display_name)
        .execute(conn)
        .await?;
    Ok(id)
}

/// `{dataset}_snapshot_{first group of the id}`, as long as names may be.
fn default_name(dataset: &str, id: DatasetId) -> String {
    const LONGEST: usize = 255;
    let text = id.as_uuid().to_string();
    // The first group of a time-ordered id is the same for a minute; the last one is random.
    let group = text.rsplit('-').next().unwrap_or_default();
    let suffix = format!("_snapshot_{}", group.get(..8).unwrap_or(group));
    let mut name: String = dataset.chars().take(LONGEST - suffix.len()).collect();
    name.push_str(&suffix);
    name
}

async fn clear_current(conn: &mut PgConnection, dataset: DatasetId) -> Result<(), StoreError> {
    sqlx::query("update snapshots set is_current = false where dataset_id = $1 and is_current")
        .bind(dataset.as_uuid())
        .execute(conn)
        .await?;
    Ok(())
}

/// Gives a snapshot another name or description; what is absent stays.
///
/// # Errors
/// Not found.
pub async fn change(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    id: DatasetId,
    name: Option<&str>,
    description: Option<&str>,
) -> Result<(), StoreError> {
    let sql = "update snapshots set name = coalesce($3, name), description = coalesce($4, description) \
               where dataset_id = $1 and id = $2";
    let changed = sqlx::query(sql)
        .bind(dataset.as_uuid())
        .bind(id.as_uuid())
        .bind(name)
        .bind(description)
        .execute(ex)
        .await?;
    if changed.rows_affected() == 0 {
        return Err(StoreError::NotFound("snapshot"));
    }
    Ok(())
}

/// Marks the datasets behind snapshots deleted: of one, or of all of a dataset. Which; a job has to remove each.
///
/// # Errors
/// The database.
pub async fn mark_deleted(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    only: Option<DatasetId>,
) -> Result<Vec<DatasetId>, StoreError> {
    let sql = "update datasets set deleted_at = now() where snapshot_of = $1 and ($2::uuid is null or id = $2) \
               and deleted_at is null returning id";
    let ids: Vec<Uuid> = sqlx::query_scalar(sql)
        .bind(dataset.as_uuid())
        .bind(only.map(DatasetId::as_uuid))
        .fetch_all(ex)
        .await?;
    Ok(ids.into_iter().map(DatasetId::from_uuid).collect())
}

/// Whether a job is about to read a snapshot.
///
/// # Errors
/// The database.
pub async fn is_read(ex: impl PgExecutor<'_>, id: DatasetId) -> Result<bool, StoreError> {
    let sql = "select exists (select from jobs j join job_states t on t.job_id = j.id \
               where j.kind in ('restore', 'clone') and t.state in ('queued', 'running') \
               and j.spec ->> 'snapshot_id' = $1)";
    Ok(sqlx::query_scalar(sql)
        .bind(id.to_string())
        .fetch_one(ex)
        .await?)
}

/// Makes a dataset what it was at a snapshot; keys of generation files that nobody uses any more, which may be deleted after the
/// commit. Must run in a transaction.
///
/// # Errors
/// Not found; the database.
pub async fn restore(
    conn: &mut PgConnection,
    dataset: DatasetId,
    snapshot: DatasetId,
) -> Result<Vec<String>, StoreError> {
    let sql = "select count(*) as items, coalesce(max(batch), 0) as batch from media where dataset_id = $1";
    let kept = sqlx::query(sql)
        .bind(snapshot.as_uuid())
        .fetch_one(&mut *conn)
        .await?;
    let items = i32::try_from(kept.try_get::<i64, _>("items")?)
        .map_err(|_| StoreError::Malformed("too many media"))?;
    let batch: i32 = kept.try_get("batch")?;
    // Numbers of what is taken away are not used again: somebody may still read the files of those generations.
    let sql = "update datasets set tags_revision = tags_revision + 1, generations_made = greatest(generations_made, \
               coalesce((select max(number) from index_generations where dataset_id = $1), 0)) where id = $1";
    sqlx::query(sql)
        .bind(dataset.as_uuid())
        .execute(&mut *conn)
        .await?;
    for (sql, bound) in [
        (
            "delete from media where dataset_id = $1 and ordinal >= $2",
            items,
        ),
        (
            "delete from source_items where dataset_id = $1 and batch > $2",
            batch,
        ),
    ] {
        sqlx::query(sql)
            .bind(dataset.as_uuid())
            .bind(bound)
            .execute(&mut *conn)
            .await?;
    }
    let keys: Vec<String> = sqlx::query_scalar(
        "delete from index_generations where dataset_id = $1 returning blob_key",
    )
    .bind(dataset.as_uuid())
    .fetch_all(&mut *conn)
    .await?;
    copies::refill(&mut *conn, snapshot, dataset).await?;
    fail::fail_point!("snapshot_restored", |_| Err(StoreError::NotFound(
        "injected by a fail point"
    )));
    let sql = "update tags set revision = (select tags_revision from datasets where id = $1) where dataset_id = $1";
    sqlx::query(sql)
        .bind(dataset.as_uuid())
        .execute(&mut *conn)
        .await?;
    clear_current(&mut *conn, dataset).await?;
    sqlx::query("update snapshots set is_current = true where id = $1")
        .bind(snapshot.as_uuid())
        .execute(&mut *conn)
        .await?;
    let sql = "select distinct key from unnest($1::text[]) as t (key) \
               where not exists (select from index_generations g where g.blob_key = t.key)";
    Ok(sqlx::query_scalar(sql).bind(keys).fetch_all(conn).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_their_column() {
        let id = DatasetId::new();
        assert!(default_name("Road scenes", id).starts_with("Road scenes_snapshot_"));
        assert_eq!(default_name(&"ä".repeat(255), id).chars().count(), 255);
    }
}
