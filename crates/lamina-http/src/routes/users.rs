//! Accounts (contract 20.1).

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use lamina_api::{ErrorBody, Message, SessionList, UserInfo, UserList};
use lamina_store::{accounts, sessions};

use crate::ApiError;
use crate::extract::{JsonBody, JsonFields, Query};
use crate::people::{
    self, Account, AccountChange, Manager, NewAccount, Overseer, Password, UsersQuery,
};
use crate::state::AppState;

/// The accounts, by name.
#[utoipa::path(get, path = "/keycloak/admin/users", tag = "users", params(UsersQuery), responses(
    (status = 200, description = "One page", body = UserList),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "May not look at users, or user management is off", body = ErrorBody),
    (status = 422, description = "A parameter cannot be parsed", body = ErrorBody),
))]
pub(crate) async fn list_users(
    State(state): State<AppState>,
    _: Overseer,
    Query(query): Query<UsersQuery>,
) -> Result<Json<UserList>, ApiError> {
    let mut conn = state.pool.acquire().await?;
    let (found, total) =
        accounts::search(&mut conn, &query.search, query.first, query.max_results).await?;
    Ok(Json(UserList {
        users: found.into_iter().map(people::info).collect(),
        total,
    }))
}

/// One account.
#[utoipa::path(get, path = "/keycloak/admin/users/{user_id}", tag = "users",
    params(("user_id" = Uuid, Path, description = "The user")), responses(
    (status = 200, description = "The account", body = UserInfo),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "May not look at users, or user management is off", body = ErrorBody),
    (status = 404, description = "Unknown", body = ErrorBody),
))]
pub(crate) async fn get_user(_: Overseer, Account(user): Account) -> Json<UserInfo> {
    Json(people::info(user))
}

/// Makes an account.
#[utoipa::path(post, path = "/keycloak/admin/users", tag = "users",
    request_body(content = Object, content_type = "application/json",
        description = "`{\"username\":\"ada\",\"password\":\"at least 8\",\"firstName\":\"Ada\",\"lastName\":\"Example\",\"enabled\":true,\"workspace_role\":\"viewer\"}`; beyond the original `email`"),
    responses(
    (status = 201, description = "Made", body = UserInfo),
    (status = 400, description = "The name or address is taken", body = ErrorBody),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "May not manage users, or user management is off", body = ErrorBody),
    (status = 422, description = "A field is missing or cannot be used", body = ErrorBody),
))]
pub(crate) async fn create_user(
    State(state): State<AppState>,
    Manager(manager): Manager,
    JsonFields(body): JsonFields,
) -> Result<(StatusCode, Json<UserInfo>), ApiError> {
    let made = people::create(&state, &manager, body.read::<NewAccount>()?).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Changes the name of an account, or whether it may enter.
#[utoipa::path(patch, path = "/keycloak/admin/users/{user_id}", tag = "users",
    params(("user_id" = Uuid, Path, description = "The user")),
    request_body(content = Object, content_type = "application/json", description = "`{\"username\":\"ada\"}`, `{\"enabled\":false}` or both"),
    responses(
    (status = 200, description = "As it is now", body = UserInfo),
    (status = 400, description = "The name is taken, or it is the caller or the last admin who would be kept out", body = ErrorBody),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "May not manage users, or user management is off", body = ErrorBody),
    (status = 404, description = "Unknown", body = ErrorBody),
    (status = 422, description = "Nothing to change", body = ErrorBody),
))]
pub(crate) async fn change_user(
    State(state): State<AppState>,
    Manager(manager): Manager,
    Account(user): Account,
    JsonFields(body): JsonFields,
) -> Result<Json<UserInfo>, ApiError> {
    let change: AccountChange = body.read()?;
    Ok(Json(people::change(&state, &manager, user, change).await?))
}

/// Ends an account. Its datasets go to the caller, but drafts, which are deleted; keys and sessions end at once.
#[utoipa::path(delete, path = "/keycloak/admin/users/{user_id}", tag = "users",
    params(("user_id" = Uuid, Path, description = "The user")), responses(
    (status = 200, description = "Ended", body = Message),
    (status = 400, description = "Oneself, or the last admin", body = ErrorBody),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "May not manage users, or user management is off", body = ErrorBody),
    (status = 404, description = "Unknown", body = ErrorBody),
    (status = 409, description = "One of the datasets is being worked on", body = ErrorBody),
))]
pub(crate) async fn delete_user(
    State(state): State<AppState>,
    Manager(manager): Manager,
    Account(user): Account,
) -> Result<Json<Message>, ApiError> {
    people::delete(&state, &manager, user).await?;
    Ok(Json(Message::new("User deleted successfully")))
}

/// Sets a password and ends the sessions of the account.
#[utoipa::path(post, path = "/keycloak/admin/users/{user_id}/reset-password", tag = "users",
    params(("user_id" = Uuid, Path, description = "The user")),
    request_body(content = Object, content_type = "application/json", description = "`{\"password\":\"at least 8\"}`"),
    responses(
    (status = 200, description = "Set", body = Message),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "May not manage users, or user management is off", body = ErrorBody),
    (status = 404, description = "Unknown", body = ErrorBody),
    (status = 422, description = "Too short or too long", body = ErrorBody),
))]
pub(crate) async fn reset_user_password(
    State(state): State<AppState>,
    Manager(manager): Manager,
    Account(user): Account,
    JsonFields(body): JsonFields,
) -> Result<Json<Message>, ApiError> {
    let password: Password = body.read()?;
    people::reset_password(&state, &manager, user, password).await?;
    Ok(Json(Message::new("Password reset successfully")))
}

/// Ends the sessions of an account. Its keys go on working.
#[utoipa::path(post, path = "/keycloak/admin/users/{user_id}/logout", tag = "users",
    params(("user_id" = Uuid, Path, description = "The user")), responses(
    (status = 200, description = "Ended", body = Message),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "May not manage users, or user management is off", body = ErrorBody),
    (status = 404, description = "Unknown", body = ErrorBody),
))]
pub(crate) async fn log_user_out(
    State(state): State<AppState>,
    Manager(_): Manager,
    Account(user): Account,
) -> Result<Json<Message>, ApiError> {
    let pool = state.pool.clone();
    let ended = async move { Ok(sessions::end_all(&pool, user.id).await?) };
    state.run(ended).await?;
    Ok(Json(Message::new("User logged out successfully")))
}

/// The browsers an account is signed in with.
#[utoipa::path(get, path = "/keycloak/admin/users/{user_id}/sessions", tag = "users",
    params(("user_id" = Uuid, Path, description = "The user")), responses(
    (status = 200, description = "Newest first", body = SessionList),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "May not look at users, or user management is off", body = ErrorBody),
    (status = 404, description = "Unknown", body = ErrorBody),
))]
pub(crate) async fn list_user_sessions(
    State(state): State<AppState>,
    _: Overseer,
    Account(user): Account,
) -> Result<Json<SessionList>, ApiError> {
    let found = sessions::list(&state.pool, user.id).await?;
    let total = found.len() as u64;
    let sessions = found
        .into_iter()
        .map(|one| people::session_info(one, &user));
    Ok(Json(SessionList {
        sessions: sessions.collect(),
        total,
    }))
}

/// Replaces the realm roles of an account: what it may do with other accounts. Unknown names are ignored.
#[utoipa::path(put, path = "/keycloak/admin/users/{user_id}/roles", tag = "users",
    params(("user_id" = Uuid, Path, description = "The user")),
    request_body(content = Object, content_type = "application/json", description = "`{\"roles\":[\"view-users\"]}`"),
    responses(
    (status = 200, description = "As it is now", body = UserInfo),
    (status = 400, description = "No list of roles", body = ErrorBody),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "Not an admin, or user management is off", body = ErrorBody),
    (status = 404, description = "Unknown", body = ErrorBody),
    (status = 422, description = "The body is no JSON", body = ErrorBody),
))]
pub(crate) async fn set_user_roles(
    State(state): State<AppState>,
    Manager(manager): Manager,
    Account(user): Account,
    JsonBody(body): JsonBody,
) -> Result<Json<UserInfo>, ApiError> {
    let roles = body.get("roles").and_then(|roles| roles.as_array());
    let names = roles.map(|roles| roles.iter().filter_map(|role| role.as_str()));
    let roles: Vec<String> = names
        .ok_or_else(|| ApiError::bad_request("roles should be a list"))?
        .map(str::to_owned)
        .collect();
    let changed = people::set_realm_roles(&state, &manager, user, roles).await?;
    Ok(Json(changed))
}
