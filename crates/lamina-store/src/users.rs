//! Users: who they are. What they may do with a dataset is decided in [`crate::datasets::access`].

use chrono::{DateTime, Utc};
use lamina_types::{UnknownValue, UserId};
use sqlx::{FromRow, PgExecutor, Row, postgres::PgRow};

use crate::{StoreError, columns};

/// What a user may do in general.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Manages users and models too.
    Admin,
    /// Creates and changes datasets.
    Editor,
    /// Looks.
    Viewer,
}

impl Role {
    /// Every role.
    pub const ALL: &'static [Self] = &[Self::Admin, Self::Editor, Self::Viewer];

    /// Its column text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Editor => "editor",
            Self::Viewer => "viewer",
        }
    }

    /// Whether this role creates datasets.
    pub const fn may_create(self) -> bool {
        matches!(self, Self::Admin | Self::Editor)
    }
}

impl std::str::FromStr for Role {
    type Err = UnknownValue;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| UnknownValue {
                what: "role",
                value: text.to_owned(),
            })
    }
}

/// Who is asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The user, who is also the tenant.
    pub user_id: UserId,
    /// For display and logs.
    pub name: String,
    /// What they may do in general.
    pub role: Role,
    /// True only for the one implicit user of no-auth mode (contract 1.2), who owns everything. An admin with a key does
    /// **not** see other people's datasets.
    pub owns_everything: bool,
}

/// One user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Id.
    pub id: UserId,
    /// Unique among the living.
    pub name: String,
    /// Unique among the living, compared without case.
    pub email: Option<String>,
    /// General role.
    pub role: Role,
    /// For people.
    pub first_name: Option<String>,
    /// For people.
    pub last_name: Option<String>,
    /// Whether they may enter; keys of those who may not do not work either.
    pub is_enabled: bool,
    /// What they may do with other people's accounts.
    pub realm_roles: Vec<String>,
    /// When they were last seen in a browser, to the minute.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Set when the account ended; keys stop working at once.
    pub deleted_at: Option<DateTime<Utc>>,
}

impl User {
    /// This user, asking with a key of their own.
    pub fn principal(&self) -> Principal {
        Principal {
            user_id: self.id,
            name: self.name.clone(),
            role: self.role,
            owns_everything: false,
        }
    }

    /// This user as the implicit one of no-auth mode.
    pub fn implicit_principal(&self) -> Principal {
        Principal {
            role: Role::Admin,
            owns_everything: true,
            ..self.principal()
        }
    }
}

impl FromRow<'_, PgRow> for User {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: UserId::from_uuid(row.try_get("id")?),
            name: row.try_get("name")?,
            email: row.try_get("email")?,
            role: columns::text(row, "role")?,
            first_name: row.try_get("first_name")?,
            last_name: row.try_get("last_name")?,
            is_enabled: row.try_get("is_enabled")?,
            realm_roles: row.try_get("realm_roles")?,
            last_seen_at: row.try_get("last_seen_at")?,
            created_at: row.try_get("created_at")?,
            deleted_at: row.try_get("deleted_at")?,
        })
    }
}

/// Whether a text may be the name of an account: 3 to 255 characters, no blanks, nothing that cannot be seen.
pub fn is_name(text: &str) -> bool {
    let is_hidden = |character: char| character.is_whitespace() || character.is_control();
    (3..=255).contains(&text.chars().count()) && !text.contains(is_hidden)
}

/// Whether a text has the form of a mail address.
pub fn is_address(text: &str) -> bool {
    let has_parts = text
        .rsplit_once('@')
        .is_some_and(|(person, host)| !person.is_empty() && !host.is_empty());
    has_parts && is_name(text)
}

/// Creates a user.
///
/// # Errors
/// Conflict when the name (`users_name_key`) or address (`users_email_key`) is taken.
pub async fn create(
    ex: impl PgExecutor<'_>,
    id: UserId,
    name: &str,
    email: Option<&str>,
    role: Role,
) -> Result<User, StoreError> {
    let sql = "insert into users (id, name, email, role) values ($1, $2, $3, $4) returning *";
    Ok(sqlx::query_as(sql)
        .bind(id.as_uuid())
        .bind(name)
        .bind(email)
        .bind(role.as_str())
        .fetch_one(ex)
        .await?)
}

/// A living user by exact name.
///
/// # Errors
/// The database.
pub async fn by_name(ex: impl PgExecutor<'_>, name: &str) -> Result<Option<User>, StoreError> {
    let sql = "select * from users where name = $1 and deleted_at is null";
    Ok(sqlx::query_as(sql).bind(name).fetch_optional(ex).await?)
}

/// A living user by id.
///
/// # Errors
/// The database.
pub async fn by_id(ex: impl PgExecutor<'_>, id: UserId) -> Result<Option<User>, StoreError> {
    let sql = "select * from users where id = $1 and deleted_at is null";
    Ok(sqlx::query_as(sql)
        .bind(id.as_uuid())
        .fetch_optional(ex)
        .await?)
}

/// The oldest living admin: the user that `serve` creates on an empty data directory.
///
/// # Errors
/// The database.
pub async fn first_admin(ex: impl PgExecutor<'_>) -> Result<Option<User>, StoreError> {
    let sql = "select * from users where role = 'admin' and deleted_at is null order by created_at, id limit 1";
    Ok(sqlx::query_as(sql).fetch_optional(ex).await?)
}

/// The living users by name.
///
/// # Errors
/// The database.
pub async fn list(ex: impl PgExecutor<'_>) -> Result<Vec<User>, StoreError> {
    Ok(
        sqlx::query_as("select * from users where deleted_at is null order by name")
            .fetch_all(ex)
            .await?,
    )
}

/// Ends an account; keys stop working with the same commit. False when there was none.
///
/// # Errors
/// The database.
pub async fn mark_deleted(ex: impl PgExecutor<'_>, id: UserId) -> Result<bool, StoreError> {
    let sql = "update users set deleted_at = now() where id = $1 and deleted_at is null";
    Ok(sqlx::query(sql)
        .bind(id.as_uuid())
        .execute(ex)
        .await?
        .rows_affected()
        > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_have_a_form() {
        assert!(is_name("ada") && is_name("ada@example.com") && is_name("Ådå"));
        for wrong in ["", "al", "a b c", "ada\n", "ada\0x", &"a".repeat(256)] {
            assert!(!is_name(wrong), "{wrong:?}");
        }
        assert!(is_address("ada@example.com"));
        for wrong in ["", "ada", "@example.com", "ada@", "ada @example.com"] {
            assert!(!is_address(wrong), "{wrong:?}");
        }
    }
}
