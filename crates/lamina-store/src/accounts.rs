//! What changes about people: names, passwords, roles, whether they may enter, and the end of their account.

use lamina_types::{DatasetId, DatasetStatus, UserId};
use sqlx::{PgConnection, PgExecutor, Row};

use crate::users::{Role, User};
use crate::{StoreError, columns, sessions};

/// What a new account has beside its name and role.
#[derive(Debug, Clone, Default)]
pub struct Profile {
    /// For people.
    pub first_name: Option<String>,
    /// For people.
    pub last_name: Option<String>,
    /// Where to reach them; also the name by which datasets are shared with them.
    pub email: Option<String>,
    /// As [`crate::passwords::hash`] made it.
    pub password_hash: Option<String>,
    /// Whether they may enter.
    pub is_enabled: bool,
}

/// Creates an account with a profile.
///
/// # Errors
/// Conflict when the name (`users_name_key`) or address (`users_email_key`) is taken.
pub async fn create(
    ex: impl PgExecutor<'_>,
    name: &str,
    role: Role,
    profile: &Profile,
) -> Result<User, StoreError> {
    let sql = "insert into users (id, name, role, first_name, last_name, email, password_hash, is_enabled) \
               values ($1, $2, $3, $4, $5, $6, $7, $8) returning *";
    Ok(sqlx::query_as(sql)
        .bind(UserId::new().as_uuid())
        .bind(name)
        .bind(role.as_str())
        .bind(&profile.first_name)
        .bind(&profile.last_name)
        .bind(&profile.email)
        .bind(&profile.password_hash)
        .bind(profile.is_enabled)
        .fetch_one(ex)
        .await?)
}

/// The living users whose name, names or address contain `search`, by name, and how many there are in all.
///
/// # Errors
/// The database.
pub async fn search(
    conn: &mut PgConnection,
    search: &str,
    first: i64,
    most: i64,
) -> Result<(Vec<User>, u64), StoreError> {
    let sql = "select count(*) from users where deleted_at is null and ($1 = '' or position(lower($1) in \
               lower(concat_ws(' ', name, first_name, last_name, email))) > 0)";
    let total: i64 = sqlx::query_scalar(sql)
        .bind(search)
        .fetch_one(&mut *conn)
        .await?;
    let sql = "select * from users where deleted_at is null and ($1 = '' or position(lower($1) in \
               lower(concat_ws(' ', name, first_name, last_name, email))) > 0) \
               order by name, id offset $2 limit $3";
    let users = sqlx::query_as(sql)
        .bind(search)
        .bind(first)
        .bind(most)
        .fetch_all(conn)
        .await?;
    Ok((users, total.unsigned_abs()))
}

/// A living user by mail address, compared without case, or by exact name.
///
/// # Errors
/// The database.
pub async fn by_address(
    ex: impl PgExecutor<'_>,
    address: &str,
) -> Result<Option<User>, StoreError> {
    let sql = "select * from users where deleted_at is null and (lower(email) = lower($1) or name = $1) \
               order by (lower(email) = lower($1)) desc nulls last limit 1";
    Ok(sqlx::query_as(sql).bind(address).fetch_optional(ex).await?)
}

/// The hash of a living, enabled user's password, with the user.
///
/// # Errors
/// The database.
pub async fn password_of(
    ex: impl PgExecutor<'_>,
    name: &str,
) -> Result<Option<(User, Option<String>)>, StoreError> {
    let sql = "select * from users where deleted_at is null and is_enabled and (name = $1 or lower(email) = lower($1)) \
               order by (name = $1) desc limit 1";
    let row = sqlx::query(sql).bind(name).fetch_optional(ex).await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some((
        sqlx::FromRow::from_row(&row)?,
        row.try_get("password_hash")?,
    )))
}

/// Sets a password and ends every session of the user. False when there is no such user.
///
/// # Errors
/// The database.
pub async fn set_password(
    conn: &mut PgConnection,
    user: UserId,
    hash: &str,
) -> Result<bool, StoreError> {
    let sql = "update users set password_hash = $2 where id = $1 and deleted_at is null";
    let done = sqlx::query(sql)
        .bind(user.as_uuid())
        .bind(hash)
        .execute(&mut *conn)
        .await?;
    sessions::end_all(conn, user).await?;
    Ok(done.rows_affected() > 0)
}

/// Changes the name of an account, or whether its owner may enter; `None` leaves it as it is.
///
/// # Errors
/// Conflict when the name is taken.
pub async fn change(
    ex: impl PgExecutor<'_>,
    user: UserId,
    name: Option<&str>,
    is_enabled: Option<bool>,
) -> Result<Option<User>, StoreError> {
    let sql = "update users set name = coalesce($2, name), is_enabled = coalesce($3, is_enabled) \
               where id = $1 and deleted_at is null returning *";
    Ok(sqlx::query_as(sql)
        .bind(user.as_uuid())
        .bind(name)
        .bind(is_enabled)
        .fetch_optional(ex)
        .await?)
}

/// Replaces the realm roles of a user.
///
/// # Errors
/// The database.
pub async fn set_realm_roles(
    ex: impl PgExecutor<'_>,
    user: UserId,
    roles: &[String],
) -> Result<Option<User>, StoreError> {
    let sql = "update users set realm_roles = $2 where id = $1 and deleted_at is null returning *";
    Ok(sqlx::query_as(sql)
        .bind(user.as_uuid())
        .bind(roles)
        .fetch_optional(ex)
        .await?)
}

/// Gives a user another role. There is one admin: whoever becomes it makes the others editors and signs them out. The datasets of
/// a user who becomes a viewer go to `heir`.
///
/// # Errors
/// The database; conflict as in [`hand_over`].
pub async fn set_role(
    conn: &mut PgConnection,
    user: UserId,
    role: Role,
    heir: UserId,
) -> Result<Option<User>, StoreError> {
    // Two promotions at once must not demote each other.
    sqlx::query("select pg_advisory_xact_lock(hashtext('lamina roles'))")
        .execute(&mut *conn)
        .await?;
    if role == Role::Admin {
        let sql = "with demoted as (update users set role = 'editor' \
                   where role = 'admin' and id <> $1 and deleted_at is null returning id) \
                   delete from sessions where user_id in (select id from demoted)";
        sqlx::query(sql)
            .bind(user.as_uuid())
            .execute(&mut *conn)
            .await?;
    }
    if role == Role::Viewer {
        hand_over(conn, user, heir).await?;
    }
    let sql = "update users set role = $2 where id = $1 and deleted_at is null returning *";
    Ok(sqlx::query_as(sql)
        .bind(user.as_uuid())
        .bind(role.as_str())
        .fetch_optional(conn)
        .await?)
}

/// Gives all datasets of one user to another. Drafts, which hold nothing but files in the old owner's name, are deleted.
///
/// # Errors
/// [`StoreError::StatusConflict`]: a dataset is being worked on in the old owner's name.
pub async fn hand_over(
    conn: &mut PgConnection,
    from: UserId,
    to: UserId,
) -> Result<u64, StoreError> {
    if from == to {
        return Ok(0);
    }
    let sql = "select id, status from datasets where owner_id = $1 and deleted_at is null \
               and status in ('INDEXING', 'READ ONLY') limit 1";
    let busy = sqlx::query(sql)
        .bind(from.as_uuid())
        .fetch_optional(&mut *conn)
        .await?;
    if let Some(row) = busy {
        return Err(StoreError::StatusConflict {
            dataset: DatasetId::from_uuid(row.try_get("id")?),
            current: columns::text(&row, "status")?,
            wanted: DatasetStatus::Ready,
        });
    }
    let sql = "update datasets set deleted_at = now(), link_epoch = link_epoch + 1, revision = revision + 1 \
               where owner_id = $1 and deleted_at is null and status = 'DRAFT'";
    sqlx::query(sql)
        .bind(from.as_uuid())
        .execute(&mut *conn)
        .await?;
    // Who owns it now needs no share.
    let sql = "delete from dataset_shares s using datasets d where d.id = s.dataset_id and d.owner_id = $1 and s.user_id = $2";
    sqlx::query(sql)
        .bind(from.as_uuid())
        .bind(to.as_uuid())
        .execute(&mut *conn)
        .await?;
    let sql = "update datasets set owner_id = $2, link_epoch = link_epoch + 1, revision = revision + 1, updated_at = now() \
               where owner_id = $1 and deleted_at is null";
    let moved = sqlx::query(sql)
        .bind(from.as_uuid())
        .bind(to.as_uuid())
        .execute(conn)
        .await?;
    Ok(moved.rows_affected())
}

/// Ends an account: its datasets go to `heir`, its sessions, shares and keys end. False when there was none.
///
/// # Errors
/// As [`hand_over`].
pub async fn end(conn: &mut PgConnection, user: UserId, heir: UserId) -> Result<bool, StoreError> {
    hand_over(conn, user, heir).await?;
    sessions::end_all(&mut *conn, user).await?;
    let sql = "with gone as (delete from dataset_shares where user_id = $1 returning dataset_id) \
               update datasets d set link_epoch = link_epoch + 1 from gone where d.id = gone.dataset_id";
    sqlx::query(sql)
        .bind(user.as_uuid())
        .execute(&mut *conn)
        .await?;
    crate::users::mark_deleted(conn, user).await
}

/// Living admins other than this user.
///
/// # Errors
/// The database.
pub async fn other_admins(ex: impl PgExecutor<'_>, user: UserId) -> Result<u64, StoreError> {
    let sql = "select count(*) from users where role = 'admin' and deleted_at is null and is_enabled and id <> $1";
    let count: i64 = sqlx::query_scalar(sql)
        .bind(user.as_uuid())
        .fetch_one(ex)
        .await?;
    Ok(count.unsigned_abs())
}
