//! Browsers that are signed in: a random token, of which only the hash is kept.

use chrono::{DateTime, Utc};
use lamina_types::UserId;
use sha2::{Digest, Sha256};
use sqlx::{FromRow, PgExecutor, Row, postgres::PgRow};
use std::time::Duration;
use uuid::Uuid;

use crate::{Principal, Secret, StoreError, columns, secrets};

/// What every token begins with, so that it is told from other tokens at a glance.
pub const TOKEN_PREFIX: &str = "lms_";

/// One browser that is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id, which is no secret.
    pub id: Uuid,
    /// Where the browser was when it signed in, as far as this server could see.
    pub ip_address: Option<String>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it was used last, to the minute.
    pub last_seen_at: DateTime<Utc>,
}

impl FromRow<'_, PgRow> for Session {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            ip_address: row.try_get("ip_address")?,
            started_at: row.try_get("started_at")?,
            last_seen_at: row.try_get("last_seen_at")?,
        })
    }
}

/// Begins a session; its token, which is shown this once.
///
/// # Errors
/// The database, or no random bytes.
pub async fn begin(
    ex: impl PgExecutor<'_>,
    user: UserId,
    life: Duration,
    ip_address: Option<String>,
) -> Result<Secret, StoreError> {
    let token = format!("{TOKEN_PREFIX}{}", secrets::random_text::<32>()?);
    let sql = "with seen as (update users set last_seen_at = now() where id = $2) \
               insert into sessions (id, user_id, token_sha256, expires_at, ip_address) \
               values ($1, $2, $3, now() + make_interval(secs => $4), $5)";
    sqlx::query(sql)
        .bind(Uuid::now_v7())
        .bind(user.as_uuid())
        .bind(hash(&token))
        .bind(life.as_secs_f64())
        .bind(ip_address)
        .execute(ex)
        .await?;
    Ok(Secret::new(token))
}

fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

/// Who a token stands for, if it is of a session that has not ended and of a user who is alive and enabled. Notes, to the minute,
/// that it was used.
///
/// # Errors
/// The database.
pub async fn live(ex: impl PgExecutor<'_>, token: &str) -> Result<Option<Principal>, StoreError> {
    if !token.starts_with(TOKEN_PREFIX) || token.len() > 100 {
        return Ok(None);
    }
    let sql = "with found as (select s.id, s.last_seen_at, u.id as user_id, u.name, u.role from sessions s \
                   join users u on u.id = s.user_id \
                   where s.token_sha256 = $1 and s.expires_at > now() and u.deleted_at is null and u.is_enabled), \
               seen as (update sessions s set last_seen_at = now() from found f \
                   where s.id = f.id and f.last_seen_at < now() - interval '1 minute'), \
               seen_user as (update users u set last_seen_at = now() from found f \
                   where u.id = f.user_id and f.last_seen_at < now() - interval '1 minute') \
               select user_id, name, role from found";
    let row = sqlx::query(sql)
        .bind(hash(token))
        .fetch_optional(ex)
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Principal {
        user_id: UserId::from_uuid(row.try_get("user_id")?),
        name: row.try_get("name")?,
        role: columns::text(&row, "role")?,
        owns_everything: false,
    }))
}

/// Ends the session of a token.
///
/// # Errors
/// The database.
pub async fn end(ex: impl PgExecutor<'_>, token: &str) -> Result<(), StoreError> {
    sqlx::query("delete from sessions where token_sha256 = $1")
        .bind(hash(token))
        .execute(ex)
        .await?;
    Ok(())
}

/// Ends every session of a user; how many there were.
///
/// # Errors
/// The database.
pub async fn end_all(ex: impl PgExecutor<'_>, user: UserId) -> Result<u64, StoreError> {
    let ended = sqlx::query("delete from sessions where user_id = $1")
        .bind(user.as_uuid())
        .execute(ex)
        .await?;
    Ok(ended.rows_affected())
}

/// The sessions of a user that have not ended, newest first.
///
/// # Errors
/// The database.
pub async fn list(ex: impl PgExecutor<'_>, user: UserId) -> Result<Vec<Session>, StoreError> {
    let sql = "select id, ip_address, started_at, last_seen_at from sessions \
               where user_id = $1 and expires_at > now() order by started_at desc, id";
    Ok(sqlx::query_as(sql)
        .bind(user.as_uuid())
        .fetch_all(ex)
        .await?)
}

/// Deletes sessions that have expired; how many.
///
/// # Errors
/// The database.
pub async fn delete_expired(ex: impl PgExecutor<'_>) -> Result<u64, StoreError> {
    let deleted = sqlx::query("delete from sessions where expires_at <= now()")
        .execute(ex)
        .await?;
    Ok(deleted.rows_affected())
}
