//! What people are told (contract 15). Of a dataset that somebody may not see any more they are told nothing, old notifications
//! included.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{FromRow, PgConnection, PgExecutor, Row, postgres::PgRow};
use uuid::Uuid;

use crate::{Principal, StoreError};

/// One notification.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// Id.
    pub id: Uuid,
    /// Who is told.
    pub user_id: Uuid,
    /// What it is about: `saved_view`.
    pub entity_type: String,
    /// Which one.
    pub entity_id: Uuid,
    /// One line.
    pub title: String,
    /// More, if there is more to say.
    pub message: Option<String>,
    /// For programs.
    pub metadata: Value,
    /// The dataset, if it is about one.
    pub dataset_id: Option<Uuid>,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When it was read.
    pub read_at: Option<DateTime<Utc>>,
}

impl FromRow<'_, PgRow> for Notification {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            user_id: row.try_get("user_id")?,
            entity_type: row.try_get("entity_type")?,
            entity_id: row.try_get("entity_id")?,
            title: row.try_get("title")?,
            message: row.try_get("message")?,
            metadata: row.try_get("metadata")?,
            dataset_id: row.try_get("dataset_id")?,
            created_at: row.try_get("created_at")?,
            read_at: row.try_get("read_at")?,
        })
    }
}

/// Which notifications of a user.
#[derive(Debug, Clone, Copy, Default)]
pub struct NotificationFilter {
    /// About this dataset.
    pub dataset: Option<Uuid>,
    /// Not read yet.
    pub unread_only: bool,
    /// From this moment on.
    pub since: Option<DateTime<Utc>>,
}

/// Those that are told to a user and may be seen by them: `$1` the user, `$2` whether they own everything, `$3` the dataset, `$4`
/// whether only unread ones, `$5` from when on.
macro_rules! visible {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            " from notifications n left join datasets d on d.id = n.dataset_id \
              left join dataset_shares s on s.dataset_id = d.id and s.user_id = $1 \
              where n.user_id = $1 and (n.dataset_id is null \
                  or (d.deleted_at is null and ($2 or d.owner_id = $1 or s.role is not null))) \
              and ($3::uuid is null or n.dataset_id = $3) and (not $4 or n.read_at is null) \
              and ($5::timestamptz is null or n.created_at >= $5) ",
            $after
        )
    };
}

/// A page of notifications, newest first, and how many there are in all.
///
/// # Errors
/// The database.
pub async fn list(
    conn: &mut PgConnection,
    user: &Principal,
    filter: NotificationFilter,
    offset: i64,
    limit: i64,
) -> Result<(Vec<Notification>, u64), StoreError> {
    let total = count(&mut *conn, user, filter).await?;
    let sql = visible!(
        "select n.*",
        "order by n.created_at desc, n.id offset $6 limit $7"
    );
    let page = sqlx::query_as(sql)
        .bind(user.user_id.as_uuid())
        .bind(user.owns_everything)
        .bind(filter.dataset)
        .bind(filter.unread_only)
        .bind(filter.since)
        .bind(offset)
        .bind(limit)
        .fetch_all(conn)
        .await?;
    Ok((page, total))
}

/// How many there are.
///
/// # Errors
/// The database.
pub async fn count(
    ex: impl PgExecutor<'_>,
    user: &Principal,
    filter: NotificationFilter,
) -> Result<u64, StoreError> {
    let count: i64 = sqlx::query_scalar(visible!("select count(*)", ""))
        .bind(user.user_id.as_uuid())
        .bind(user.owns_everything)
        .bind(filter.dataset)
        .bind(filter.unread_only)
        .bind(filter.since)
        .fetch_one(ex)
        .await?;
    Ok(count.unsigned_abs())
}

/// Marks the notifications that pass `filter`, and of them only `id` if it is given, as read. How many there were.
///
/// # Errors
/// The database.
pub async fn read(
    ex: impl PgExecutor<'_>,
    user: &Principal,
    filter: NotificationFilter,
    id: Option<Uuid>,
) -> Result<u64, StoreError> {
    let sql = visible!(
        "update notifications set read_at = now() where read_at is null and id in (select n.id",
        "and ($6::uuid is null or n.id = $6))"
    );
    let done = sqlx::query(sql)
        .bind(user.user_id.as_uuid())
        .bind(user.owns_everything)
        .bind(filter.dataset)
        .bind(true)
        .bind(filter.since)
        .bind(id)
        .execute(ex)
        .await?;
    Ok(done.rows_affected())
}

/// Tells everybody who may see the dataset of a view, for being its owner or by a share, that a batch has matches. How many people.
pub(crate) async fn tell_of_view(
    conn: &mut PgConnection,
    view: Uuid,
    batch: Uuid,
    count: i64,
) -> Result<u64, StoreError> {
    let sql = "insert into notifications (user_id, entity_type, entity_id, title, metadata, dataset_id) \
               select p.user_id, 'saved_view', v.id, format('%s new results in %s', $3, v.name), \
                   jsonb_build_object('batch_id', $2, 'is_alert', true, 'view_name', v.name, \
                       'dataset_name', d.display_name, 'result_count', $3), d.id \
               from views v join datasets d on d.id = v.dataset_id \
               cross join lateral (select d.owner_id as user_id union \
                   select s.user_id from dataset_shares s where s.dataset_id = d.id) p \
               join users u on u.id = p.user_id and u.deleted_at is null \
               where v.id = $1 and v.alerting_enabled";
    let told = sqlx::query(sql)
        .bind(view)
        .bind(batch)
        .bind(count)
        .execute(conn)
        .await?;
    Ok(told.rows_affected())
}
