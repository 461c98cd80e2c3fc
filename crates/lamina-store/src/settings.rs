//! What an operator may switch while the server runs (contract 20.3). A row is there only for what was changed.

use lamina_types::{UnknownValue, UserId};
use sqlx::PgExecutor;

use crate::StoreError;

/// A switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Switch {
    /// Snapshots of datasets may be made, restored and cloned.
    Snapshots,
    /// Datasets may be shared.
    Sharing,
    /// Media may be added to datasets that exist.
    AddMedia,
    /// Datasets may be deleted.
    DeleteDataset,
}

impl Switch {
    /// Every switch. All are on until somebody turns them off.
    pub const ALL: &'static [Self] = &[
        Self::Snapshots,
        Self::Sharing,
        Self::AddMedia,
        Self::DeleteDataset,
    ];

    /// Its name on the wire and in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Snapshots => "DATASET_SNAPSHOTS_ENABLED",
            Self::Sharing => "DATASET_SHARE_ENABLED",
            Self::AddMedia => "ADD_MEDIA_ENABLED",
            Self::DeleteDataset => "DELETE_DATASET_ENABLED",
        }
    }
}

/// Name of the setting [`LogLevel`] in the table and on the wire.
pub const LOG_LEVEL: &str = "LOG_LEVEL";

/// The least serious messages that are logged, in the words of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogLevel {
    /// Every request, too.
    Debug,
    /// What happens.
    Info,
    /// What could be better.
    Warning,
    /// What failed.
    Error,
    /// Nothing is more serious than an error here: as that.
    Critical,
}

impl LogLevel {
    /// Every level.
    pub const ALL: &'static [Self] = &[
        Self::Debug,
        Self::Info,
        Self::Warning,
        Self::Error,
        Self::Critical,
    ];

    /// Its name on the wire and in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }
}

impl std::str::FromStr for LogLevel {
    type Err = UnknownValue;

    fn from_str(text: &str) -> Result<Self, UnknownValue> {
        let mut all = Self::ALL.iter().copied();
        all.find(|level| level.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownValue {
                what: "log level",
                value: text.to_owned(),
            })
    }
}

/// The level that was set while servers ran; `None` when each logs what it was started with.
///
/// # Errors
/// The database.
pub async fn log_level(ex: impl PgExecutor<'_>) -> Result<Option<LogLevel>, StoreError> {
    let value: Option<String> = sqlx::query_scalar("select value from settings where name = $1")
        .bind(LOG_LEVEL)
        .fetch_optional(ex)
        .await?;
    Ok(value.and_then(|value| value.parse().ok()))
}

/// Sets the level for all servers and workers.
///
/// # Errors
/// The database.
pub async fn set_log_level(
    ex: impl PgExecutor<'_>,
    level: LogLevel,
    by: UserId,
) -> Result<(), StoreError> {
    write(ex, LOG_LEVEL, level.as_str(), by).await
}

/// Whether a switch is on.
///
/// # Errors
/// The database.
pub async fn is_on(ex: impl PgExecutor<'_>, switch: Switch) -> Result<bool, StoreError> {
    let value: Option<String> = sqlx::query_scalar("select value from settings where name = $1")
        .bind(switch.as_str())
        .fetch_optional(ex)
        .await?;
    Ok(value.is_none_or(|value| value == "true"))
}

/// Turns a switch.
///
/// # Errors
/// The database.
pub async fn set(
    ex: impl PgExecutor<'_>,
    switch: Switch,
    is_on: bool,
    by: UserId,
) -> Result<(), StoreError> {
    let value = if is_on { "true" } else { "false" };
    write(ex, switch.as_str(), value, by).await
}

async fn write(
    ex: impl PgExecutor<'_>,
    name: &str,
    value: &str,
    by: UserId,
) -> Result<(), StoreError> {
    let sql = "insert into settings (name, value, changed_by) values ($1, $2, $3) \
               on conflict (name) do update set value = excluded.value, changed_by = excluded.changed_by, changed_at = now()";
    sqlx::query(sql)
        .bind(name)
        .bind(value)
        .bind(by.as_uuid())
        .execute(ex)
        .await?;
    Ok(())
}
