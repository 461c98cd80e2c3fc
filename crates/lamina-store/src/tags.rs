//! Tags: what people put on pictures, by hand or for a whole selection.
//!
//! Every write moves the dataset's `tags_revision` first, which also makes writers of one dataset take turns, and stamps the
//! tag with it: readers fetch the tags that changed since they looked last. Deleted tags are found by their absence.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use lamina_types::{DatasetId, MediaId, TagId, UserId};
use sqlx::{FromRow, PgConnection, PgExecutor, Row, postgres::PgRow};
use uuid::Uuid;

use crate::{StoreError, columns};

/// A tag as shown on a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Id.
    pub id: TagId,
    /// Unique in the dataset.
    pub name: String,
}

/// A tag as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagSummary {
    /// Id.
    pub id: TagId,
    /// Unique in the dataset.
    pub name: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Pictures that carry it.
    pub media_count: u64,
}

impl FromRow<'_, PgRow> for TagSummary {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: TagId::from_uuid(row.try_get("id")?),
            name: row.try_get("name")?,
            created_at: row.try_get("created_at")?,
            media_count: row.try_get::<i64, _>("media_count")?.unsigned_abs(),
        })
    }
}

/// All tags of a dataset, by name.
///
/// # Errors
/// The database.
pub async fn list(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
) -> Result<Vec<TagSummary>, StoreError> {
    let sql = "select t.id, t.name, t.created_at, (select count(*) from media_tags mt where mt.tag_id = t.id) as media_count \
               from tags t where t.dataset_id = $1 order by t.name, t.id";
    Ok(sqlx::query_as(sql)
        .bind(dataset.as_uuid())
        .fetch_all(ex)
        .await?)
}

/// One tag of a dataset.
///
/// # Errors
/// The database.
pub async fn find(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    tag: TagId,
) -> Result<Option<TagSummary>, StoreError> {
    let sql = "select t.id, t.name, t.created_at, (select count(*) from media_tags mt where mt.tag_id = t.id) as media_count \
               from tags t where t.dataset_id = $1 and t.id = $2";
    Ok(sqlx::query_as(sql)
        .bind(dataset.as_uuid())
        .bind(tag.as_uuid())
        .fetch_optional(ex)
        .await?)
}

/// Tags of a page of media, by name.
///
/// # Errors
/// The database.
pub async fn of_media(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    media: &[MediaId],
) -> Result<HashMap<MediaId, Vec<Tag>>, StoreError> {
    let sql = "select mt.media_id, t.id, t.name from tags t join media_tags mt on mt.tag_id = t.id \
               where t.dataset_id = $1 and mt.media_id = any($2) order by t.name, t.id";
    let ids: Vec<Uuid> = media.iter().map(|id| id.as_uuid()).collect();
    let rows: Vec<(Uuid, Uuid, String)> = sqlx::query_as(sql)
        .bind(dataset.as_uuid())
        .bind(ids)
        .fetch_all(ex)
        .await?;
    let mut found: HashMap<MediaId, Vec<Tag>> = HashMap::new();
    for (media, id, name) in rows {
        let id = TagId::from_uuid(id);
        let tags = found.entry(MediaId::from_uuid(media)).or_default();
        tags.push(Tag { id, name });
    }
    Ok(found)
}

/// Names of the tags of some media with the time each was put on, by name.
///
/// # Errors
/// The database.
pub async fn assignments_of(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    media: &[MediaId],
) -> Result<HashMap<MediaId, Vec<(String, DateTime<Utc>)>>, StoreError> {
    let sql = "select mt.media_id, t.name, mt.assigned_at from tags t join media_tags mt on mt.tag_id = t.id \
               where t.dataset_id = $1 and mt.media_id = any($2) order by t.name, t.id";
    let ids: Vec<Uuid> = media.iter().map(|id| id.as_uuid()).collect();
    let rows: Vec<(Uuid, String, DateTime<Utc>)> = sqlx::query_as(sql)
        .bind(dataset.as_uuid())
        .bind(ids)
        .fetch_all(ex)
        .await?;
    let mut found: HashMap<MediaId, Vec<(String, DateTime<Utc>)>> = HashMap::new();
    for (media, name, assigned_at) in rows {
        let tags = found.entry(MediaId::from_uuid(media)).or_default();
        tags.push((name, assigned_at));
    }
    Ok(found)
}

/// The ids of all tags of a dataset.
///
/// # Errors
/// The database.
pub async fn ids(ex: impl PgExecutor<'_>, dataset: DatasetId) -> Result<Vec<TagId>, StoreError> {
    let ids: Vec<Uuid> = sqlx::query_scalar("select id from tags where dataset_id = $1")
        .bind(dataset.as_uuid())
        .fetch_all(ex)
        .await?;
    Ok(ids.into_iter().map(TagId::from_uuid).collect())
}

/// The ordinals, ascending, of the pictures that carry each tag that changed after `revision` (all of them without one).
///
/// # Errors
/// The database.
pub async fn changed_since(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    revision: Option<i64>,
) -> Result<Vec<(TagId, Vec<u32>)>, StoreError> {
    let sql = "select t.id, coalesce(array_agg(m.ordinal order by m.ordinal) filter (where m.ordinal is not null), '{}') as ordinals \
               from tags t left join media_tags mt on mt.tag_id = t.id left join media m on m.id = mt.media_id \
               where t.dataset_id = $1 and ($2::bigint is null or t.revision > $2) group by t.id";
    let rows = sqlx::query(sql)
        .bind(dataset.as_uuid())
        .bind(revision)
        .fetch_all(ex)
        .await?;
    rows.iter()
        .map(|row| {
            let id = TagId::from_uuid(row.try_get("id")?);
            Ok((id, columns::ordinals(row, "ordinals")?))
        })
        .collect()
}

/// Moves the dataset's revision of tags; the new one. Holds the dataset's row until the end of the transaction.
async fn move_revision(conn: &mut PgConnection, dataset: DatasetId) -> Result<i64, StoreError> {
    let sql = "update datasets set tags_revision = tags_revision + 1 where id = $1 and deleted_at is null \
               returning tags_revision";
    sqlx::query_scalar(sql)
        .bind(dataset.as_uuid())
        .fetch_optional(conn)
        .await?
        .ok_or(StoreError::NotFound("dataset"))
}

/// Makes a tag.
///
/// # Errors
/// Conflict (`tags_name_key`) when the dataset has one of this name; not found for a dataset that is gone.
pub async fn create(
    conn: &mut PgConnection,
    dataset: DatasetId,
    id: TagId,
    name: &str,
    by: UserId,
) -> Result<(), StoreError> {
    let revision = move_revision(conn, dataset).await?;
    let sql =
        "insert into tags (id, dataset_id, name, created_by, revision) values ($1, $2, $3, $4, $5)";
    sqlx::query(sql)
        .bind(id.as_uuid())
        .bind(dataset.as_uuid())
        .bind(name)
        .bind(by.as_uuid())
        .bind(revision)
        .execute(conn)
        .await?;
    Ok(())
}

/// Gives a tag another name. False when the dataset has no such tag. Who carries it stays, so no revision moves.
///
/// # Errors
/// Conflict (`tags_name_key`) when the dataset has another one of this name.
pub async fn rename(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    tag: TagId,
    name: &str,
) -> Result<bool, StoreError> {
    let sql = "update tags set name = $3 where dataset_id = $1 and id = $2";
    let done = sqlx::query(sql)
        .bind(dataset.as_uuid())
        .bind(tag.as_uuid())
        .bind(name)
        .execute(ex)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Deletes a tag and takes it off everything. False when the dataset has no such tag.
///
/// # Errors
/// Not found for a dataset that is gone; the database.
pub async fn delete(
    conn: &mut PgConnection,
    dataset: DatasetId,
    tag: TagId,
) -> Result<bool, StoreError> {
    move_revision(conn, dataset).await?;
    let done = sqlx::query("delete from tags where dataset_id = $1 and id = $2")
        .bind(dataset.as_uuid())
        .bind(tag.as_uuid())
        .execute(conn)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Which pictures of a dataset a change is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tagged {
    /// By id; ids of other datasets are left out.
    Ids(Vec<MediaId>),
    /// By ordinal.
    Ordinals(Vec<u32>),
}

/// Puts a tag on pictures; those that have it keep it. How many got it now.
///
/// # Errors
/// Not found for a dataset or tag that is gone.
pub async fn assign(
    conn: &mut PgConnection,
    dataset: DatasetId,
    tag: TagId,
    pictures: &Tagged,
) -> Result<u64, StoreError> {
    const BY_ID: &str = "insert into media_tags (tag_id, media_id) select $2, m.id from media m \
                         where m.dataset_id = $1 and m.id = any($3) order by m.id on conflict do nothing";
    const BY_ORDINAL: &str = "insert into media_tags (tag_id, media_id) select $2, m.id from media m \
                              where m.dataset_id = $1 and m.ordinal = any($3) order by m.id on conflict do nothing";
    change(conn, dataset, tag, pictures, BY_ID, BY_ORDINAL).await
}

/// Takes a tag off pictures. How many had it.
///
/// # Errors
/// Not found for a dataset or tag that is gone.
pub async fn unassign(
    conn: &mut PgConnection,
    dataset: DatasetId,
    tag: TagId,
    pictures: &Tagged,
) -> Result<u64, StoreError> {
    const BY_ID: &str = "delete from media_tags mt using media m where mt.tag_id = $2 and m.id = mt.media_id \
                         and m.dataset_id = $1 and m.id = any($3)";
    const BY_ORDINAL: &str = "delete from media_tags mt using media m where mt.tag_id = $2 and m.id = mt.media_id \
                              and m.dataset_id = $1 and m.ordinal = any($3)";
    change(conn, dataset, tag, pictures, BY_ID, BY_ORDINAL).await
}

async fn change(
    conn: &mut PgConnection,
    dataset: DatasetId,
    tag: TagId,
    pictures: &Tagged,
    by_id: &'static str,
    by_ordinal: &'static str,
) -> Result<u64, StoreError> {
    let revision = move_revision(&mut *conn, dataset).await?;
    let stamped = sqlx::query("update tags set revision = $3 where dataset_id = $1 and id = $2")
        .bind(dataset.as_uuid())
        .bind(tag.as_uuid())
        .bind(revision)
        .execute(&mut *conn)
        .await?;
    if stamped.rows_affected() == 0 {
        return Err(StoreError::NotFound("tag"));
    }
    let done = match pictures {
        Tagged::Ids(ids) => {
            let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
            sqlx::query(by_id)
                .bind(dataset.as_uuid())
                .bind(tag.as_uuid())
                .bind(ids)
                .execute(conn)
                .await?
        }
        Tagged::Ordinals(ordinals) => {
            let numbers = ordinals
                .iter()
                .map(|ordinal| columns::to_int(*ordinal))
                .collect::<Result<Vec<_>, _>>()?;
            sqlx::query(by_ordinal)
                .bind(dataset.as_uuid())
                .bind(tag.as_uuid())
                .bind(numbers)
                .execute(conn)
                .await?
        }
    };
    Ok(done.rows_affected())
}
