//! Annotations that people bring: imports, the rows that were read from their files, and what became of each.

use chrono::{DateTime, Utc};
use lamina_types::{DatasetId, UserId};
use sqlx::{FromRow, PgConnection, PgExecutor, Row, postgres::PgRow};
use uuid::Uuid;

use crate::{StoreError, columns};

mod matching;
mod taking;

pub use matching::{
    MatchedBox, boxes, match_pictures, regions_of_range, set_problems, set_regions,
};
pub use taking::{Taken, captions, drop_without_vector, take};

/// An import as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct AnnotationImport {
    /// Id.
    pub id: Uuid,
    /// Of which dataset.
    pub dataset_id: DatasetId,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it was over.
    pub finished_at: Option<DateTime<Utc>>,
    /// `INIT`, `IN_PROGRESS`, `COMPLETED` or `FAILED`.
    pub status: String,
    /// Names of its files.
    pub files: Vec<String>,
    /// Boxes that became objects.
    pub boxes: u64,
    /// Labels of whole pictures.
    pub labels: u64,
    /// Captions.
    pub captions: u64,
    /// Rows that were not taken over.
    pub problems: u64,
    /// Why it failed.
    pub result_message: Option<String>,
}

impl FromRow<'_, PgRow> for AnnotationImport {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let count = |name: &str| Ok::<_, sqlx::Error>(row.try_get::<i64, _>(name)?.unsigned_abs());
        Ok(Self {
            id: row.try_get("id")?,
            dataset_id: DatasetId::from_uuid(row.try_get("dataset_id")?),
            created_at: row.try_get("created_at")?,
            finished_at: row.try_get("finished_at")?,
            status: row.try_get("status")?,
            files: row.try_get("files")?,
            boxes: count("boxes")?,
            labels: count("labels")?,
            captions: count("captions")?,
            problems: count("problems")?,
            result_message: row.try_get("result_message")?,
        })
    }
}

/// A row that was read from a file, or what is wrong with it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewRow {
    /// Line, record or number of the entry; 0 for the file as a whole.
    pub place: u64,
    /// How the file names the picture, and how that is meant: `path`, `stem` or `id`.
    pub picture: Option<(String, &'static str)>,
    /// What it shows.
    pub label: Option<String>,
    /// A text about it.
    pub caption: Option<String>,
    /// Left, top, width, height, with `pixels` or `fractions`.
    pub area: Option<([f64; 4], &'static str)>,
    /// Width and height that pixels are meant for, when the file says so.
    pub reference: Option<[u32; 2]>,
    /// Id in the file, -1 for none.
    pub original_id: i64,
    /// What is wrong with it.
    pub problem: Option<String>,
}

/// A row that was not taken over.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct RowProblem {
    /// Name of the file.
    pub file: String,
    /// Line, record or number of the entry; 0 for the file as a whole.
    pub place: i64,
    /// How the file names the picture.
    pub picture: Option<String>,
    /// What is wrong.
    pub problem: String,
}

/// Records an import; its rows follow in the same transaction.
///
/// # Errors
/// Conflict when the dataset is gone.
pub async fn create(
    ex: impl PgExecutor<'_>,
    id: Uuid,
    dataset: DatasetId,
    created_by: Option<UserId>,
    files: &[String],
) -> Result<AnnotationImport, StoreError> {
    let sql = "insert into annotation_imports (id, dataset_id, created_by, files) values ($1, $2, $3, $4) returning *";
    Ok(sqlx::query_as(sql)
        .bind(id)
        .bind(dataset.as_uuid())
        .bind(created_by.map(|user| user.as_uuid()))
        .bind(files)
        .fetch_one(ex)
        .await?)
}

/// Adds rows of one file, numbered from `first`. Must run in a transaction.
///
/// # Errors
/// The database.
pub async fn add_rows(
    conn: &mut PgConnection,
    id: Uuid,
    file: &str,
    first: i64,
    rows: &[NewRow],
) -> Result<(), StoreError> {
    // Arrays of arrays cannot be unnested by row, so the four sides travel as four columns.
    let sql = "insert into annotation_rows (import_id, n, file, place, picture, picture_kind, label, caption, area, area_unit, \
               ref_width, ref_height, original_id, problem) \
               select $1, $2 + t.n - 1, $3, t.place, t.picture, t.kind, t.label, t.caption, \
               case when t.unit is not null then array[t.x, t.y, t.w, t.h] end, t.unit, t.rw, t.rh, t.original, t.problem \
               from unnest($4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::float8[], $10::float8[], \
               $11::float8[], $12::float8[], $13::text[], $14::integer[], $15::integer[], $16::bigint[], $17::text[]) \
               with ordinality as t (place, picture, kind, label, caption, x, y, w, h, unit, rw, rh, original, problem, n)";
    fn all<T>(rows: &[NewRow], pick: impl Fn(&NewRow) -> T) -> Vec<T> {
        rows.iter().map(pick).collect()
    }
    let side = |place: usize| all(rows, move |row| row.area.map(|(sides, _)| sides[place]));
    let reference = |place: usize| {
        all(rows, move |row| {
            let side = row.reference.map(|sides| sides[place]);
            side.and_then(|side| i32::try_from(side).ok())
        })
    };
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    sqlx::query(sql)
        .bind(id)
        .bind(first)
        .bind(file)
        .bind(all(rows, |row| number(row.place)))
        .bind(all(rows, |row| row.picture.clone().map(|(name, _)| name)))
        .bind(all(rows, |row| row.picture.as_ref().map(|(_, kind)| *kind)))
        .bind(all(rows, |row| row.label.clone()))
        .bind(all(rows, |row| row.caption.clone()))
        .bind(side(0))
        .bind(side(1))
        .bind(side(2))
        .bind(side(3))
        .bind(all(rows, |row| row.area.map(|(_, unit)| unit)))
        .bind(reference(0))
        .bind(reference(1))
        .bind(all(rows, |row| row.original_id))
        .bind(all(rows, |row| row.problem.clone()))
        .execute(conn)
        .await?;
    Ok(())
}

/// One import.
///
/// # Errors
/// The database.
pub async fn find(
    ex: impl PgExecutor<'_>,
    id: Uuid,
) -> Result<Option<AnnotationImport>, StoreError> {
    let sql = "select * from annotation_imports where id = $1";
    Ok(sqlx::query_as(sql).bind(id).fetch_optional(ex).await?)
}

/// All imports of a dataset, newest first.
///
/// # Errors
/// The database.
pub async fn list(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
) -> Result<Vec<AnnotationImport>, StoreError> {
    let sql =
        "select * from annotation_imports where dataset_id = $1 order by created_at desc, id desc";
    Ok(sqlx::query_as(sql)
        .bind(dataset.as_uuid())
        .fetch_all(ex)
        .await?)
}

/// An import that a dataset's creation left to be done.
///
/// # Errors
/// The database.
pub async fn waiting(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
) -> Result<Option<Uuid>, StoreError> {
    let sql = "select id from annotation_imports where dataset_id = $1 and status = 'INIT' order by created_at limit 1";
    Ok(sqlx::query_scalar(sql)
        .bind(dataset.as_uuid())
        .fetch_optional(ex)
        .await?)
}

/// Forgets imports of a dataset that were not begun: a listing that is done again reads the files again.
///
/// # Errors
/// The database.
pub async fn clear_waiting(ex: impl PgExecutor<'_>, dataset: DatasetId) -> Result<(), StoreError> {
    let sql = "delete from annotation_imports where dataset_id = $1 and status = 'INIT'";
    sqlx::query(sql).bind(dataset.as_uuid()).execute(ex).await?;
    Ok(())
}

/// The first rows of an import that were not taken over.
///
/// # Errors
/// The database.
pub async fn problems(
    ex: impl PgExecutor<'_>,
    id: Uuid,
    limit: u32,
) -> Result<Vec<RowProblem>, StoreError> {
    let sql = "select file, place, picture, problem from annotation_rows where import_id = $1 and problem is not null \
               order by n limit $2";
    Ok(sqlx::query_as(sql)
        .bind(id)
        .bind(i64::from(limit))
        .fetch_all(ex)
        .await?)
}

/// Number of rows.
///
/// # Errors
/// The database.
pub async fn count(ex: impl PgExecutor<'_>, id: Uuid) -> Result<u64, StoreError> {
    let sql = "select count(*) from annotation_rows where import_id = $1";
    let count: i64 = sqlx::query_scalar(sql).bind(id).fetch_one(ex).await?;
    Ok(count.unsigned_abs())
}

/// The work on it has begun.
///
/// # Errors
/// The database.
pub async fn begin(ex: impl PgExecutor<'_>, id: Uuid) -> Result<(), StoreError> {
    let sql =
        "update annotation_imports set status = 'IN_PROGRESS' where id = $1 and status = 'INIT'";
    sqlx::query(sql).bind(id).execute(ex).await?;
    Ok(())
}

/// It is done: what was taken over is counted and its rows go, those with a problem stay as the report. Must run in a
/// transaction.
///
/// # Errors
/// The database.
pub async fn complete(conn: &mut PgConnection, id: Uuid, taken: Taken) -> Result<(), StoreError> {
    sqlx::query("delete from annotation_rows where import_id = $1 and problem is null")
        .bind(id)
        .execute(&mut *conn)
        .await?;
    let sql = "update annotation_imports set status = 'COMPLETED', finished_at = now(), boxes = $2, labels = $3, captions = $4, \
               problems = (select count(*) from annotation_rows where import_id = $1) where id = $1";
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    sqlx::query(sql)
        .bind(id)
        .bind(number(taken.boxes))
        .bind(number(taken.labels))
        .bind(number(taken.captions))
        .execute(conn)
        .await?;
    Ok(())
}

/// It cannot be done.
///
/// # Errors
/// The database.
pub async fn fail(ex: impl PgExecutor<'_>, id: Uuid, reason: &str) -> Result<(), StoreError> {
    let sql = "update annotation_imports set status = 'FAILED', finished_at = now(), result_message = $2 \
               where id = $1 and status <> 'COMPLETED'";
    sqlx::query(sql).bind(id).bind(reason).execute(ex).await?;
    Ok(())
}

/// A number out of a column that is never negative.
fn unsigned(row: &PgRow, name: &str) -> Result<u32, sqlx::Error> {
    columns::unsigned(row, name)
}
