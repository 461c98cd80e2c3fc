//! Sharing (contract 13).

use axum::Json;
use axum::extract::State;
use lamina_api::{ErrorBody, Publicity, ShareInfo};

use crate::ApiError;
use crate::extract::{Fields, Form, FromFields, JsonFields, OpenDataset};
use crate::sharing::{self, Invitation, OldInvitation};
use crate::state::AppState;

/// Shares a dataset with an account, named by mail address or by user name.
#[utoipa::path(put, path = "/manage/{dataset_id}/invite", tag = "sharing",
    params(("dataset_id" = Uuid, Path, description = "The dataset")),
    request_body(content = Object, content_type = "application/json",
        description = "`{\"grant_to_user_email\":\"ada@example.com\"}`; beyond the original `\"role\":\"editor\"`, `viewer` when absent"),
    responses(
    (status = 200, description = "Shared; the body is `null`"),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "Not the owner, or sharing is switched off", body = ErrorBody),
    (status = 404, description = "Unknown or invisible dataset, or an address without an account", body = ErrorBody),
    (status = 422, description = "No address", body = ErrorBody),
))]
pub(crate) async fn invite_user(
    State(state): State<AppState>,
    open: OpenDataset,
    JsonFields(body): JsonFields,
) -> Result<Json<()>, ApiError> {
    sharing::may_share(&state, &open).await?;
    sharing::invite(&state, &open, body.read::<Invitation>()?).await?;
    Ok(Json(()))
}

/// Who may see a dataset.
#[utoipa::path(get, path = "/manage/{dataset_id}/share", tag = "sharing",
    params(("dataset_id" = Uuid, Path, description = "The dataset")), responses(
    (status = 200, description = "Owner first", body = Vec<ShareInfo>),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "The dataset is public and not shared with the caller", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
))]
pub(crate) async fn list_shares(
    State(state): State<AppState>,
    open: OpenDataset,
) -> Result<Json<Vec<ShareInfo>>, ApiError> {
    Ok(Json(sharing::list(&state, &open).await?))
}

/// Ends a share and all links that were given out. An interface of our own.
#[utoipa::path(delete, path = "/manage/{dataset_id}/share", tag = "sharing",
    params(("dataset_id" = Uuid, Path, description = "The dataset")),
    request_body(content = Object, content_type = "application/json", description = "`{\"grant_to_user_email\":\"ada@example.com\"}`"),
    responses(
    (status = 200, description = "Ended; the body is `null`"),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "Not the owner, or sharing is switched off", body = ErrorBody),
    (status = 404, description = "Unknown or invisible dataset, or nobody it is shared with", body = ErrorBody),
    (status = 422, description = "No address", body = ErrorBody),
))]
pub(crate) async fn withdraw_share(
    State(state): State<AppState>,
    open: OpenDataset,
    JsonFields(body): JsonFields,
) -> Result<Json<()>, ApiError> {
    sharing::may_share(&state, &open).await?;
    sharing::withdraw(&state, &open, body.read::<Invitation>()?).await?;
    Ok(Json(()))
}

/// Shares a dataset; the older form of `invite`.
#[utoipa::path(post, path = "/dataset/{dataset_id}/share", tag = "sharing",
    params(("dataset_id" = Uuid, Path, description = "The dataset")),
    request_body(content = String, content_type = "application/x-www-form-urlencoded", description = "`user_email`"),
    responses(
    (status = 200, description = "Shared; the body is `null`"),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "Not the owner, or sharing is switched off", body = ErrorBody),
    (status = 404, description = "Unknown or invisible dataset, or an address without an account", body = ErrorBody),
    (status = 422, description = "No address", body = ErrorBody),
))]
pub(crate) async fn share_dataset(
    State(state): State<AppState>,
    open: OpenDataset,
    Form(body): Form,
) -> Result<Json<()>, ApiError> {
    sharing::may_share(&state, &open).await?;
    sharing::invite(&state, &open, body.read::<OldInvitation>()?.0).await?;
    Ok(Json(()))
}

struct IsPublic(bool);

impl FromFields for IsPublic {
    fn from_fields(fields: &mut Fields) -> Self {
        let value = fields.boolean("is_public");
        if value.is_none() && !fields.has_errors() {
            fields.missing("is_public");
        }
        Self(value.unwrap_or_default())
    }
}

/// Lets everybody look at a dataset without a token, or ends that, and with it all links. An interface of our own.
#[utoipa::path(put, path = "/manage/{dataset_id}/public", tag = "sharing",
    params(("dataset_id" = Uuid, Path, description = "The dataset")),
    request_body(content = Object, content_type = "application/json", description = "`{\"is_public\":true}`"),
    responses(
    (status = 200, description = "As it is now", body = Publicity),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "Not the owner, or sharing is switched off", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
    (status = 422, description = "Neither true nor false", body = ErrorBody),
))]
pub(crate) async fn set_dataset_public(
    State(state): State<AppState>,
    open: OpenDataset,
    JsonFields(body): JsonFields,
) -> Result<Json<Publicity>, ApiError> {
    sharing::may_share(&state, &open).await?;
    let IsPublic(is_public) = body.read()?;
    sharing::set_public(&state, &open, is_public).await?;
    Ok(Json(Publicity { is_public }))
}
