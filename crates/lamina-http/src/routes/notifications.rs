//! Notifications (contract 15).

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use lamina_api::{
    AllMarkedRead, ErrorBody, ErrorCode, MarkedRead, NotificationEvent, NotificationList,
    UnreadCount,
};
use lamina_store::notifications::{self as store, NotificationFilter};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

use crate::ApiError;
use crate::auth::AuthUser;
use crate::extract::{Fields, FromFields, Query, path_parameter};
use crate::notices::{self, Listener};
use crate::state::AppState;

/// Which page of which notifications.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct NotificationsQuery {
    /// 1 to 100, 20 when absent.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 100)]
    limit: i64,
    /// Notifications to leave out at the front.
    #[param(value_type = Option<i64>, minimum = 0)]
    offset: i64,
    /// Only those that were not read.
    #[param(value_type = Option<bool>)]
    unread_only: bool,
    /// Only those about this dataset.
    dataset_id: Option<Uuid>,
}

impl FromFields for NotificationsQuery {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            limit: fields.integer("limit", 1..=100).unwrap_or(20),
            offset: fields.integer("offset", 0..=1_000_000_000).unwrap_or(0),
            unread_only: fields.boolean("unread_only").unwrap_or(false),
            dataset_id: fields.uuid("dataset_id"),
        }
    }
}

/// About which dataset.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct OfDataset {
    /// Only those about this dataset.
    dataset_id: Option<Uuid>,
}

impl FromFields for OfDataset {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            dataset_id: fields.uuid("dataset_id"),
        }
    }
}

/// The notification of a path.
pub(crate) struct NotificationId(Option<Uuid>);

impl FromRequestParts<AppState> for NotificationId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        Ok(Self(path_parameter(parts, "notification_id").await))
    }
}

/// What the caller was told, newest first. Of datasets they may not see any more there is nothing.
#[utoipa::path(get, path = "/notifications", tag = "notifications", params(NotificationsQuery), responses(
    (status = 200, description = "One page", body = NotificationList),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 422, description = "A parameter cannot be parsed", body = ErrorBody),
))]
pub(crate) async fn list_notifications(
    State(state): State<AppState>,
    AuthUser(user): AuthUser,
    Query(query): Query<NotificationsQuery>,
) -> Result<Json<NotificationList>, ApiError> {
    let filter = NotificationFilter {
        dataset: query.dataset_id,
        unread_only: query.unread_only,
        since: None,
    };
    let mut conn = state.pool.acquire().await?;
    let (found, total) = store::list(&mut conn, &user, filter, query.offset, query.limit).await?;
    let shown = query.offset.unsigned_abs() + found.len() as u64;
    Ok(Json(NotificationList {
        notifications: found.into_iter().map(notices::info).collect(),
        total,
        has_more: shown < total,
    }))
}

/// How many the caller has not read.
#[utoipa::path(get, path = "/notifications/unread-count", tag = "notifications", params(OfDataset), responses(
    (status = 200, description = "The number", body = UnreadCount),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 422, description = "A parameter cannot be parsed", body = ErrorBody),
))]
pub(crate) async fn count_unread_notifications(
    State(state): State<AppState>,
    AuthUser(user): AuthUser,
    Query(query): Query<OfDataset>,
) -> Result<Json<UnreadCount>, ApiError> {
    let filter = NotificationFilter {
        dataset: query.dataset_id,
        unread_only: true,
        since: None,
    };
    let count = store::count(&state.pool, &user, filter).await?;
    Ok(Json(UnreadCount { count }))
}

/// Marks one as read.
#[utoipa::path(post, path = "/notifications/{notification_id}/read", tag = "notifications",
    params(("notification_id" = Uuid, Path, description = "The notification")), responses(
    (status = 200, description = "Marked", body = MarkedRead),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown, somebody else's, or read already", body = ErrorBody),
))]
pub(crate) async fn read_notification(
    State(state): State<AppState>,
    AuthUser(user): AuthUser,
    NotificationId(id): NotificationId,
) -> Result<Json<MarkedRead>, ApiError> {
    let not_found = || ApiError::not_found("Notification not found");
    let id = id.ok_or_else(not_found)?;
    let pool = state.pool.clone();
    let filter = NotificationFilter::default();
    let marked = async move { Ok(store::read(&pool, &user, filter, Some(id)).await?) };
    if state.run(marked).await? == 0 {
        return Err(not_found());
    }
    Ok(Json(MarkedRead { ok: true }))
}

/// Marks all as read.
#[utoipa::path(post, path = "/notifications/read-all", tag = "notifications", params(OfDataset), responses(
    (status = 200, description = "How many there were", body = AllMarkedRead),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 422, description = "A parameter cannot be parsed", body = ErrorBody),
))]
pub(crate) async fn read_all_notifications(
    State(state): State<AppState>,
    AuthUser(user): AuthUser,
    Query(query): Query<OfDataset>,
) -> Result<Json<AllMarkedRead>, ApiError> {
    let filter = NotificationFilter {
        dataset: query.dataset_id,
        ..NotificationFilter::default()
    };
    let pool = state.pool.clone();
    let marked = async move { Ok(store::read(&pool, &user, filter, None).await?) };
    let count = state.run(marked).await?;
    Ok(Json(AllMarkedRead { ok: true, count }))
}

/// New notifications as server-sent events: `notification` with one as data, `ping` every three seconds with none, `error`.
#[utoipa::path(get, path = "/notifications/stream", tag = "notifications", params(OfDataset), responses(
    (status = 200, description = "Events, until the client leaves", content_type = "text/event-stream", body = NotificationEvent),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 422, description = "A parameter cannot be parsed", body = ErrorBody),
    (status = 429, description = "Too many clients listen", body = ErrorBody),
))]
pub(crate) async fn stream_notifications(
    State(state): State<AppState>,
    AuthUser(user): AuthUser,
    Query(query): Query<OfDataset>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let place = Arc::clone(&state.listeners).try_acquire_owned();
    let place = place.map_err(|_| {
        ApiError::plain(ErrorCode::Overloaded).with_retry_after(Duration::from_secs(10))
    })?;
    let listener = Listener::new(state, headers, user, query.dataset_id, place).await?;
    let mut response = Body::from_stream(listener.events()).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
