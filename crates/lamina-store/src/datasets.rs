//! Datasets: rows, who may see them, and their status.

use chrono::{DateTime, Utc};
use lamina_types::{DatasetId, DatasetStatus, ServeMode, SourceType, UserId};
use sqlx::{FromRow, PgConnection, PgExecutor, Row, postgres::PgRow};

use crate::{Principal, StoreError, columns};

/// One dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// Id.
    pub id: DatasetId,
    /// The tenant.
    pub owner_id: UserId,
    /// 1 to 255 characters.
    pub display_name: String,
    /// Free text, empty when none.
    pub description: String,
    /// Where it came from.
    pub source_type: SourceType,
    /// Bucket, folder, ...; empty when none.
    pub source_uri: String,
    /// Name of the uploaded archive, if any.
    pub filename: Option<String>,
    /// Whether originals were copied.
    pub serve_mode: ServeMode,
    /// Contract 1.7.
    pub status: DatasetStatus,
    /// 0..=100; never falls within one run, 100 exactly when the content is complete.
    pub progress: f32,
    /// Why the status is `ERROR`, for the user.
    pub fatal_error_msg: Option<String>,
    /// Set on copies.
    pub source_dataset_id: Option<DatasetId>,
    /// Whether everybody may look.
    pub is_public: bool,
    /// Part of every media link; bumping it ends the life of all that were given out.
    pub link_epoch: i32,
    /// Moves with every change that readers have to see.
    pub revision: i64,
    /// Moves with every change of tags.
    pub tags_revision: i64,
    /// Pictures.
    pub n_images: u32,
    /// Videos.
    pub n_videos: u32,
    /// Boxes.
    pub n_objects: u32,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Last change, if any.
    pub updated_at: Option<DateTime<Utc>>,
}

impl FromRow<'_, PgRow> for Dataset {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: DatasetId::from_uuid(row.try_get("id")?),
            owner_id: UserId::from_uuid(row.try_get("owner_id")?),
            display_name: row.try_get("display_name")?,
            description: row.try_get("description")?,
            source_type: columns::text(row, "source_type")?,
            source_uri: row.try_get("source_uri")?,
            filename: row.try_get("filename")?,
            serve_mode: columns::text(row, "serve_mode")?,
            status: columns::text(row, "status")?,
            progress: row.try_get("progress")?,
            fatal_error_msg: row.try_get("fatal_error_msg")?,
            source_dataset_id: row
                .try_get::<Option<_>, _>("source_dataset_id")?
                .map(DatasetId::from_uuid),
            is_public: row.try_get("is_public")?,
            link_epoch: row.try_get("link_epoch")?,
            revision: row.try_get("revision")?,
            tags_revision: row.try_get("tags_revision")?,
            n_images: columns::unsigned(row, "n_images")?,
            n_videos: columns::unsigned(row, "n_videos")?,
            n_objects: columns::unsigned(row, "n_objects")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

/// Why somebody may see a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Owns it, or is the implicit user of no-auth mode.
    Owner,
    /// Shared, may change it.
    Editor,
    /// Shared, may look.
    Viewer,
    /// It is public.
    Public,
}

impl Right {
    /// Whether content may be changed.
    pub const fn may_edit(self) -> bool {
        matches!(self, Self::Owner | Self::Editor)
    }

    /// Whether it may be deleted, shared or made public.
    pub const fn may_manage(self) -> bool {
        matches!(self, Self::Owner)
    }
}

/// A dataset together with the proof that the one who asks may see it. Only [`access`] and [`list_visible`] make
/// one, and [`access_of_worker`] for those who act for the system.
#[derive(Debug, Clone, PartialEq)]
pub struct DatasetAccess {
    dataset: Dataset,
    right: Right,
}

impl DatasetAccess {
    /// The row as it was when access was checked.
    pub const fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// Its id.
    pub const fn id(&self) -> DatasetId {
        self.dataset.id
    }

    /// Why it may be seen.
    pub const fn right(&self) -> Right {
        self.right
    }

    /// The row, given away.
    pub fn into_dataset(self) -> Dataset {
        self.dataset
    }
}

impl FromRow<'_, PgRow> for DatasetAccess {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let right = match row.try_get::<&str, _>("access_right")? {
            "owner" => Right::Owner,
            "editor" => Right::Editor,
            "viewer" => Right::Viewer,
            _ => Right::Public,
        };
        Ok(Self {
            dataset: Dataset::from_row(row)?,
            right,
        })
    }
}

/// A dataset to be made.
#[derive(Debug, Clone)]
pub struct NewDataset {
    /// Fresh.
    pub id: DatasetId,
    /// The tenant.
    pub owner_id: UserId,
    /// 1 to 255 characters.
    pub display_name: String,
    /// Free text.
    pub description: String,
    /// Where it comes from.
    pub source_type: SourceType,
    /// Bucket, folder, ...
    pub source_uri: String,
    /// Name of the uploaded archive, if any.
    pub filename: Option<String>,
    /// Whether originals are to be copied.
    pub serve_mode: ServeMode,
    /// `DRAFT` (upload flow) or `INDEXING`.
    pub status: DatasetStatus,
    /// Set on copies.
    pub source_dataset_id: Option<DatasetId>,
}

/// Inserts a dataset.
///
/// # Errors
/// Invalid input for a name the schema refuses.
pub async fn insert(ex: impl PgExecutor<'_>, new: &NewDataset) -> Result<Dataset, StoreError> {
    let sql = "insert into datasets (id, owner_id, display_name, description, source_type, source_uri, filename, \
               serve_mode, status, source_dataset_id) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) returning *";
    let row = sqlx::query_as(sql)
        .bind(new.id.as_uuid())
        .bind(new.owner_id.as_uuid())
        .bind(&new.display_name)
        .bind(&new.description)
        .bind(new.source_type.as_str())
        .bind(&new.source_uri)
        .bind(&new.filename)
        .bind(new.serve_mode.as_str())
        .bind(new.status.as_str())
        .bind(new.source_dataset_id.map(DatasetId::as_uuid))
        .fetch_one(ex)
        .await?;
    Ok(row)
}

/// A dataset for a worker, which acts for the system and needs no right. Deleted ones are not found.
///
/// # Errors
/// The database.
pub async fn find(ex: impl PgExecutor<'_>, id: DatasetId) -> Result<Option<Dataset>, StoreError> {
    let sql = "select * from datasets where id = $1 and deleted_at is null";
    Ok(sqlx::query_as(sql)
        .bind(id.as_uuid())
        .fetch_optional(ex)
        .await?)
}

/// A dataset for a worker that reads it as its owner would: who asked for the work was checked when they asked.
///
/// # Errors
/// The database.
pub async fn access_of_system(
    ex: impl PgExecutor<'_>,
    id: DatasetId,
) -> Result<Option<DatasetAccess>, StoreError> {
    let sql =
        "select *, 'owner' as access_right from datasets where id = $1 and deleted_at is null";
    Ok(sqlx::query_as(sql)
        .bind(id.as_uuid())
        .fetch_optional(ex)
        .await?)
}

/// A dataset, also one that is marked deleted: for whoever asks for its removal.
///
/// # Errors
/// The database.
pub async fn find_any(
    ex: impl PgExecutor<'_>,
    id: DatasetId,
) -> Result<Option<Dataset>, StoreError> {
    Ok(sqlx::query_as("select * from datasets where id = $1")
        .bind(id.as_uuid())
        .fetch_optional(ex)
        .await?)
}

/// The dataset, if `principal` (or, for `None`, everybody) may see it. Nothing tells "not yours" from "does not exist".
///
/// # Errors
/// The database.
pub async fn access(
    ex: impl PgExecutor<'_>,
    principal: Option<&Principal>,
    id: DatasetId,
) -> Result<Option<DatasetAccess>, StoreError> {
    let sql = "select d.*, case when $3 or d.owner_id = $2 then 'owner' else coalesce(s.role, 'public') end as access_right \
               from datasets d left join dataset_shares s on s.dataset_id = d.id and s.user_id = $2 \
               where d.id = $1 and d.deleted_at is null and d.snapshot_of is null \
               and ($3 or d.owner_id = $2 or s.role is not null or d.is_public)";
    Ok(sqlx::query_as(sql)
        .bind(id.as_uuid())
        .bind(principal.map(|principal| principal.user_id.as_uuid()))
        .bind(principal.is_some_and(|principal| principal.owns_everything))
        .fetch_optional(ex)
        .await?)
}

/// The right of a worker, which acts for the system, to read a dataset as its owner does. Deleted ones are not found.
///
/// # Errors
/// The database.
pub async fn access_of_worker(
    ex: impl PgExecutor<'_>,
    id: DatasetId,
) -> Result<Option<DatasetAccess>, StoreError> {
    let dataset = find(ex, id).await?;
    Ok(dataset.map(|dataset| DatasetAccess {
        dataset,
        right: Right::Owner,
    }))
}

/// Own and shared datasets, newest first. Public ones of others are reached by id, not listed.
///
/// # Errors
/// The database.
pub async fn list_visible(
    ex: impl PgExecutor<'_>,
    principal: &Principal,
) -> Result<Vec<DatasetAccess>, StoreError> {
    let sql = "select d.*, case when $2 or d.owner_id = $1 then 'owner' else s.role end as access_right \
               from datasets d left join dataset_shares s on s.dataset_id = d.id and s.user_id = $1 \
               where d.deleted_at is null and d.snapshot_of is null and ($2 or d.owner_id = $1 or s.role is not null) \
               order by d.created_at desc, d.id desc";
    Ok(sqlx::query_as(sql)
        .bind(principal.user_id.as_uuid())
        .bind(principal.owns_everything)
        .fetch_all(ex)
        .await?)
}

/// Every living dataset, for system tasks (start-up checks, clean-up).
///
/// # Errors
/// The database.
pub async fn list_all(ex: impl PgExecutor<'_>) -> Result<Vec<Dataset>, StoreError> {
    Ok(
        sqlx::query_as("select * from datasets where deleted_at is null order by created_at, id")
            .fetch_all(ex)
            .await?,
    )
}

/// Moves a dataset to `next` by any legal move of the contract, and bumps its revision.
///
/// # Errors
/// [`StoreError::StatusConflict`] when its present status does not allow it, not found.
pub async fn set_status(
    conn: &mut PgConnection,
    id: DatasetId,
    next: DatasetStatus,
) -> Result<Dataset, StoreError> {
    move_status(conn, id, DatasetStatus::ALL, next).await
}

/// Moves a dataset from one of `from` to `next`; the move must be legal too. Checked in the update itself, so of two
/// callers one wins and the other gets the conflict.
///
/// Progress starts at 0 when indexing starts and is 100 when content is complete.
///
/// # Errors
/// [`StoreError::StatusConflict`], not found.
pub async fn move_status(
    conn: &mut PgConnection,
    id: DatasetId,
    from: &[DatasetStatus],
    next: DatasetStatus,
) -> Result<Dataset, StoreError> {
    let legal: Vec<&str> = from
        .iter()
        .filter(|status| status.can_become(next))
        .map(|status| status.as_str())
        .collect();
    let progress = match next {
        DatasetStatus::Indexing => Some(0.0_f32),
        DatasetStatus::Ready | DatasetStatus::PartialIndex | DatasetStatus::ReadOnly => Some(100.0),
        DatasetStatus::Draft | DatasetStatus::Error => None,
    };
    let sql = "update datasets set status = $3, progress = coalesce($4, least(progress, 99)), \
               fatal_error_msg = case when $3 = 'ERROR' then fatal_error_msg end, \
               revision = revision + 1, updated_at = now() \
               where id = $1 and deleted_at is null and status = any($2) returning *";
    let moved = sqlx::query_as(sql)
        .bind(id.as_uuid())
        .bind(&legal)
        .bind(next.as_str())
        .bind(progress)
        .fetch_optional(&mut *conn)
        .await?;
    match moved {
        Some(dataset) => Ok(dataset),
        None => {
            let current = find(&mut *conn, id)
                .await?
                .ok_or(StoreError::NotFound("dataset"))?
                .status;
            Err(StoreError::StatusConflict {
                dataset: id,
                current,
                wanted: next,
            })
        }
    }
}

/// Reports progress of a dataset that is being indexed, 0..=99 (100 comes with the status). Never falls; no new revision.
///
/// # Errors
/// Not finite.
pub async fn set_progress(
    ex: impl PgExecutor<'_>,
    id: DatasetId,
    percent: f32,
) -> Result<(), StoreError> {
    if !percent.is_finite() {
        return Err(StoreError::NotFinite("progress"));
    }
    let sql =
        "update datasets set progress = $2 where id = $1 and status = 'INDEXING' and progress < $2";
    sqlx::query(sql)
        .bind(id.as_uuid())
        .bind(percent.clamp(0.0, 99.0))
        .execute(ex)
        .await?;
    Ok(())
}

/// Ends a run that failed: status `ERROR` with a text for the user. False when the dataset is at rest already or gone.
///
/// # Errors
/// The database.
pub async fn fail(
    ex: impl PgExecutor<'_>,
    id: DatasetId,
    message: &str,
) -> Result<bool, StoreError> {
    let sql = "update datasets set status = 'ERROR', fatal_error_msg = $2, progress = least(progress, 99), \
               revision = revision + 1, updated_at = now() \
               where id = $1 and deleted_at is null and status in ('DRAFT', 'INDEXING', 'READ ONLY')";
    // A NUL would make the report of an error an error.
    let message = message.replace('\0', "\u{fffd}");
    Ok(sqlx::query(sql)
        .bind(id.as_uuid())
        .bind(message)
        .execute(ex)
        .await?
        .rows_affected()
        > 0)
}

/// Makes a dataset invisible at once and ends its links; a job removes the rows. False when it is gone already.
///
/// # Errors
/// The database.
pub async fn mark_deleted(
    ex: impl PgExecutor<'_>,
    access: &DatasetAccess,
) -> Result<bool, StoreError> {
    let sql = "update datasets set deleted_at = now(), link_epoch = link_epoch + 1, revision = revision + 1 \
               where id = $1 and deleted_at is null";
    Ok(sqlx::query(sql)
        .bind(access.id().as_uuid())
        .execute(ex)
        .await?
        .rows_affected()
        > 0)
}

/// Tells readers that something changed; the new revision.
///
/// # Errors
/// Not found.
pub async fn bump_revision(ex: impl PgExecutor<'_>, id: DatasetId) -> Result<i64, StoreError> {
    let sql = "update datasets set revision = revision + 1, updated_at = now() where id = $1 returning revision";
    let found = sqlx::query_scalar(sql)
        .bind(id.as_uuid())
        .fetch_optional(ex)
        .await?;
    found.ok_or(StoreError::NotFound("dataset"))
}

/// Ends the life of every media link that was given out; the new epoch.
///
/// # Errors
/// Not found.
pub async fn bump_link_epoch(ex: impl PgExecutor<'_>, id: DatasetId) -> Result<i32, StoreError> {
    let sql = "update datasets set link_epoch = link_epoch + 1 where id = $1 returning link_epoch";
    let found = sqlx::query_scalar(sql)
        .bind(id.as_uuid())
        .fetch_optional(ex)
        .await?;
    found.ok_or(StoreError::NotFound("dataset"))
}

/// Makes a dataset public or private; private ends all links.
///
/// # Errors
/// The database.
pub async fn set_public(
    ex: impl PgExecutor<'_>,
    access: &DatasetAccess,
    is_public: bool,
) -> Result<(), StoreError> {
    let sql = "update datasets set is_public = $2, updated_at = now(), \
               link_epoch = link_epoch + case when $2 then 0 else 1 end where id = $1 and is_public <> $2";
    sqlx::query(sql)
        .bind(access.id().as_uuid())
        .bind(is_public)
        .execute(ex)
        .await?;
    Ok(())
}

/// Counts media and objects anew, and bumps the revision. The number of pictures.
///
/// # Errors
/// Not found.
pub async fn recount(ex: impl PgExecutor<'_>, id: DatasetId) -> Result<u32, StoreError> {
    let sql = "update datasets set revision = revision + 1, updated_at = now(), \
               n_images = (select count(*) from media where dataset_id = $1 and media_type = 'image'), \
               n_objects = (select count(*) from objects where dataset_id = $1) \
               where id = $1 returning n_images";
    let found: Option<i32> = sqlx::query_scalar(sql)
        .bind(id.as_uuid())
        .fetch_optional(ex)
        .await?;
    found
        .and_then(|count| u32::try_from(count).ok())
        .ok_or(StoreError::NotFound("dataset"))
}
