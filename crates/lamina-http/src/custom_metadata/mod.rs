//! Custom metadata of a dataset, on behalf of its routes (contract 18).

mod rows;
mod values;

use axum::extract::{FromRequestParts, Request};
use http::request::Parts as Head;
use lamina_api::{MetadataField, MetadataTaskStatus, MetadataValue};
use lamina_store::custom_fields::{self, CustomField, CustomValue, FieldType};
use lamina_store::{StoreError, media};
use lamina_types::{DatasetStatus, MediaId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::ApiError;
use crate::extract::{Fields, FromFields, OpenDataset, path_parameter};
use crate::state::AppState;
use crate::upload::{Parts, missing_field};
use rows::Rows;

/// Most options of an enum.
const MAX_OPTIONS: usize = 100;

/// Longest option, in characters.
const MAX_OPTION: usize = 20;

/// Rows written by one statement.
const ROWS: usize = 10_000;

/// The task of a path; text that is no id names none.
pub(crate) struct FieldPath(Option<Uuid>);

impl FromRequestParts<AppState> for FieldPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Head, _: &AppState) -> Result<Self, ApiError> {
        Ok(Self(path_parameter(parts, "task_id").await))
    }
}

/// The picture of a path.
pub(crate) struct PicturePath(Option<MediaId>);

impl FromRequestParts<AppState> for PicturePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Head, _: &AppState) -> Result<Self, ApiError> {
        Ok(Self(path_parameter(parts, "image_id").await))
    }
}

fn not_found() -> ApiError {
    ApiError::not_found("Task not found")
}

/// A field to be declared.
#[derive(Debug)]
pub(crate) struct NewField(CustomField);

impl FromFields for NewField {
    fn from_fields(fields: &mut Fields) -> Self {
        let types: Vec<(&str, FieldType)> = FieldType::ALL
            .iter()
            .map(|one| (one.as_str(), *one))
            .collect();
        if fields.raw("field_type").is_none() {
            fields.missing("field_type");
        }
        let field_type = fields
            .word("field_type", &types)
            .unwrap_or(FieldType::String);
        let enum_options = match field_type {
            FieldType::Enum => options(fields),
            FieldType::String | FieldType::Float | FieldType::Datetime | FieldType::Link => {
                Vec::new()
            }
        };
        let is_multi = fields.boolean("is_multi").unwrap_or(false);
        Self(CustomField {
            id: Uuid::now_v7(),
            name: fields.required_name("field_name"),
            field_type,
            enum_options,
            is_multi: is_multi && field_type == FieldType::Enum,
            status: "INIT".to_owned(),
            inserted_rows: 0,
            error_count: 0,
            sample_errors: json!([]),
        })
    }
}

fn options(fields: &mut Fields) -> Vec<String> {
    let given = fields.raw("enum_options").unwrap_or_default();
    let read: Vec<String> = serde_json::from_str(given).unwrap_or_default();
    let mut distinct = read.clone();
    distinct.sort();
    distinct.dedup();
    let fits = |option: &String| {
        let length = option.chars().count();
        (1..=MAX_OPTION).contains(&length) && !option.contains('\0')
    };
    if read.is_empty()
        || read.len() > MAX_OPTIONS
        || distinct.len() < read.len()
        || !read.iter().all(fits)
    {
        let message = format!(
            "Input should be a list of 1 to {MAX_OPTIONS} different texts of 1 to {MAX_OPTION} characters"
        );
        fields.wrong("enum_options", "value_error", &message);
    }
    read
}

/// A change of one value.
#[derive(Debug)]
pub(crate) struct NewValue {
    field_name: String,
    /// As JSON text; a text that is no JSON is itself.
    value: Option<String>,
}

impl FromFields for NewValue {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            field_name: fields.required_name("field_name"),
            value: fields.raw("value").map(str::to_owned),
        }
    }
}

fn must_be_ready(open: &OpenDataset) -> Result<(), ApiError> {
    let status = open.access.dataset().status;
    if status == DatasetStatus::Ready {
        return Ok(());
    }
    Err(ApiError::conflict(format!(
        "The dataset is {status}, it must be READY"
    )))
}

/// Declares a field; the id of its task.
///
/// # Errors
/// 403 for those who may only look, 409 for a name that is taken or a dataset that is not ready.
pub(crate) async fn declare(
    state: &AppState,
    open: &OpenDataset,
    NewField(field): NewField,
) -> Result<Uuid, ApiError> {
    let by = open.changer()?.user_id;
    must_be_ready(open)?;
    let (pool, dataset, id) = (state.pool.clone(), open.access.id(), field.id);
    let made = async move {
        let made = custom_fields::create(&pool, dataset, &field, by).await;
        made.map_err(name_taken)
    };
    state.run(made).await?;
    Ok(id)
}

fn name_taken(error: StoreError) -> ApiError {
    match error.constraint() {
        // Scripts look for these two words.
        Some("custom_fields_name_key") => {
            ApiError::conflict("A field of this name already exists in the dataset")
        }
        Some(_) | None => error.into(),
    }
}

/// One field, by its task.
///
/// # Errors
/// 404.
pub(crate) async fn one(
    state: &AppState,
    open: &OpenDataset,
    FieldPath(id): FieldPath,
) -> Result<CustomField, ApiError> {
    let found = match id {
        Some(id) => custom_fields::find(&state.pool, open.access.id(), id).await?,
        None => None,
    };
    found.ok_or_else(not_found)
}

/// Takes a file of values: the rows that are right are written, all at once, over values that are there.
///
/// # Errors
/// 403, 404, 409 when the dataset is not ready, 422 for a file that is no JSON array.
pub(crate) async fn fill(
    state: &AppState,
    open: &OpenDataset,
    path: FieldPath,
    request: Request,
) -> Result<CustomField, ApiError> {
    open.changer()?;
    let field = one(state, open, path).await?;
    must_be_ready(open)?;
    let limits = &state.config.uploads;
    let mut parts = Parts::new(request, limits.max_file_bytes, limits, "file")?;
    let file = loop {
        match parts.next().await? {
            None => return Err(missing_field("file")),
            Some(part) if part.name() == "file" => {
                break part.spool(&state.spool, limits.max_file_bytes).await?;
            }
            Some(part) => part.skip().await?,
        }
    };
    let reading = field.clone();
    let read = tokio::task::spawn_blocking(move || rows::read(file.path(), &reading));
    let read = read.await.map_err(ApiError::internal)?;
    let rows = read.map_err(|error| {
        let mut fields = Fields::new(crate::extract::Place::Body, Vec::new());
        fields.wrong(
            "file",
            "json_invalid",
            &format!("The file is no JSON array of rows: {error}"),
        );
        fields.refused()
    })?;
    let (work, dataset, id) = (state.clone(), open.access.id(), field.id);
    let written = async move { write(&work, dataset, id, rows).await };
    state.run(written).await?;
    one(state, open, FieldPath(Some(id))).await
}

async fn write(
    state: &AppState,
    dataset: lamina_types::DatasetId,
    field: Uuid,
    mut rows: Rows,
) -> Result<(), ApiError> {
    let mut tx = state.pool.begin().await?;
    let mut values: Vec<(Uuid, (u64, CustomValue))> =
        std::mem::take(&mut rows.values).into_iter().collect();
    values.sort_unstable_by_key(|(_, (row, _))| *row);
    let mut inserted = rows.taken;
    for part in values.chunks(ROWS) {
        let ids: Vec<Uuid> = part.iter().map(|(id, _)| *id).collect();
        let known: std::collections::HashSet<Uuid> =
            custom_fields::known_media(&mut *tx, dataset, &ids)
                .await?
                .into_iter()
                .collect();
        let mut usable = Vec::with_capacity(part.len());
        for (id, (row, value)) in part {
            if known.contains(id) {
                usable.push((*id, value.clone()));
            } else {
                inserted -= 1;
                rows.refuse(*row, "Unknown media_id");
            }
        }
        custom_fields::put(&mut *tx, field, &usable).await?;
    }
    let samples = Value::from(rows.samples);
    custom_fields::finish(&mut *tx, field, inserted, rows.errors, &samples).await?;
    Ok(tx.commit().await?)
}

/// How far a task is.
pub(crate) fn status(field: CustomField) -> MetadataTaskStatus {
    MetadataTaskStatus {
        task_id: field.id,
        progress: if field.status == "INIT" { 0.0 } else { 100.0 },
        status: field.status,
        inserted_rows: field.inserted_rows,
        error_count: field.error_count,
        sample_errors: field.sample_errors,
    }
}

/// The declared fields, oldest first.
///
/// # Errors
/// The database.
pub(crate) async fn schema(
    state: &AppState,
    open: &OpenDataset,
) -> Result<Vec<MetadataField>, ApiError> {
    let fields = custom_fields::list(&state.pool, open.access.id()).await?;
    let shown = fields.into_iter().map(|field| MetadataField {
        field_name: field.name,
        field_type: field.field_type.as_str().to_owned(),
        enum_options: field.enum_options,
        is_multi: field.is_multi,
        task_id: field.id,
    });
    Ok(shown.collect())
}

/// Deletes a field with its values.
///
/// # Errors
/// 403, 404.
pub(crate) async fn delete(
    state: &AppState,
    open: &OpenDataset,
    FieldPath(id): FieldPath,
) -> Result<(), ApiError> {
    open.changer()?;
    let id = id.ok_or_else(not_found)?;
    let (pool, dataset) = (state.pool.clone(), open.access.id());
    let deleted = async move {
        let found = custom_fields::delete(&pool, dataset, id).await?;
        found.then_some(()).ok_or_else(not_found)
    };
    state.run(deleted).await
}

/// The picture of a path, if it is one of the dataset.
async fn picture(
    state: &AppState,
    open: &OpenDataset,
    PicturePath(id): PicturePath,
) -> Result<MediaId, ApiError> {
    let unknown = || ApiError::not_found("Image not found");
    let id = id.ok_or_else(unknown)?;
    let found = media::ordinals_of(&state.pool, open.access.id(), &[id]).await?;
    found.contains_key(&id).then_some(id).ok_or_else(unknown)
}

/// The values of one picture, in the order of the fields.
///
/// # Errors
/// 404.
pub(crate) async fn of_picture(
    state: &AppState,
    open: &OpenDataset,
    path: PicturePath,
) -> Result<Vec<MetadataValue>, ApiError> {
    let id = picture(state, open, path).await?;
    let fields = custom_fields::list(&state.pool, open.access.id()).await?;
    let mut found = custom_fields::of_media(&state.pool, id).await?;
    let shown = fields.into_iter().filter_map(|field| {
        let value = found.remove(&field.id)?;
        Some(MetadataValue {
            value: values::shown(&field, value),
            field_type: field.field_type.as_str().to_owned(),
            field_name: field.name,
        })
    });
    Ok(shown.collect())
}

/// Changes the value of one picture, or takes it away; the values it has then.
///
/// # Errors
/// 403, 404 for picture and field, 409 when the dataset is not ready, 422 for a value of another type.
pub(crate) async fn set(
    state: &AppState,
    open: &OpenDataset,
    path: PicturePath,
    change: NewValue,
) -> Result<Vec<MetadataValue>, ApiError> {
    open.changer()?;
    let id = picture(state, open, path).await?;
    must_be_ready(open)?;
    let found = custom_fields::by_name(&state.pool, open.access.id(), &change.field_name).await?;
    let field = found.ok_or_else(|| ApiError::not_found("Field not found"))?;
    let value = match change.value {
        None => None,
        Some(text) => Some(read_one(&field, &text)?),
    };
    let pool = state.pool.clone();
    let done = async move {
        match value {
            Some(value) => custom_fields::put(&pool, field.id, &[(id.as_uuid(), value)]).await?,
            None => {
                custom_fields::remove(&pool, field.id, id).await?;
            }
        }
        Ok(())
    };
    state.run(done).await?;
    of_picture(state, open, PicturePath(Some(id))).await
}

/// Members of a body arrive as text: that of a JSON string without its quotes.
fn read_one(field: &CustomField, text: &str) -> Result<CustomValue, ApiError> {
    let is_text = matches!(
        field.field_type,
        FieldType::String | FieldType::Link | FieldType::Datetime
    );
    let value = match serde_json::from_str(text) {
        Ok(value) if !is_text => value,
        Ok(_) | Err(_) => Value::from(text),
    };
    values::read(field, &value).map_err(|reason| {
        let mut fields = Fields::new(crate::extract::Place::Body, Vec::new());
        fields.wrong("value", "value_error", reason);
        fields.refused()
    })
}
