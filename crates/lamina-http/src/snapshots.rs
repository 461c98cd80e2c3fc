//! Snapshots: made within the request, restored and cloned by jobs (contract 16).

use lamina_api::{SnapshotInfo, Timestamp};
use lamina_store::datasets::{self, Dataset, DatasetAccess, NewDataset};
use lamina_store::snapshots::{self, NewSnapshot, Snapshot};
use lamina_store::sqlx::{Connection as _, PgConnection, PgExecutor};
use lamina_store::{Principal, StoreError, additions};
use lamina_types::{
    CloneSpec, DatasetId, DatasetStatus, JobKind, RemoveSpec, RestoreSpec, SnapshotReason,
    SourceType,
};

use crate::ApiError;
use crate::additions::{blocked, put};
use crate::extract::{Fields, FromFields};
use crate::state::AppState;

/// Longest description, in characters.
const LONGEST_DESCRIPTION: usize = 10_000;

/// Longest name of a dataset, in characters.
const LONGEST_NAME: usize = 255;

/// 404 for a snapshot: unknown, of another dataset, no id at all.
pub(crate) fn not_found() -> ApiError {
    ApiError::not_found("Snapshot not found")
}

/// Name and description of a snapshot, each if it is given.
pub(crate) struct SnapshotFields {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
}

impl FromFields for SnapshotFields {
    fn from_fields(fields: &mut Fields) -> Self {
        let name = fields.text("name").map(|_| fields.required_name("name"));
        let description = fields.text("description");
        if description
            .as_ref()
            .is_some_and(|text| text.chars().count() > LONGEST_DESCRIPTION)
        {
            fields.wrong(
                "description",
                "string_too_long",
                "String should have at most 10000 characters",
            );
        }
        Self { name, description }
    }
}

/// A snapshot as shown.
pub(crate) fn info(snapshot: Snapshot) -> SnapshotInfo {
    SnapshotInfo {
        snapshot_id: snapshot.id.as_uuid(),
        snapshot_name: snapshot.name,
        source_dataset_name: snapshot.source_dataset_name,
        created_at: Timestamp::from(snapshot.created_at),
        created_by: snapshot.created_by,
        n_images: snapshot.n_images,
        n_videos: snapshot.n_videos,
        description: snapshot.description,
        reason: snapshot.reason.as_str().to_owned(),
        training_model_id: None,
        training_model_name: None,
        is_current: snapshot.is_current,
        is_restoring: snapshot.is_restoring,
    }
}

/// Makes a snapshot.
///
/// # Errors
/// 409 unless the dataset is `READY`.
pub(crate) async fn create(
    state: &AppState,
    access: &DatasetAccess,
    user: &Principal,
    wanted: SnapshotFields,
) -> Result<SnapshotInfo, ApiError> {
    let (pool, id, created_by) = (state.pool.clone(), access.id(), user.user_id);
    state
        .run(async move {
            let mut conn = pool.acquire().await?;
            let mut tx = conn.begin().await?;
            // Nothing can begin to change the dataset while this transaction holds its row.
            let dataset = held(&mut tx, id, "create_snapshot", &[DatasetStatus::Ready]).await?;
            let new = NewSnapshot {
                dataset: &dataset,
                created_by,
                name: wanted.name,
                description: wanted.description.unwrap_or_default(),
                reason: SnapshotReason::Manual,
            };
            let made = snapshots::create(&mut tx, new).await?;
            let made = snapshots::find(&mut *tx, id, Some(made))
                .await?
                .ok_or_else(not_found)?;
            tx.commit().await?;
            Ok(info(made))
        })
        .await
}

/// The dataset in one of these statuses, which it keeps until the transaction ends.
async fn held(
    conn: &mut PgConnection,
    id: DatasetId,
    operation: &str,
    allowed: &[DatasetStatus],
) -> Result<Dataset, ApiError> {
    let status = match additions::lock(&mut *conn, id).await {
        Err(error) => return Err(blocked(conn, id, operation, error).await),
        Ok(status) => status,
    };
    if !allowed.contains(&status) {
        let conflict = StoreError::StatusConflict {
            dataset: id,
            current: status,
            wanted: DatasetStatus::ReadOnly,
        };
        return Err(blocked(conn, id, operation, conflict).await);
    }
    let dataset = datasets::find(conn, id).await?;
    dataset.ok_or_else(ApiError::dataset_not_found)
}

const RESTORABLE: [DatasetStatus; 3] = [
    DatasetStatus::Ready,
    DatasetStatus::PartialIndex,
    DatasetStatus::Error,
];

/// Gives a snapshot another name or description.
///
/// # Errors
/// 404, 422 when neither is given.
pub(crate) async fn change(
    state: &AppState,
    access: &DatasetAccess,
    snapshot: Option<DatasetId>,
    wanted: SnapshotFields,
) -> Result<SnapshotInfo, ApiError> {
    let (pool, dataset) = (state.pool.clone(), access.id());
    state
        .run(async move {
            let found = find(&pool, dataset, snapshot).await?;
            let (name, description) = (wanted.name.as_deref(), wanted.description.as_deref());
            snapshots::change(&pool, dataset, found.id, name, description).await?;
            Ok(info(find(&pool, dataset, Some(found.id)).await?))
        })
        .await
}

async fn find(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    snapshot: Option<DatasetId>,
) -> Result<Snapshot, ApiError> {
    let snapshot = snapshot.ok_or_else(not_found)?;
    snapshots::find(ex, dataset, Some(snapshot))
        .await?
        .ok_or_else(not_found)
}

/// Begins to make a dataset what it was; `None` is the current snapshot.
///
/// # Errors
/// 404, 409.
pub(crate) async fn restore(
    state: &AppState,
    access: &DatasetAccess,
    snapshot: Option<DatasetId>,
) -> Result<(), ApiError> {
    let (pool, id) = (state.pool.clone(), access.id());
    state
        .run(async move {
            let mut conn = pool.acquire().await?;
            let mut tx = conn.begin().await?;
            let found = snapshots::find(&mut *tx, id, snapshot)
                .await?
                .ok_or_else(not_found)?;
            let before = held(&mut tx, id, "restore_snapshot", &RESTORABLE).await?;
            let next = DatasetStatus::ReadOnly;
            let dataset = datasets::move_status(&mut tx, id, &RESTORABLE, next).await?;
            let spec = RestoreSpec {
                dataset_id: id,
                snapshot_id: found.id,
                previous: before.status,
            };
            put(&mut tx, &dataset, JobKind::Restore, &spec).await?;
            Ok(tx.commit().await?)
        })
        .await
}

/// Begins to make a dataset of a snapshot. It belongs to the owner of the original.
///
/// # Errors
/// 404, 409.
pub(crate) async fn clone(
    state: &AppState,
    access: &DatasetAccess,
    user: &Principal,
    snapshot: Option<DatasetId>,
) -> Result<(), ApiError> {
    crate::ingest::may_create(user)?;
    let (pool, id) = (state.pool.clone(), access.id());
    state
        .run(async move {
            let mut conn = pool.acquire().await?;
            let mut tx = conn.begin().await?;
            let found = find(&mut *tx, id, snapshot).await?;
            let dataset = held(&mut tx, id, "clone_snapshot", &RESTORABLE).await?;
            let new = NewDataset {
                id: DatasetId::new(),
                owner_id: dataset.owner_id,
                display_name: name_of_clone(&dataset.display_name),
                description: dataset.description,
                source_type: SourceType::Vl,
                source_uri: dataset.source_uri,
                filename: dataset.filename,
                serve_mode: dataset.serve_mode,
                status: DatasetStatus::Indexing,
                source_dataset_id: Some(id),
            };
            let made = datasets::insert(&mut *tx, &new).await?;
            let spec = CloneSpec {
                dataset_id: made.id,
                snapshot_id: found.id,
            };
            put(&mut tx, &made, JobKind::Clone, &spec).await?;
            Ok(tx.commit().await?)
        })
        .await
}

fn name_of_clone(name: &str) -> String {
    const SUFFIX: &str = " (cloned)";
    let mut clone: String = name.chars().take(LONGEST_NAME - SUFFIX.len()).collect();
    clone.push_str(SUFFIX);
    clone
}

/// Takes a snapshot away; a job removes what is behind it.
///
/// # Errors
/// 404; 409 for the current one, and for one that a job is reading.
pub(crate) async fn delete(
    state: &AppState,
    access: &DatasetAccess,
    snapshot: Option<DatasetId>,
) -> Result<(), ApiError> {
    let (pool, id) = (state.pool.clone(), access.id());
    state
        .run(async move {
            let mut conn = pool.acquire().await?;
            let mut tx = conn.begin().await?;
            let found = find(&mut *tx, id, snapshot).await?;
            additions::lock(&mut tx, id).await?;
            if found.is_current {
                return Err(ApiError::conflict("The current snapshot cannot be deleted"));
            }
            if snapshots::is_read(&mut *tx, found.id).await? {
                return Err(ApiError::conflict(
                    "The snapshot is being restored or cloned",
                ));
            }
            remove(&mut tx, id, Some(found.id)).await?;
            Ok(tx.commit().await?)
        })
        .await
}

/// Marks snapshots of a dataset deleted, one or all, and asks for the removal of what is behind them.
///
/// # Errors
/// The database.
pub(crate) async fn remove(
    conn: &mut PgConnection,
    dataset: DatasetId,
    only: Option<DatasetId>,
) -> Result<(), ApiError> {
    for gone in snapshots::mark_deleted(&mut *conn, dataset, only).await? {
        let Some(behind) = datasets::find_any(&mut *conn, gone).await? else {
            continue;
        };
        let spec = RemoveSpec { dataset_id: gone };
        put(conn, &behind, JobKind::Remove, &spec).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::name_of_clone;

    #[test]
    fn the_name_of_a_clone_fits_its_column() {
        assert_eq!(name_of_clone("Road scenes"), "Road scenes (cloned)");
        assert_eq!(name_of_clone(&"ä".repeat(255)).chars().count(), 255);
    }
}
