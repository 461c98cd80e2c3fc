//! Jobs, and fields of custom metadata, as tasks of datasets (contract 17): who asked, about what, how far.

use chrono::{DateTime, Utc};
use lamina_types::{DatasetId, DatasetStatus};
use sqlx::{FromRow, PgExecutor, Postgres, QueryBuilder, Row, postgres::PgRow};
use uuid::Uuid;

use crate::{Principal, StoreError, columns};

/// One task.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// The job.
    pub id: Uuid,
    /// Its kind, as the queue knows it: `ingest`, `enrich`, ...
    pub kind: String,
    /// Its state, as the queue knows it: `queued`, `running`, `succeeded`, `failed`, `cancelled`.
    pub state: String,
    /// Its present or last phase.
    pub phase: String,
    /// What it is about.
    pub dataset_id: DatasetId,
    /// Its name.
    pub dataset_name: String,
    /// Its status.
    pub dataset_status: DatasetStatus,
    /// Its progress, 0 to 100.
    pub dataset_progress: f32,
    /// Mail address of its owner, or their name.
    pub created_by: String,
    /// Why it failed.
    pub error_message: Option<String>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When work on it began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

impl FromRow<'_, PgRow> for Task {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            kind: row.try_get("kind")?,
            state: row.try_get("state")?,
            phase: row.try_get("phase")?,
            dataset_id: DatasetId::from_uuid(row.try_get("dataset_id")?),
            dataset_name: row.try_get("display_name")?,
            dataset_status: columns::text(row, "dataset_status")?,
            dataset_progress: row.try_get("progress")?,
            created_by: row.try_get("created_by")?,
            error_message: row.try_get("error_message")?,
            created_at: row.try_get("created_at")?,
            started_at: row.try_get("started_at")?,
            finished_at: row.try_get("finished_at")?,
        })
    }
}

/// What to sort by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TaskOrder {
    /// When it was asked for.
    #[default]
    StartTime,
    /// Its state.
    Status,
    /// Its kind.
    Kind,
    /// Name of the dataset.
    DatasetName,
    /// The dataset.
    Dataset,
    /// Who asked.
    CreatedBy,
}

impl TaskOrder {
    const fn column(self) -> &'static str {
        match self {
            Self::StartTime => "t.created_at",
            Self::Status => "t.state",
            Self::Kind => "t.kind",
            Self::DatasetName => "lower(d.display_name)",
            Self::Dataset => "d.id",
            Self::CreatedBy => "created_by",
        }
    }
}

/// Which tasks.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TaskFilter {
    /// Kinds of jobs that are tasks.
    pub kinds: Vec<String>,
    /// Of the queue; empty for all.
    pub states: Vec<String>,
    /// About this dataset.
    pub dataset: Option<Uuid>,
    /// About datasets of this name.
    pub dataset_name: Option<String>,
    /// Asked for by this mail address or name.
    pub created_by: Option<String>,
    /// Not before.
    pub from: Option<DateTime<Utc>>,
    /// Not after.
    pub to: Option<DateTime<Utc>>,
    /// What to sort by.
    pub order: TaskOrder,
    /// Smallest or oldest first.
    pub ascending: bool,
    /// Tasks to leave out at the front.
    pub offset: u32,
    /// Most tasks.
    pub limit: u32,
}

const FROM: &str = " from dataset_tasks t join datasets d on d.id = t.dataset_id \
                    join users u on u.id = coalesce(t.created_by, d.owner_id) \
                    left join dataset_shares h on h.dataset_id = d.id and h.user_id = ";

/// The tasks about datasets that somebody may see, and how many there are in all.
///
/// # Errors
/// The database.
pub async fn list(
    conn: &mut sqlx::PgConnection,
    principal: &Principal,
    filter: &TaskFilter,
) -> Result<(Vec<Task>, u64), StoreError> {
    let mut count = QueryBuilder::new("select count(*)");
    push_conditions(&mut count, principal, filter);
    let total: i64 = count.build_query_scalar().fetch_one(&mut *conn).await?;

    let mut rows = QueryBuilder::new(SELECT);
    push_conditions(&mut rows, principal, filter);
    let direction = if filter.ascending { " asc" } else { " desc" };
    rows.push(" order by ")
        .push(filter.order.column())
        .push(direction)
        .push(", t.id")
        .push(direction)
        .push(" limit ")
        .push_bind(i64::from(filter.limit))
        .push(" offset ")
        .push_bind(i64::from(filter.offset));
    let tasks = rows.build_query_as().fetch_all(conn).await?;
    Ok((tasks, total.unsigned_abs()))
}

const SELECT: &str = "select t.id, t.kind, t.created_at, t.state, t.phase, t.error_message, t.started_at, t.finished_at, \
                      d.id as dataset_id, d.display_name, d.status as dataset_status, d.progress, \
                      coalesce(u.email, u.name) as created_by";

fn push_conditions(sql: &mut QueryBuilder<Postgres>, principal: &Principal, filter: &TaskFilter) {
    sql.push(FROM)
        .push_bind(principal.user_id.as_uuid())
        .push(" where d.deleted_at is null and t.kind = any(")
        .push_bind(filter.kinds.clone())
        .push(") and (")
        .push_bind(principal.owns_everything)
        .push(" or d.owner_id = ")
        .push_bind(principal.user_id.as_uuid())
        .push(" or h.role is not null)");
    if !filter.states.is_empty() {
        sql.push(" and t.state = any(")
            .push_bind(filter.states.clone())
            .push(")");
    }
    if let Some(dataset) = filter.dataset {
        sql.push(" and d.id = ").push_bind(dataset);
    }
    if let Some(name) = &filter.dataset_name {
        sql.push(" and d.display_name = ").push_bind(name.clone());
    }
    if let Some(by) = &filter.created_by {
        sql.push(" and coalesce(u.email, u.name) = ")
            .push_bind(by.clone());
    }
    if let Some(from) = filter.from {
        sql.push(" and t.created_at >= ").push_bind(from);
    }
    if let Some(to) = filter.to {
        sql.push(" and t.created_at <= ").push_bind(to);
    }
}

/// One task of a kind in `kinds`, if somebody may see its dataset.
///
/// # Errors
/// The database.
pub async fn find(
    ex: impl PgExecutor<'_>,
    principal: &Principal,
    kinds: &[String],
    id: Uuid,
) -> Result<Option<Task>, StoreError> {
    let filter = TaskFilter {
        kinds: kinds.to_vec(),
        ..TaskFilter::default()
    };
    let mut sql = QueryBuilder::new(SELECT);
    push_conditions(&mut sql, principal, &filter);
    sql.push(" and t.id = ").push_bind(id);
    Ok(sql.build_query_as().fetch_optional(ex).await?)
}

/// What the tasks that somebody may see can be filtered by, each value once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskFacets {
    /// Names and ids of datasets, by name.
    pub datasets: Vec<(String, Uuid)>,
    /// Kinds, as the queue knows them.
    pub kinds: Vec<String>,
    /// Who asked, by name.
    pub created_by: Vec<String>,
}

/// The facets of the tasks that pass `filter`.
///
/// # Errors
/// The database.
pub async fn facets(
    ex: impl PgExecutor<'_>,
    principal: &Principal,
    filter: &TaskFilter,
) -> Result<TaskFacets, StoreError> {
    let mut sql = QueryBuilder::new(
        "select distinct d.display_name, d.id, t.kind, coalesce(u.email, u.name) as created_by",
    );
    push_conditions(&mut sql, principal, filter);
    let mut facets = TaskFacets::default();
    for row in sql.build().fetch_all(ex).await? {
        let name: String = row.try_get("display_name")?;
        facets.datasets.push((name, row.try_get("id")?));
        facets.kinds.push(row.try_get("kind")?);
        facets.created_by.push(row.try_get("created_by")?);
    }
    facets.datasets.sort();
    facets.datasets.dedup();
    facets.kinds.sort();
    facets.kinds.dedup();
    facets.created_by.sort();
    facets.created_by.dedup();
    Ok(facets)
}

/// State and phase of a job, held until the transaction ends.
///
/// # Errors
/// The database.
pub async fn lock(
    conn: &mut sqlx::PgConnection,
    id: Uuid,
) -> Result<Option<(String, String)>, StoreError> {
    let sql = "select state, phase from job_states where job_id = $1 for update";
    let row = sqlx::query(sql).bind(id).fetch_optional(conn).await?;
    let read = |row: PgRow| Ok::<_, sqlx::Error>((row.try_get("state")?, row.try_get("phase")?));
    Ok(row.map(read).transpose()?)
}
