//! People who sign in through an identity provider, and which account each of them is.

use std::time::Duration;

use lamina_types::UserId;
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgExecutor};

use crate::StoreError;
use crate::users::User;

/// Lets one sign-in through a provider at a time be decided; the lock ends with the transaction.
///
/// # Errors
/// The database.
pub async fn lock(tx: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query("select pg_advisory_xact_lock(hashtext('lamina identities'))")
        .execute(tx)
        .await?;
    Ok(())
}

/// Notes that a sign-in has come back, and forgets those that came back longer than `kept_for` ago. False when this one had come
/// back before.
///
/// # Errors
/// The database.
pub async fn spend(
    ex: impl PgExecutor<'_>,
    state: &str,
    kept_for: Duration,
) -> Result<bool, StoreError> {
    let sql = "with old as (delete from spent_sign_ins where expires_at <= now()) \
               insert into spent_sign_ins (state_sha256, expires_at) values ($1, now() + make_interval(secs => $2)) \
               on conflict (state_sha256) do nothing";
    let noted = sqlx::query(sql)
        .bind(Sha256::digest(state.as_bytes()).to_vec())
        .bind(kept_for.as_secs_f64())
        .execute(ex)
        .await?;
    Ok(noted.rows_affected() == 1)
}

/// The account of somebody of a provider, which may have ended.
///
/// # Errors
/// The database.
pub async fn user_of(
    ex: impl PgExecutor<'_>,
    issuer: &str,
    subject: &str,
) -> Result<Option<User>, StoreError> {
    let sql = "select u.* from identities i join users u on u.id = i.user_id where i.issuer = $1 and i.subject = $2";
    Ok(sqlx::query_as(sql)
        .bind(issuer)
        .bind(subject)
        .fetch_optional(ex)
        .await?)
}

/// A living user by mail address alone, compared without case.
///
/// # Errors
/// The database.
pub async fn user_at(ex: impl PgExecutor<'_>, address: &str) -> Result<Option<User>, StoreError> {
    let sql = "select * from users where lower(email) = lower($1) and deleted_at is null";
    Ok(sqlx::query_as(sql).bind(address).fetch_optional(ex).await?)
}

/// Whether an account is somebody of this provider already.
///
/// # Errors
/// The database.
pub async fn is_known(
    ex: impl PgExecutor<'_>,
    issuer: &str,
    user: UserId,
) -> Result<bool, StoreError> {
    let sql = "select exists (select 1 from identities where issuer = $1 and user_id = $2)";
    Ok(sqlx::query_scalar(sql)
        .bind(issuer)
        .bind(user.as_uuid())
        .fetch_one(ex)
        .await?)
}

/// Makes an account that of somebody of a provider, in place of the one they had.
///
/// # Errors
/// Conflict when the account is somebody else's.
pub async fn link(
    ex: impl PgExecutor<'_>,
    issuer: &str,
    subject: &str,
    user: UserId,
) -> Result<(), StoreError> {
    let sql = "insert into identities (issuer, subject, user_id) values ($1, $2, $3) \
               on conflict (issuer, subject) do update set user_id = excluded.user_id, created_at = now()";
    sqlx::query(sql)
        .bind(issuer)
        .bind(subject)
        .bind(user.as_uuid())
        .execute(ex)
        .await?;
    Ok(())
}
