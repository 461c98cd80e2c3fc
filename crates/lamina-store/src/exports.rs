//! Exports of datasets (contract 11): what was selected, how far the writing is, where the archive lies.

use chrono::{DateTime, Utc};
use lamina_types::{DatasetId, EntityType, ExportFormat, ExportId, ExportStatus, UserId};
use sqlx::{FromRow, PgExecutor, Row, postgres::PgRow};

use crate::{StoreError, columns};

/// One selected media item or object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Selected {
    /// Within the dataset, of the export's entity type.
    pub ordinal: u32,
    /// Cosine distance to what was searched for, if anything was.
    pub distance: Option<f32>,
}

/// An export to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewExport {
    /// Fresh.
    pub id: ExportId,
    /// Of which dataset.
    pub dataset_id: DatasetId,
    /// Who asked.
    pub created_by: UserId,
    /// Name of who asked.
    pub exported_by: String,
    /// Pictures or objects.
    pub entity_type: EntityType,
    /// Clustering level of the cluster ids, 0 to 4.
    pub level: u8,
    /// How the metadata is written.
    pub format: ExportFormat,
    /// Whether originals go along.
    pub include_images: bool,
    /// Name of the archive for people.
    pub file_name: String,
    /// Page of the dataset, absolute.
    pub dataset_url: String,
    /// What was selected, best first.
    pub members: Vec<Selected>,
    /// Why it is refused at once, if it is.
    pub rejection: Option<String>,
    /// When it may be forgotten.
    pub expires_at: DateTime<Utc>,
}

/// An export as it stands, without its members.
#[derive(Debug, Clone, PartialEq)]
pub struct Export {
    /// Id.
    pub id: ExportId,
    /// Of which dataset.
    pub dataset_id: DatasetId,
    /// Who asked.
    pub created_by: UserId,
    /// Name of who asked, as it was then.
    pub exported_by: String,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// Pictures or objects.
    pub entity_type: EntityType,
    /// Clustering level of the cluster ids, 0 to 4.
    pub level: u8,
    /// How the metadata is written.
    pub format: ExportFormat,
    /// Whether originals go along.
    pub include_images: bool,
    /// Name of the archive for people.
    pub file_name: String,
    /// Page of the dataset, absolute.
    pub dataset_url: String,
    /// How far it is.
    pub status: ExportStatus,
    /// Number of selected items.
    pub selected: u64,
    /// Of those, how many are written.
    pub written: u64,
    /// Why it failed or was refused.
    pub result_message: Option<String>,
    /// The archive, once it is complete.
    pub blob_key: Option<String>,
}

impl FromRow<'_, PgRow> for Export {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let level: i16 = row.try_get("level")?;
        let [selected, written] = ["selected", "written"].map(|name| row.try_get::<i64, _>(name));
        Ok(Self {
            id: ExportId::from_uuid(row.try_get("id")?),
            dataset_id: DatasetId::from_uuid(row.try_get("dataset_id")?),
            created_by: UserId::from_uuid(row.try_get("created_by")?),
            exported_by: row.try_get("exported_by")?,
            created_at: row.try_get("created_at")?,
            entity_type: columns::text(row, "entity_type")?,
            level: u8::try_from(level).unwrap_or_default(),
            format: columns::text(row, "format")?,
            include_images: row.try_get("include_images")?,
            file_name: row.try_get("file_name")?,
            dataset_url: row.try_get("dataset_url")?,
            status: columns::text(row, "status")?,
            selected: selected?.unsigned_abs(),
            written: written?.unsigned_abs(),
            result_message: row.try_get("result_message")?,
            blob_key: row.try_get("blob_key")?,
        })
    }
}

const COLUMNS: &str = "id, dataset_id, created_by, exported_by, created_at, entity_type, level, format, include_images, file_name, \
    dataset_url, status, octet_length(members)::bigint / 8 as selected, written, result_message, blob_key";

/// Records an export; one with a rejection is `REJECTED` from the start.
///
/// # Errors
/// Conflict when the dataset is gone.
pub async fn create(ex: impl PgExecutor<'_>, new: &NewExport) -> Result<Export, StoreError> {
    let sql = format!(
        "insert into exports (id, dataset_id, created_by, expires_at, entity_type, level, format, include_images, \
         file_name, dataset_url, members, status, result_message, exported_by) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
         returning {COLUMNS}"
    );
    let status = match new.rejection {
        Some(_) => ExportStatus::Rejected,
        None => ExportStatus::Init,
    };
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(new.id.as_uuid())
        .bind(new.dataset_id.as_uuid())
        .bind(new.created_by.as_uuid())
        .bind(new.expires_at)
        .bind(new.entity_type.as_str())
        .bind(i16::from(new.level))
        .bind(new.format.as_str())
        .bind(new.include_images)
        .bind(&new.file_name)
        .bind(&new.dataset_url)
        .bind(packed(&new.members))
        .bind(status.as_str())
        .bind(&new.rejection)
        .bind(&new.exported_by)
        .fetch_one(ex)
        .await?)
}

/// An export by its id; access to its dataset must be checked next.
///
/// # Errors
/// The database.
pub async fn find(ex: impl PgExecutor<'_>, id: ExportId) -> Result<Option<Export>, StoreError> {
    let sql = format!("select {COLUMNS} from exports where id = $1");
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(id.as_uuid())
        .fetch_optional(ex)
        .await?)
}

/// What was selected, best first.
///
/// # Errors
/// Not found; a damaged row.
pub async fn members(ex: impl PgExecutor<'_>, id: ExportId) -> Result<Vec<Selected>, StoreError> {
    let bytes: Option<Vec<u8>> = sqlx::query_scalar("select members from exports where id = $1")
        .bind(id.as_uuid())
        .fetch_optional(ex)
        .await?;
    Ok(unpacked(&bytes.ok_or(StoreError::NotFound("export"))?))
}

/// Says how many members are written.
///
/// # Errors
/// The database.
pub async fn set_written(
    ex: impl PgExecutor<'_>,
    id: ExportId,
    written: u64,
) -> Result<(), StoreError> {
    sqlx::query("update exports set status = 'IN_PROGRESS', written = $2 where id = $1 and status in ('INIT', 'IN_PROGRESS')")
        .bind(id.as_uuid())
        .bind(i64::try_from(written).unwrap_or(i64::MAX))
        .execute(ex)
        .await?;
    Ok(())
}

/// The archive is there.
///
/// # Errors
/// The database.
pub async fn complete(
    ex: impl PgExecutor<'_>,
    id: ExportId,
    blob_key: &str,
) -> Result<(), StoreError> {
    sqlx::query("update exports set status = 'COMPLETED', written = octet_length(members) / 8, blob_key = $2 where id = $1")
        .bind(id.as_uuid())
        .bind(blob_key)
        .execute(ex)
        .await?;
    Ok(())
}

/// It cannot be made.
///
/// # Errors
/// The database.
pub async fn fail(ex: impl PgExecutor<'_>, id: ExportId, reason: &str) -> Result<(), StoreError> {
    sqlx::query("update exports set status = 'FAILED', result_message = $2 where id = $1 and status <> 'COMPLETED'")
        .bind(id.as_uuid())
        .bind(reason)
        .execute(ex)
        .await?;
    Ok(())
}

/// Forgets at most `limit` exports whose time is over; the archives to delete after commit.
///
/// # Errors
/// The database.
pub async fn delete_expired(
    ex: impl PgExecutor<'_>,
    limit: u32,
) -> Result<Vec<String>, StoreError> {
    let sql = "delete from exports where id in (select id from exports where expires_at <= now() limit $1) returning blob_key";
    let keys: Vec<Option<String>> = sqlx::query_scalar(sql)
        .bind(i64::from(limit))
        .fetch_all(ex)
        .await?;
    Ok(keys.into_iter().flatten().collect())
}

fn packed(members: &[Selected]) -> Vec<u8> {
    members
        .iter()
        .flat_map(|member| {
            let [a, b, c, d] = member.ordinal.to_le_bytes();
            let [e, f, g, h] = member.distance.unwrap_or(f32::NAN).to_le_bytes();
            [a, b, c, d, e, f, g, h]
        })
        .collect()
}

fn unpacked(bytes: &[u8]) -> Vec<Selected> {
    bytes
        .as_chunks::<8>()
        .0
        .iter()
        .map(|&[a, b, c, d, e, f, g, h]| {
            let distance = f32::from_le_bytes([e, f, g, h]);
            Selected {
                ordinal: u32::from_le_bytes([a, b, c, d]),
                distance: (!distance.is_nan()).then_some(distance),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_survive_packing() {
        let members = [
            Selected {
                ordinal: 7,
                distance: Some(0.25),
            },
            Selected {
                ordinal: u32::MAX,
                distance: None,
            },
        ];
        assert_eq!(unpacked(&packed(&members)), members);
    }
}
