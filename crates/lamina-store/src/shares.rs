//! Shares: who else may see a dataset.

use lamina_types::{DatasetId, UserId};
use sqlx::{PgExecutor, Row};

use crate::{StoreError, datasets::DatasetAccess};

/// What a share allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShareRole {
    /// Change content.
    Editor,
    /// Look.
    Viewer,
}

impl ShareRole {
    /// Its column text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Editor => "editor",
            Self::Viewer => "viewer",
        }
    }
}

/// Shares a dataset with a user, or changes what the share allows.
///
/// # Errors
/// Conflict when the user does not exist.
pub async fn put(
    ex: impl PgExecutor<'_>,
    access: &DatasetAccess,
    user: UserId,
    role: ShareRole,
) -> Result<(), StoreError> {
    let sql = "insert into dataset_shares (dataset_id, user_id, role) values ($1, $2, $3) \
               on conflict (dataset_id, user_id) do update set role = excluded.role";
    sqlx::query(sql)
        .bind(access.id().as_uuid())
        .bind(user.as_uuid())
        .bind(role.as_str())
        .execute(ex)
        .await?;
    Ok(())
}

/// Ends a share and, with it, every link that was given out. False when there was none.
///
/// # Errors
/// The database.
pub async fn remove(
    ex: impl PgExecutor<'_>,
    access: &DatasetAccess,
    user: UserId,
) -> Result<bool, StoreError> {
    let sql = "with gone as (delete from dataset_shares where dataset_id = $1 and user_id = $2 returning dataset_id) \
               update datasets d set link_epoch = link_epoch + 1 from gone where d.id = gone.dataset_id";
    let done = sqlx::query(sql)
        .bind(access.id().as_uuid())
        .bind(user.as_uuid())
        .execute(ex)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// The users a dataset is shared with.
///
/// # Errors
/// The database.
pub async fn list(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
) -> Result<Vec<(UserId, ShareRole)>, StoreError> {
    let sql = "select user_id, role from dataset_shares where dataset_id = $1 order by created_at, user_id";
    let rows = sqlx::query(sql)
        .bind(dataset.as_uuid())
        .fetch_all(ex)
        .await?;
    let mut shares = Vec::with_capacity(rows.len());
    for row in rows {
        let role = if row.try_get::<&str, _>("role")? == "editor" {
            ShareRole::Editor
        } else {
            ShareRole::Viewer
        };
        shares.push((UserId::from_uuid(row.try_get("user_id")?), role));
    }
    Ok(shares)
}
