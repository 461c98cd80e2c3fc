//! Tasks (contract 17): the list, and one of them.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use chrono::{DateTime, NaiveDateTime, Utc};
use http::request::Parts;
use lamina_api::{ErrorBody, TaskFilters, TaskInfo, TaskList};
use lamina_store::Principal;
use lamina_store::tasks::{self as store, TaskFilter, TaskOrder};
use uuid::Uuid;

use crate::ApiError;
use crate::auth::AuthUser;
use crate::extract::{Fields, FromFields, Query, path_parameter};
use crate::state::AppState;
use crate::tasks::{self, METADATA, STATES, TYPES};

/// Parameters of `GET /tasks`; all are optional.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TasksQuery {
    /// About this dataset.
    #[param(value_type = Option<Uuid>)]
    dataset_id: Option<Uuid>,
    /// About datasets of this name.
    dataset_name: Option<String>,
    /// `DATASET_CREATION`, `ENRICHMENT`, ...
    #[param(value_type = Option<String>)]
    task_type: Option<Option<&'static str>>,
    /// `INITIALIZING`, `RUNNING`, `COMPLETED`, `FAILED`, `ABORTED`.
    #[param(value_type = Option<String>)]
    task_status: Option<&'static str>,
    /// Mail address of who asked.
    created_by: Option<String>,
    /// Not before; `2026-03-01T14:30:00Z`.
    #[param(value_type = Option<String>)]
    start_time_from: Option<DateTime<Utc>>,
    /// Not after.
    #[param(value_type = Option<String>)]
    start_time_to: Option<DateTime<Utc>>,
    /// `start_time` (default), `status`, `task_type`, `dataset_name`, `dataset_id`, `created_by`.
    #[param(value_type = Option<String>)]
    sort_by: TaskOrder,
    /// `asc` or `desc` (default).
    #[param(value_type = Option<String>)]
    sort_order: bool,
    /// From 1 (default).
    #[param(value_type = Option<u32>, minimum = 1)]
    page: u32,
    /// 5 to 50, 20 when absent.
    #[param(value_type = Option<u32>, minimum = 5, maximum = 50)]
    page_size: u32,
}

impl FromFields for TasksQuery {
    fn from_fields(fields: &mut Fields) -> Self {
        const ORDERS: &[(&str, TaskOrder)] = &[
            ("start_time", TaskOrder::StartTime),
            ("status", TaskOrder::Status),
            ("task_type", TaskOrder::Kind),
            ("dataset_name", TaskOrder::DatasetName),
            ("dataset_id", TaskOrder::Dataset),
            ("created_by", TaskOrder::CreatedBy),
        ];
        let jobs = TYPES
            .iter()
            .map(|(word, kind)| (*word, Some(kind.as_str())));
        let metadata = [(METADATA.0, Some(METADATA.1))];
        let types: Vec<(&str, Option<&'static str>)> = jobs.chain(metadata).collect();
        Self {
            dataset_id: fields.uuid("dataset_id"),
            dataset_name: fields.text("dataset_name"),
            task_type: fields.word("task_type", &types),
            task_status: fields.word("task_status", STATES),
            created_by: fields.text("created_by"),
            start_time_from: moment(fields, "start_time_from"),
            start_time_to: moment(fields, "start_time_to"),
            sort_by: fields.word("sort_by", ORDERS).unwrap_or_default(),
            sort_order: fields
                .word("sort_order", &[("asc", true), ("desc", false)])
                .unwrap_or(false),
            page: number(fields, "page", 1..=1_000_000, 1),
            page_size: number(fields, "page_size", 5..=50, 20),
        }
    }
}

fn number(
    fields: &mut Fields,
    name: &str,
    range: std::ops::RangeInclusive<i64>,
    default: u32,
) -> u32 {
    let found = fields.integer(name, range);
    found
        .and_then(|value| u32::try_from(value).ok())
        .unwrap_or(default)
}

/// A moment with or without fractions; without a zone it is UTC.
fn moment(fields: &mut Fields, name: &str) -> Option<DateTime<Utc>> {
    let text = fields.text(name)?;
    let read = DateTime::parse_from_rfc3339(&text)
        .map(|moment| moment.to_utc())
        .or_else(|_| {
            NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f")
                .map(|moment| moment.and_utc())
        });
    if read.is_err() {
        fields.wrong(
            name,
            "datetime_parsing",
            "Input should be a valid date and time",
        );
    }
    read.ok()
}

/// Tasks about the datasets of the caller and those shared with them.
#[utoipa::path(get, path = "/tasks", tag = "tasks", params(TasksQuery), responses(
    (status = 200, description = "One page", body = TaskList),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 422, description = "A parameter cannot be parsed", body = ErrorBody),
))]
pub(crate) async fn list_tasks(
    State(state): State<AppState>,
    AuthUser(user): AuthUser,
    Query(query): Query<TasksQuery>,
) -> Result<Json<TaskList>, ApiError> {
    let kinds = match query.task_type {
        None => all_kinds(),
        Some(kind) => kind.iter().map(|kind| (*kind).to_owned()).collect(),
    };
    let filter = TaskFilter {
        kinds,
        states: query.task_status.iter().map(|s| (*s).to_owned()).collect(),
        dataset: query.dataset_id,
        dataset_name: query.dataset_name,
        created_by: query.created_by,
        from: query.start_time_from,
        to: query.start_time_to,
        order: query.sort_by,
        ascending: query.sort_order,
        offset: (query.page - 1).saturating_mul(query.page_size),
        limit: query.page_size,
    };
    let mut conn = state.pool.acquire().await?;
    let (found, total) = store::list(&mut conn, &user, &filter).await?;
    drop(conn);
    let mut shown = Vec::with_capacity(found.len());
    for task in found {
        shown.push(tasks::info(&state.pool, task).await?);
    }
    Ok(Json(TaskList {
        tasks: shown,
        total,
        page: query.page,
        page_size: query.page_size,
    }))
}

fn all_kinds() -> Vec<String> {
    let jobs = TYPES.iter().map(|(_, kind)| kind.as_str());
    jobs.chain([METADATA.1]).map(str::to_owned).collect()
}

/// The id of a path; one that cannot be read is as unknown as one that was never given out.
pub(crate) struct TaskId(Option<Uuid>);

impl FromRequestParts<AppState> for TaskId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        Ok(Self(path_parameter(parts, "task_id").await))
    }
}

/// One task.
#[utoipa::path(get, path = "/tasks/{task_id}", tag = "tasks",
    params(("task_id" = Uuid, Path, description = "The task")), responses(
    (status = 200, description = "The task", body = TaskInfo),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
))]
pub(crate) async fn get_task(
    State(state): State<AppState>,
    AuthUser(user): AuthUser,
    TaskId(id): TaskId,
) -> Result<Json<TaskInfo>, ApiError> {
    let task = find(&state, &user, id).await?;
    Ok(Json(tasks::info(&state.pool, task).await?))
}

async fn find(
    state: &AppState,
    user: &Principal,
    id: Option<Uuid>,
) -> Result<store::Task, ApiError> {
    let found = match id {
        Some(id) => store::find(&state.pool, user, &all_kinds(), id).await?,
        None => None,
    };
    found.ok_or_else(|| ApiError::not_found("Task not found"))
}

/// Between which moments.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TaskTimes {
    /// Not before; `2026-03-01T14:30:00Z`.
    #[param(value_type = Option<String>)]
    start_time_from: Option<DateTime<Utc>>,
    /// Not after.
    #[param(value_type = Option<String>)]
    start_time_to: Option<DateTime<Utc>>,
}

impl FromFields for TaskTimes {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            start_time_from: moment(fields, "start_time_from"),
            start_time_to: moment(fields, "start_time_to"),
        }
    }
}

/// What the tasks of the caller can be filtered by.
#[utoipa::path(get, path = "/tasks/filters", tag = "tasks", params(TaskTimes), responses(
    (status = 200, description = "Each value once", body = TaskFilters),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 422, description = "A parameter cannot be parsed", body = ErrorBody),
))]
pub(crate) async fn get_task_filters(
    State(state): State<AppState>,
    AuthUser(user): AuthUser,
    Query(times): Query<TaskTimes>,
) -> Result<Json<TaskFilters>, ApiError> {
    let filter = TaskFilter {
        kinds: all_kinds(),
        from: times.start_time_from,
        to: times.start_time_to,
        ..TaskFilter::default()
    };
    let found = store::facets(&state.pool, &user, &filter).await?;
    let (mut dataset_names, dataset_ids): (Vec<String>, Vec<Uuid>) =
        found.datasets.into_iter().unzip();
    dataset_names.dedup();
    let types = found
        .kinds
        .iter()
        .map(|kind| tasks::type_of(kind).to_owned());
    Ok(Json(TaskFilters {
        dataset_names,
        dataset_ids,
        task_types: types.collect(),
        created_by: found.created_by,
    }))
}

/// Ends the creation of a dataset, which is in error then. What was uploaded is kept.
#[utoipa::path(post, path = "/tasks/{task_id}/abort", tag = "tasks",
    params(("task_id" = Uuid, Path, description = "The task")), responses(
    (status = 200, description = "Aborted", body = TaskInfo),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "You may only look", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
    (status = 409, description = "No creation, it has ended, or it is being published", body = ErrorBody),
))]
pub(crate) async fn abort_task(
    State(state): State<AppState>,
    AuthUser(user): AuthUser,
    TaskId(id): TaskId,
) -> Result<Json<TaskInfo>, ApiError> {
    let task = find(&state, &user, id).await?;
    let id = tasks::abort(&state, &user, task).await?;
    let task = find(&state, &user, Some(id)).await?;
    Ok(Json(tasks::info(&state.pool, task).await?))
}

/// Begins a creation that failed or was aborted anew, under the same id.
#[utoipa::path(post, path = "/tasks/{task_id}/retry", tag = "tasks",
    params(("task_id" = Uuid, Path, description = "The task")), responses(
    (status = 200, description = "It waits for a worker", body = TaskInfo),
    (status = 400, description = "No creation, or it has neither failed nor been aborted", body = ErrorBody),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "You may only look", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
    (status = 409, description = "A worker is still busy with it", body = ErrorBody),
))]
pub(crate) async fn retry_task(
    State(state): State<AppState>,
    AuthUser(user): AuthUser,
    TaskId(id): TaskId,
) -> Result<Json<TaskInfo>, ApiError> {
    let task = find(&state, &user, id).await?;
    let id = tasks::retry(&state, &user, task).await?;
    let task = find(&state, &user, Some(id)).await?;
    Ok(Json(tasks::info(&state.pool, task).await?))
}
