//! Saved views of a dataset, on behalf of their routes (contract 14).

use axum::extract::FromRequestParts;
use http::request::Parts;
use lamina_api::{Creator, SavedView, TrendPoint, ViewStats, ViewTrend};
use lamina_explore::{SavedFilters, vql};
use lamina_store::StoreError;
use lamina_store::views::{self, View, ViewChange};
use lamina_types::DatasetId;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::ApiError;
use crate::extract::{Fields, FromFields, OpenDataset, fields_of, path_parameter};
use crate::state::AppState;

/// The view of a path; text that is no id names no view.
pub(crate) struct ViewPath(pub(crate) Option<Uuid>);

impl FromRequestParts<AppState> for ViewPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        Ok(Self(path_parameter(parts, "view_id").await))
    }
}

fn not_found() -> ApiError {
    ApiError::not_found("View not found")
}

/// The name of a view.
#[derive(Debug)]
pub(crate) struct ViewName(pub(crate) String);

impl FromFields for ViewName {
    fn from_fields(fields: &mut Fields) -> Self {
        Self(fields.required_name("name"))
    }
}

/// The filters of a view, which are checked to be answerable.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ViewFilters {
    /// `IMAGES` (default), `OBJECTS` or `VIDEOS`.
    #[param(value_type = Option<String>)]
    entity_type: &'static str,
    /// Clustering level, 0 (default) to 4.
    #[param(value_type = Option<i64>, minimum = 0, maximum = 4)]
    threshold: i64,
    /// A text whose meaning is searched for.
    caption: Option<String>,
    /// A JSON array of filters as for explore.
    #[param(value_type = Option<String>)]
    vql: Vec<Value>,
    /// Only items with at least one of these: `["a","b"]`; becomes part of `vql`.
    #[param(value_type = Option<String>)]
    #[expect(
        dead_code,
        reason = "a parameter that is described; what it says is kept in `vql`"
    )]
    labels: (),
}

impl FromFields for ViewFilters {
    fn from_fields(fields: &mut Fields) -> Self {
        let entities = [
            ("IMAGES", "IMAGES"),
            ("OBJECTS", "OBJECTS"),
            ("VIDEOS", "VIDEOS"),
        ];
        let mut vql: Vec<Value> = Vec::new();
        for document in fields.every("vql") {
            match vql::parse(&document) {
                Ok(_) => {
                    let read: Result<Vec<Value>, _> = serde_json::from_str(&document);
                    vql.extend(read.unwrap_or_default());
                }
                Err(error) => fields.wrong("vql", error.kind, &error.to_string()),
            }
        }
        let labels = crate::filter_query::list(fields, "labels");
        vql.extend(labels.map(|labels| json!({"labels": {"op": "one_of", "value": labels}})));
        let read = Self {
            entity_type: fields.word("entity_type", &entities).unwrap_or("IMAGES"),
            threshold: fields.integer("threshold", 0..=4).unwrap_or(0),
            caption: fields
                .text("caption")
                .filter(|text| !text.trim().is_empty()),
            vql,
            labels: (),
        };
        if !fields.has_errors()
            && let Err(error) = read.saved().plan()
        {
            fields.wrong("caption", "value_error", &error.to_string());
        }
        read
    }
}

impl ViewFilters {
    fn saved(&self) -> SavedFilters {
        SavedFilters {
            entity_type: self.entity_type.to_owned(),
            threshold: self.threshold.to_string(),
            caption: self.caption.clone(),
            vql: Value::Array(self.vql.clone()),
        }
    }

    /// As stored and shown.
    pub(crate) fn stored(&self) -> Result<Value, ApiError> {
        serde_json::to_value(self.saved()).map_err(ApiError::internal)
    }
}

/// A change of a view, read from the members of an object.
#[derive(Debug)]
pub(crate) struct Change {
    name: Option<String>,
    filters: Option<ViewFilters>,
    monitoring_enabled: Option<bool>,
}

impl FromFields for Change {
    fn from_fields(fields: &mut Fields) -> Self {
        let name = fields
            .raw("name")
            .is_some()
            .then(|| fields.required_name("name"));
        let filters = fields.raw("filters").map(serde_json::from_str::<Value>);
        let filters = match filters {
            Some(Ok(Value::Object(members))) => {
                let mut inner = fields_of(members);
                let filters = ViewFilters::from_fields(&mut inner);
                fields.take_errors(inner);
                Some(filters)
            }
            Some(_) => {
                fields.wrong("filters", "dict_type", "Input should be an object");
                None
            }
            None => None,
        };
        let monitoring_enabled = fields.boolean("monitoring_enabled");
        if name.is_none()
            && filters.is_none()
            && monitoring_enabled.is_none()
            && !fields.has_errors()
        {
            fields.missing("name");
        }
        Self {
            name,
            filters,
            monitoring_enabled,
        }
    }
}

/// As sent.
pub(crate) fn info(view: View) -> SavedView {
    let [n_images, n_objects, n_video_frames] = view.stats;
    SavedView {
        id: view.id,
        dataset_id: view.dataset_id.as_uuid(),
        name: view.name,
        created_at: view.created_at.into(),
        created_by: Creator {
            user_id: view.created_by.as_uuid(),
            email: view.creator_email,
            name: view.creator_name,
        },
        filters: view.filters,
        stats: ViewStats {
            n_images,
            n_objects,
            n_video_frames,
        },
        monitoring_enabled: view.monitoring_enabled,
        monitoring_started_at: view.monitoring_started_at.into(),
        alerting_enabled: view.alerting_enabled,
        total_results: view.total_results,
        last_results: view.last_results.map(Into::into),
    }
}

/// One view.
///
/// # Errors
/// 404.
pub(crate) async fn one(
    state: &AppState,
    dataset: DatasetId,
    id: Option<Uuid>,
) -> Result<View, ApiError> {
    let found = match id {
        Some(id) => views::find(&state.pool, dataset, id).await?,
        None => None,
    };
    found.ok_or_else(not_found)
}

/// Makes a view.
///
/// # Errors
/// 403 for those who may only look, 409 for a name that is taken.
pub(crate) async fn create(
    state: &AppState,
    open: &OpenDataset,
    name: String,
    filters: Value,
) -> Result<SavedView, ApiError> {
    let (by, dataset, id) = (open.changer()?.user_id, open.access.id(), Uuid::now_v7());
    let pool = state.pool.clone();
    let made = async move {
        let made = views::create(&pool, dataset, id, &name, &filters, by).await;
        made.map_err(name_taken)
    };
    state.run(made).await?;
    one(state, dataset, Some(id)).await.map(info)
}

/// Changes a view.
///
/// # Errors
/// As [`create`], and 404.
pub(crate) async fn change(
    state: &AppState,
    open: &OpenDataset,
    id: Option<Uuid>,
    change: ViewChange,
) -> Result<SavedView, ApiError> {
    open.changer()?;
    let (pool, dataset) = (state.pool.clone(), open.access.id());
    let id = id.ok_or_else(not_found)?;
    let done = async move {
        let mut tx = pool.begin().await?;
        let found = views::change(&mut tx, dataset, id, &change).await;
        if !found.map_err(name_taken)? {
            return Err(not_found());
        }
        Ok(tx.commit().await?)
    };
    state.run(done).await?;
    one(state, dataset, Some(id)).await.map(info)
}

impl Change {
    /// For the store.
    pub(crate) fn stored(self) -> Result<ViewChange, ApiError> {
        let filters = self.filters.map(|filters| filters.stored()).transpose()?;
        Ok(ViewChange {
            name: self.name,
            filters,
            monitoring_enabled: self.monitoring_enabled,
            alerting_enabled: None,
        })
    }
}

/// Deletes a view.
///
/// # Errors
/// 403 for those who may only look, 404.
pub(crate) async fn delete(
    state: &AppState,
    open: &OpenDataset,
    id: Option<Uuid>,
) -> Result<(), ApiError> {
    open.changer()?;
    let (pool, dataset) = (state.pool.clone(), open.access.id());
    let id = id.ok_or_else(not_found)?;
    let deleted = async move {
        let found = views::delete(&pool, dataset, id).await?;
        found.then_some(()).ok_or_else(not_found)
    };
    state.run(deleted).await
}

/// A view that is monitored.
///
/// # Errors
/// 404, 400 while it is not.
pub(crate) async fn monitored(
    state: &AppState,
    dataset: DatasetId,
    id: Option<Uuid>,
) -> Result<View, ApiError> {
    let view = one(state, dataset, id).await?;
    if view.monitoring_enabled {
        return Ok(view);
    }
    Err(ApiError::bad_request("Monitoring of this view is off"))
}

/// What batch after batch had for a view.
///
/// # Errors
/// As [`monitored`].
pub(crate) async fn trend(
    state: &AppState,
    dataset: DatasetId,
    id: Option<Uuid>,
) -> Result<ViewTrend, ApiError> {
    let view = monitored(state, dataset, id).await?;
    let mut cumulative = 0;
    let points = views::points(&state.pool, view.id).await?;
    let points = points.into_iter().map(|point| {
        cumulative += point.count;
        TrendPoint {
            timestamp: point.at.into(),
            batch_id: point.batch,
            count: point.count,
            cumulative,
        }
    });
    Ok(ViewTrend {
        points: points.collect(),
        total_results: view.total_results,
        last_results: view.last_results.map(Into::into),
    })
}

fn name_taken(error: StoreError) -> ApiError {
    match error.constraint() {
        Some("views_name_key") => ApiError::conflict("The dataset has a view of this name"),
        Some(_) | None => error.into(),
    }
}
