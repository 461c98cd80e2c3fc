//! Settings an admin changes while the server runs (contract 20.3).

use axum::Json;
use axum::extract::State;
use lamina_api::{ErrorBody, SettingValue};
use serde_json::Value;

use crate::auth::Admin;
use crate::extract::{Fields, FromFields, JsonBody, Query};
use crate::state::AppState;
use crate::{ApiError, switches};

/// Which setting.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SettingKey {
    /// `DATASET_SNAPSHOTS_ENABLED`, `DATASET_SHARE_ENABLED`, `ADD_MEDIA_ENABLED` or `DELETE_DATASET_ENABLED`, `true` unless they were
    /// changed; `VL_CHAT_ENABLED`, `ENRICHMENT_INLINE_FLOW_ENABLED` and `SWAP_RGB_CHANNELS_FOR_TIFF_HEIC` are always `false` here.
    /// `LOG_LEVEL` is `DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`. Dashes count as underscores.
    key: String,
}

impl FromFields for SettingKey {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            key: fields.required_name("key"),
        }
    }
}

/// The value of a setting.
#[utoipa::path(get, path = "/admin/settings", tag = "admin", params(SettingKey), responses(
    (status = 200, description = "Always a string", body = SettingValue),
    (status = 400, description = "Unknown setting", body = ErrorBody),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "Not an admin", body = ErrorBody),
    (status = 422, description = "No key", body = ErrorBody),
))]
pub(crate) async fn get_setting(
    State(state): State<AppState>,
    Admin(_): Admin,
    Query(query): Query<SettingKey>,
) -> Result<Json<SettingValue>, ApiError> {
    let value = switches::read(&state, &query.key).await?;
    Ok(Json(SettingValue { value }))
}

/// Changes a setting. It counts at once for all servers of the database; a log level within two seconds, for workers too.
#[utoipa::path(post, path = "/admin/settings", tag = "admin",
    request_body(content = Object, content_type = "application/json",
        description = "`{\"key\":\"DATASET_SHARE_ENABLED\",\"value\":false}`"),
    responses(
    (status = 200, description = "As it is now", body = SettingValue),
    (status = 400, description = "Unknown setting, or a value it cannot have", body = ErrorBody),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "Not an admin", body = ErrorBody),
    (status = 422, description = "The body is no JSON", body = ErrorBody),
))]
pub(crate) async fn change_setting(
    State(state): State<AppState>,
    Admin(admin): Admin,
    JsonBody(body): JsonBody,
) -> Result<Json<SettingValue>, ApiError> {
    let key = body.get("key").and_then(Value::as_str).unwrap_or_default();
    let wanted = body.get("value").unwrap_or(&Value::Null);
    let value = switches::write(&state, key, wanted, admin.user_id).await?;
    Ok(Json(SettingValue { value }))
}
