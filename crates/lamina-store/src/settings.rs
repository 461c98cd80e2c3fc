//! What an operator may switch while the server runs (contract 20.3). A row is there only for what was changed.

use lamina_types::UserId;
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
    let sql = "insert into settings (name, value, changed_by) values ($1, $2, $3) \
               on conflict (name) do update set value = excluded.value, changed_by = excluded.changed_by, changed_at = now()";
    sqlx::query(sql)
        .bind(switch.as_str())
        .bind(if is_on { "true" } else { "false" })
        .bind(by.as_uuid())
        .execute(ex)
        .await?;
    Ok(())
}
