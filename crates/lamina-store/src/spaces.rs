//! Which model package and parameters each of a dataset's vector spaces was made with. Binding another package changes
//! new datasets, never old ones.

use lamina_types::{DatasetId, EntityType, Space, SpaceKey};
use sqlx::{FromRow, PgConnection, PgExecutor, Row, postgres::PgRow};

use crate::{StoreError, columns};

/// One vector space of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetSpace {
    /// Of pictures or of boxes.
    pub entity_type: EntityType,
    /// What it is for.
    pub space: Space,
    /// What made it.
    pub key: SpaceKey,
    /// Values per vector.
    pub dimension: u32,
}

impl FromRow<'_, PgRow> for DatasetSpace {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            entity_type: columns::text(row, "entity_type")?,
            space: columns::text(row, "space")?,
            key: SpaceKey {
                package: row.try_get("package")?,
                parameters: row.try_get("parameters")?,
            },
            dimension: columns::unsigned(row, "dimension")?,
        })
    }
}

/// Records a space. The same again is fine; another package for a space that exists is not.
///
/// # Errors
/// [`StoreError::SpaceConflict`].
pub async fn put(
    conn: &mut PgConnection,
    dataset: DatasetId,
    new: &DatasetSpace,
) -> Result<(), StoreError> {
    insert(conn, dataset, new).await?;
    match find(&mut *conn, dataset, new.entity_type, new.space).await? {
        Some(found) if found == *new => Ok(()),
        Some(_) | None => Err(StoreError::SpaceConflict(dataset)),
    }
}

async fn insert(
    conn: &mut PgConnection,
    dataset: DatasetId,
    new: &DatasetSpace,
) -> Result<(), StoreError> {
    let sql = "insert into dataset_spaces (dataset_id, entity_type, space, package, parameters, dimension) \
               values ($1, $2, $3, $4, $5, $6) on conflict do nothing";
    sqlx::query(sql)
        .bind(dataset.as_uuid())
        .bind(new.entity_type.as_str())
        .bind(new.space.as_str())
        .bind(&new.key.package)
        .bind(&new.key.parameters)
        .bind(columns::to_int(new.dimension)?)
        .execute(conn)
        .await?;
    Ok(())
}

/// The space that a dataset has, or this one from now on: the first who decides decides for all who come later.
///
/// # Errors
/// The database.
pub async fn settle(
    conn: &mut PgConnection,
    dataset: DatasetId,
    new: &DatasetSpace,
) -> Result<DatasetSpace, StoreError> {
    insert(conn, dataset, new).await?;
    let found = find(conn, dataset, new.entity_type, new.space).await?;
    found.ok_or(StoreError::SpaceConflict(dataset))
}

/// One space.
///
/// # Errors
/// The database.
pub async fn find(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    entity: EntityType,
    space: Space,
) -> Result<Option<DatasetSpace>, StoreError> {
    let sql =
        "select * from dataset_spaces where dataset_id = $1 and entity_type = $2 and space = $3";
    Ok(sqlx::query_as(sql)
        .bind(dataset.as_uuid())
        .bind(entity.as_str())
        .bind(space.as_str())
        .fetch_optional(ex)
        .await?)
}

/// All spaces of a dataset.
///
/// # Errors
/// The database.
pub async fn list(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
) -> Result<Vec<DatasetSpace>, StoreError> {
    let sql = "select * from dataset_spaces where dataset_id = $1 order by entity_type, space";
    Ok(sqlx::query_as(sql)
        .bind(dataset.as_uuid())
        .fetch_all(ex)
        .await?)
}

/// Number of live datasets with a space that this package made.
///
/// # Errors
/// The database.
pub async fn count_of_package(ex: impl PgExecutor<'_>, package: &str) -> Result<i64, StoreError> {
    let sql = "select count(distinct coalesce(d.snapshot_of, s.dataset_id)) from dataset_spaces s join datasets d on d.id = s.dataset_id \
               where s.package = $1 and d.deleted_at is null";
    Ok(sqlx::query_scalar(sql).bind(package).fetch_one(ex).await?)
}
