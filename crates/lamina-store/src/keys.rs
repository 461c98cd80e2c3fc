//! API keys: an id that tokens name (`kid`) and a secret that signs them, kept sealed.

use chrono::{DateTime, Utc};
use lamina_types::UserId;
use sqlx::{FromRow, PgConnection, PgExecutor, Row, postgres::PgRow};

use crate::{Principal, SealedSecret, Secret, Secrets, StoreError, columns, secrets};

/// A key without its secret, for lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// The `kid` of tokens: 24 characters of base64url.
    pub id: String,
    /// Whose.
    pub user_id: UserId,
    /// For people.
    pub name: String,
    /// What it may do; empty means everything its user may.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ends, if ever.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was ended by hand.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl FromRow<'_, PgRow> for ApiKey {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            user_id: UserId::from_uuid(row.try_get("user_id")?),
            name: row.try_get("name")?,
            scopes: row.try_get("scopes")?,
            created_at: row.try_get("created_at")?,
            expires_at: row.try_get("expires_at")?,
            revoked_at: row.try_get("revoked_at")?,
        })
    }
}

/// A key to be made.
#[derive(Debug, Clone, Default)]
pub struct NewKey {
    /// For people.
    pub name: String,
    /// What it may do; empty means everything its user may.
    pub scopes: Vec<String>,
    /// When it ends, if ever.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A key that works now, with the user behind it.
#[derive(Debug, Clone)]
pub struct LiveKey {
    /// The `kid`.
    pub id: String,
    /// Who asks.
    pub principal: Principal,
    /// What the key may do; empty means everything its user may.
    pub scopes: Vec<String>,
    sealed: SealedSecret,
}

impl LiveKey {
    /// The secret that verifies this key's tokens.
    ///
    /// # Errors
    /// Sealed under a key that is gone, or tampered with.
    pub fn secret(&self, secrets: &Secrets) -> Result<Secret, StoreError> {
        Ok(secrets.open(&self.sealed, &self.id, self.principal.user_id)?)
    }
}

impl FromRow<'_, PgRow> for LiveKey {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            principal: Principal {
                user_id: UserId::from_uuid(row.try_get("user_id")?),
                name: row.try_get("user_name")?,
                role: columns::text(row, "role")?,
                owns_everything: false,
            },
            scopes: row.try_get("scopes")?,
            sealed: SealedSecret {
                nonce: row.try_get("secret_nonce")?,
                ciphertext: row.try_get("secret_ciphertext")?,
                master_key_id: row.try_get("master_key_id")?,
            },
        })
    }
}

/// Makes a key. The secret is shown this once and is 256 random bits as 43 characters of base64url.
///
/// # Errors
/// The database, or no random bytes.
pub async fn create(
    ex: impl PgExecutor<'_>,
    secrets: &Secrets,
    user: UserId,
    new: &NewKey,
) -> Result<(ApiKey, Secret), StoreError> {
    let id = secrets::random_text::<18>()?;
    let secret = Secret::new(secrets::random_text::<32>()?);
    let sealed = secrets.seal(&secret, &id, user)?;
    let sql = "insert into api_keys (id, user_id, name, scopes, secret_nonce, secret_ciphertext, master_key_id, expires_at) \
               values ($1, $2, $3, $4, $5, $6, $7, $8) returning *";
    let key = sqlx::query_as(sql)
        .bind(&id)
        .bind(user.as_uuid())
        .bind(&new.name)
        .bind(&new.scopes)
        .bind(&sealed.nonce)
        .bind(&sealed.ciphertext)
        .bind(&sealed.master_key_id)
        .bind(new.expires_at)
        .fetch_one(ex)
        .await?;
    Ok((key, secret))
}

/// A key that is neither revoked nor expired and whose user lives and may enter, in one query, so that revoking works at once.
///
/// `id` comes from a token that nobody has verified yet: what has not the form of a key id is not looked up (hardening E1).
///
/// # Errors
/// The database.
pub async fn live(ex: impl PgExecutor<'_>, id: &str) -> Result<Option<LiveKey>, StoreError> {
    if !is_key_id(id) {
        return Ok(None);
    }
    let sql = "select k.*, u.name as user_name, u.role from api_keys k join users u on u.id = k.user_id \
               where k.id = $1 and k.revoked_at is null and (k.expires_at is null or k.expires_at > now()) \
               and u.deleted_at is null and u.is_enabled";
    Ok(sqlx::query_as(sql).bind(id).fetch_optional(ex).await?)
}

/// Whether a text has the form of a key id: `^[A-Za-z0-9_-]{16,64}$`.
pub fn is_key_id(text: &str) -> bool {
    (16..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// All keys of a user, newest first, ended ones too.
///
/// # Errors
/// The database.
pub async fn list(ex: impl PgExecutor<'_>, user: UserId) -> Result<Vec<ApiKey>, StoreError> {
    let sql = "select * from api_keys where user_id = $1 order by created_at desc, id";
    Ok(sqlx::query_as(sql)
        .bind(user.as_uuid())
        .fetch_all(ex)
        .await?)
}

/// The newest key of a user that has this name and works now.
///
/// # Errors
/// The database.
pub async fn live_named(
    ex: impl PgExecutor<'_>,
    user: UserId,
    name: &str,
) -> Result<Option<ApiKey>, StoreError> {
    let sql = "select * from api_keys where user_id = $1 and name = $2 and revoked_at is null \
               and (expires_at is null or expires_at > now()) order by created_at desc, id limit 1";
    Ok(sqlx::query_as(sql)
        .bind(user.as_uuid())
        .bind(name)
        .fetch_optional(ex)
        .await?)
}

/// Holds others who make keys for this user until the transaction ends.
///
/// # Errors
/// The database.
pub async fn lock(conn: &mut PgConnection, user: UserId) -> Result<(), StoreError> {
    sqlx::query("select from users where id = $1 for update")
        .bind(user.as_uuid())
        .execute(conn)
        .await?;
    Ok(())
}

/// Ends a user's key; false when there is none that is not ended.
///
/// # Errors
/// The database.
pub async fn revoke(ex: impl PgExecutor<'_>, user: UserId, id: &str) -> Result<bool, StoreError> {
    let sql = "update api_keys set revoked_at = now() where id = $1 and user_id = $2 and revoked_at is null";
    Ok(sqlx::query(sql)
        .bind(id)
        .bind(user.as_uuid())
        .execute(ex)
        .await?
        .rows_affected()
        > 0)
}
