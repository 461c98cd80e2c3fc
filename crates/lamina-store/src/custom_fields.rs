//! Custom metadata: fields of a dataset and their values (contract 18).

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use lamina_types::{DatasetId, MediaId, UnknownValue, UserId};
use serde_json::Value;
use sqlx::{FromRow, PgConnection, PgExecutor, Row, postgres::PgRow};
use uuid::Uuid;

use crate::copies::Ids;
use crate::{StoreError, columns};

/// What the values of a field are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldType {
    /// A text of at most 255 characters.
    String,
    /// A number.
    Float,
    /// A moment, to the second.
    Datetime,
    /// One of a few options, or several of them.
    Enum,
    /// An address of the web.
    Link,
}

impl FieldType {
    /// Every type.
    pub const ALL: &'static [Self] = &[
        Self::String,
        Self::Float,
        Self::Datetime,
        Self::Enum,
        Self::Link,
    ];

    /// Its column text, which is also that of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Float => "float",
            Self::Datetime => "datetime",
            Self::Enum => "enum",
            Self::Link => "link",
        }
    }
}

impl std::str::FromStr for FieldType {
    type Err = UnknownValue;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().find(|one| one.as_str() == text);
        found.copied().ok_or_else(|| UnknownValue {
            what: "field type",
            value: text.to_owned(),
        })
    }
}

/// A field with the task that fills it.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomField {
    /// Of the field and of its task.
    pub id: Uuid,
    /// Unique in the dataset.
    pub name: String,
    /// What its values are.
    pub field_type: FieldType,
    /// Of an enum.
    pub enum_options: Vec<String>,
    /// Whether a picture may have several options.
    pub is_multi: bool,
    /// `INIT`, `COMPLETED` or `COMPLETED_WITH_ERRORS`.
    pub status: String,
    /// Rows that were taken.
    pub inserted_rows: u64,
    /// Rows that were not.
    pub error_count: u64,
    /// The first of those, as shown.
    pub sample_errors: Value,
}

impl FromRow<'_, PgRow> for CustomField {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            field_type: columns::text(row, "field_type")?,
            enum_options: row.try_get("enum_options")?,
            is_multi: row.try_get("is_multi")?,
            status: row.try_get("status")?,
            inserted_rows: row.try_get::<i64, _>("inserted_rows")?.unsigned_abs(),
            error_count: row.try_get::<i64, _>("error_count")?.unsigned_abs(),
            sample_errors: row.try_get("sample_errors")?,
        })
    }
}

/// One value, of the type of its field.
#[derive(Debug, Clone, PartialEq)]
pub enum CustomValue {
    /// One of a string or link, the options of an enum.
    Texts(Vec<String>),
    /// Finite.
    Number(f64),
    /// To the second.
    Moment(DateTime<Utc>),
}

/// Declares a field.
///
/// # Errors
/// Conflict when the name (`custom_fields_name_key`) is taken.
pub async fn create(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    field: &CustomField,
    by: UserId,
) -> Result<(), StoreError> {
    let sql = "insert into custom_fields (id, dataset_id, name, field_type, enum_options, is_multi, created_by) \
               values ($1, $2, $3, $4, $5, $6, $7)";
    sqlx::query(sql)
        .bind(field.id)
        .bind(dataset.as_uuid())
        .bind(&field.name)
        .bind(field.field_type.as_str())
        .bind(&field.enum_options)
        .bind(field.is_multi)
        .bind(by.as_uuid())
        .execute(ex)
        .await?;
    Ok(())
}

/// The fields of a dataset, oldest first.
///
/// # Errors
/// The database.
pub async fn list(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
) -> Result<Vec<CustomField>, StoreError> {
    let sql = "select * from custom_fields where dataset_id = $1 order by created_at, id";
    Ok(sqlx::query_as(sql)
        .bind(dataset.as_uuid())
        .fetch_all(ex)
        .await?)
}

/// One field of a dataset, by the id of its task.
///
/// # Errors
/// The database.
pub async fn find(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    id: Uuid,
) -> Result<Option<CustomField>, StoreError> {
    let sql = "select * from custom_fields where dataset_id = $1 and id = $2";
    Ok(sqlx::query_as(sql)
        .bind(dataset.as_uuid())
        .bind(id)
        .fetch_optional(ex)
        .await?)
}

/// One field of a dataset, by name.
///
/// # Errors
/// The database.
pub async fn by_name(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    name: &str,
) -> Result<Option<CustomField>, StoreError> {
    let sql = "select * from custom_fields where dataset_id = $1 and name = $2";
    Ok(sqlx::query_as(sql)
        .bind(dataset.as_uuid())
        .bind(name)
        .fetch_optional(ex)
        .await?)
}

/// Deletes a field with its values; false when the dataset has none of this id.
///
/// # Errors
/// The database.
pub async fn delete(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    id: Uuid,
) -> Result<bool, StoreError> {
    let done = sqlx::query("delete from custom_fields where dataset_id = $1 and id = $2")
        .bind(dataset.as_uuid())
        .bind(id)
        .execute(ex)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Which of these are media of the dataset.
///
/// # Errors
/// The database.
pub async fn known_media(
    ex: impl PgExecutor<'_>,
    dataset: DatasetId,
    ids: &[Uuid],
) -> Result<Vec<Uuid>, StoreError> {
    let sql = "select id from media where dataset_id = $1 and id = any($2)";
    Ok(sqlx::query_scalar(sql)
        .bind(dataset.as_uuid())
        .bind(ids)
        .fetch_all(ex)
        .await?)
}

/// Writes values over those that are there. The media are of the field's dataset, and none is named twice.
///
/// # Errors
/// Conflict when a media item is gone meanwhile.
pub async fn put(
    ex: impl PgExecutor<'_>,
    field: Uuid,
    values: &[(Uuid, CustomValue)],
) -> Result<(), StoreError> {
    let (mut media, mut texts, mut numbers, mut moments) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (id, value) in values {
        let (text, number, moment) = match value {
            // Arrays of arrays must be of one length: each goes as the text of a JSON array.
            CustomValue::Texts(texts) => (Some(serde_json::json!(texts)), None, None),
            CustomValue::Number(number) if number.is_finite() => (None, Some(*number), None),
            CustomValue::Number(_) => return Err(StoreError::NotFinite("a custom value")),
            CustomValue::Moment(moment) => (None, None, Some(*moment)),
        };
        media.push(*id);
        texts.push(text);
        numbers.push(number);
        moments.push(moment);
    }
    let sql = "insert into custom_values (field_id, media_id, texts, number, moment) \
               select $1, t.media_id, case when t.texts is not null then array(select jsonb_array_elements_text(t.texts)) end, \
               t.number, t.moment \
               from unnest($2::uuid[], $3::jsonb[], $4::float8[], $5::timestamptz[]) as t (media_id, texts, number, moment) \
               on conflict (field_id, media_id) do update \
               set texts = excluded.texts, number = excluded.number, moment = excluded.moment";
    sqlx::query(sql)
        .bind(field)
        .bind(media)
        .bind(texts)
        .bind(numbers)
        .bind(moments)
        .execute(ex)
        .await?;
    Ok(())
}

/// Takes the value of a field away from a picture; false when it had none.
///
/// # Errors
/// The database.
pub async fn remove(
    ex: impl PgExecutor<'_>,
    field: Uuid,
    media: MediaId,
) -> Result<bool, StoreError> {
    let done = sqlx::query("delete from custom_values where field_id = $1 and media_id = $2")
        .bind(field)
        .bind(media.as_uuid())
        .execute(ex)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Adds what a file came to. The samples of the newest file that had errors are shown.
///
/// # Errors
/// The database.
pub async fn finish(
    ex: impl PgExecutor<'_>,
    field: Uuid,
    inserted: u64,
    errors: u64,
    samples: &Value,
) -> Result<(), StoreError> {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let sql = "update custom_fields set inserted_rows = inserted_rows + $2, error_count = error_count + $3, \
               sample_errors = case when $3 > 0 then $4 else sample_errors end, finished_at = now(), \
               status = case when error_count + $3 > 0 then 'COMPLETED_WITH_ERRORS' else 'COMPLETED' end where id = $1";
    sqlx::query(sql)
        .bind(field)
        .bind(number(inserted))
        .bind(number(errors))
        .bind(samples)
        .execute(ex)
        .await?;
    Ok(())
}

fn value(row: &PgRow) -> Result<CustomValue, sqlx::Error> {
    if let Some(texts) = row.try_get::<Option<Vec<String>>, _>("texts")? {
        return Ok(CustomValue::Texts(texts));
    }
    if let Some(number) = row.try_get::<Option<f64>, _>("number")? {
        return Ok(CustomValue::Number(number));
    }
    Ok(CustomValue::Moment(row.try_get("moment")?))
}

/// The values of a picture by field.
///
/// # Errors
/// The database.
pub async fn of_media(
    ex: impl PgExecutor<'_>,
    media: MediaId,
) -> Result<HashMap<Uuid, CustomValue>, StoreError> {
    let rows = sqlx::query("select * from custom_values where media_id = $1")
        .bind(media.as_uuid())
        .fetch_all(ex)
        .await?;
    let one = |row: &PgRow| Ok::<_, sqlx::Error>((row.try_get("field_id")?, value(row)?));
    Ok(rows.iter().map(one).collect::<Result<_, _>>()?)
}

/// What the value of a field must be like. All that is given must hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ValueTest {
    /// At least one of these texts or options, exactly.
    pub any: Option<Vec<String>>,
    /// All of these texts or options.
    pub all: Option<Vec<String>>,
    /// Part of a text, upper and lower case alike.
    pub contains: Option<String>,
    /// At least this number.
    pub least: Option<f64>,
    /// At most this number.
    pub most: Option<f64>,
    /// From this moment on.
    pub from: Option<DateTime<Utc>>,
    /// Before this moment.
    pub before: Option<DateTime<Utc>>,
}

/// The ordinals of the pictures with a value of this field that passes, ascending.
///
/// # Errors
/// The database.
pub async fn ordinals(
    ex: impl PgExecutor<'_>,
    field: Uuid,
    test: &ValueTest,
) -> Result<Vec<u32>, StoreError> {
    let sql = "select m.ordinal from custom_values v join media m on m.id = v.media_id where v.field_id = $1 \
               and ($2::text[] is null or v.texts && $2) and ($3::text[] is null or v.texts @> $3) \
               and ($4::text is null or exists (select from unnest(v.texts) t where position(lower($4) in lower(t)) > 0)) \
               and ($5::float8 is null or v.number >= $5) and ($6::float8 is null or v.number <= $6) \
               and ($7::timestamptz is null or v.moment >= $7) and ($8::timestamptz is null or v.moment < $8) \
               order by m.ordinal";
    let rows = sqlx::query(sql)
        .bind(field)
        .bind(&test.any)
        .bind(&test.all)
        .bind(&test.contains)
        .bind(test.least)
        .bind(test.most)
        .bind(test.from)
        .bind(test.before)
        .fetch_all(ex)
        .await?;
    Ok(rows
        .iter()
        .map(|row| columns::unsigned(row, "ordinal"))
        .collect::<Result<_, _>>()?)
}

/// Gives a copy the fields and values of its source; media of the copy have the ordinals of those of the source.
///
/// # Errors
/// The database.
pub(crate) async fn copy(
    conn: &mut PgConnection,
    source: DatasetId,
    copy: DatasetId,
    ids: Ids,
) -> Result<(), StoreError> {
    let sql = "insert into custom_fields (id, origin_id, dataset_id, name, field_type, enum_options, is_multi, status, inserted_rows, error_count, \
         sample_errors, created_by, created_at, finished_at) \
         select coalesce(case when $4 then origin_id end, gen_random_uuid()), case when $3 then id end, \
         $2, name, field_type, enum_options, is_multi, status, inserted_rows, error_count, \
         sample_errors, created_by, created_at, finished_at from custom_fields where dataset_id = $1";
    sqlx::query(sql)
        .bind(source.as_uuid())
        .bind(copy.as_uuid())
        .bind(ids.are_remembered())
        .bind(ids.are_restored())
        .execute(&mut *conn)
        .await?;
    let sql = "insert into custom_values (field_id, media_id, texts, number, moment) \
         select mine.id, c.id, v.texts, v.number, v.moment from custom_fields f join custom_values v on v.field_id = f.id \
         join custom_fields mine on mine.dataset_id = $2 and mine.name = f.name \
         join media m on m.id = v.media_id join media c on c.dataset_id = $2 and c.ordinal = m.ordinal \
         where f.dataset_id = $1";
    sqlx::query(sql)
        .bind(source.as_uuid())
        .bind(copy.as_uuid())
        .execute(conn)
        .await?;
    Ok(())
}
