//! Accounts of other people, on behalf of those who manage them (contract 20.1).

use axum::extract::FromRequestParts;
use http::request::Parts;
use lamina_api::{SessionInfo, UserInfo};
use lamina_store::accounts::{self, Profile};
use lamina_store::passwords::{MAX_BYTES, MIN_CHARACTERS};
use lamina_store::sessions::Session;
use lamina_store::users::{self, User};
use lamina_store::{Principal, Role, Secret, StoreError};
use lamina_types::UserId;

use crate::auth::AuthUser;
use crate::extract::{Fields, FromFields, path_parameter};
use crate::state::AppState;
use crate::{ApiError, AuthMode};

/// Realm roles; unknown ones are ignored.
const REALM_ROLES: &[&str] = &["manage-users", "view-users", "query-users", "query-groups"];

/// Realm roles that allow looking at accounts.
const LOOKING: &[&str] = &["manage-users", "view-users", "query-users"];

/// Somebody who may look at the accounts of others: the admin, and whom they gave a realm role for it.
pub(crate) struct Overseer;

/// Somebody who may change the accounts of others.
pub(crate) struct Manager(pub(crate) Principal);

impl FromRequestParts<AppState> for Overseer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        allowed(parts, state, LOOKING).await.map(|_| Self)
    }
}

impl FromRequestParts<AppState> for Manager {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        allowed(parts, state, &LOOKING[..1]).await.map(Self)
    }
}

async fn allowed(
    parts: &mut Parts,
    state: &AppState,
    roles: &[&str],
) -> Result<Principal, ApiError> {
    let AuthUser(user) = AuthUser::from_request_parts(parts, state).await?;
    if matches!(state.config.auth, AuthMode::None { .. }) {
        return Err(ApiError::forbidden("User management is off"));
    }
    if user.role == Role::Admin {
        return Ok(user);
    }
    let account = users::by_id(&state.pool, user.user_id).await?;
    let may = account.is_some_and(|account| {
        let mut own = account.realm_roles.iter();
        own.any(|role| roles.contains(&role.as_str()))
    });
    may.then_some(user)
        .ok_or_else(|| ApiError::forbidden("You may not manage users"))
}

/// The account of a path.
pub(crate) struct Account(pub(crate) User);

impl FromRequestParts<AppState> for Account {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let found = match path_parameter(parts, "user_id").await {
            Some(id) => users::by_id(&state.pool, id).await?,
            None => None,
        };
        found.map(Self).ok_or_else(unknown)
    }
}

pub(crate) fn unknown() -> ApiError {
    ApiError::not_found("User not found")
}

/// As sent.
pub(crate) fn info(user: User) -> UserInfo {
    UserInfo {
        id: user.id.as_uuid(),
        username: user.name,
        first_name: user.first_name,
        last_name: user.last_name,
        enabled: user.is_enabled,
        created_timestamp: Some(user.created_at.timestamp_millis()),
        roles: user.realm_roles,
        last_access: user.last_seen_at.map(|at| at.timestamp_millis()),
    }
}

/// As sent.
pub(crate) fn session_info(session: Session, user: &User) -> SessionInfo {
    SessionInfo {
        id: session.id,
        username: user.name.clone(),
        ip_address: session.ip_address.unwrap_or_default(),
        start: session.started_at.timestamp_millis(),
        last_access: session.last_seen_at.timestamp_millis(),
        clients: lamina_api::Empty,
    }
}

/// A page of the list.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct UsersQuery {
    /// Part of a name or address, upper and lower case alike.
    #[param(value_type = Option<String>)]
    pub(crate) search: String,
    /// 1 to 1,000, 100 when absent.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000)]
    pub(crate) max_results: i64,
    /// Users to leave out at the front.
    #[param(value_type = Option<i64>, minimum = 0)]
    pub(crate) first: i64,
}

impl FromFields for UsersQuery {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            search: fields.text("search").unwrap_or_default(),
            max_results: fields.integer("max_results", 1..=1_000).unwrap_or(100),
            first: fields.integer("first", 0..=1_000_000_000).unwrap_or(0),
        }
    }
}

/// A password as it may be chosen.
#[derive(Debug)]
pub(crate) struct Password(pub(crate) Secret);

impl FromFields for Password {
    fn from_fields(fields: &mut Fields) -> Self {
        let password = fields.raw("password").unwrap_or_default().to_owned();
        if password.chars().count() < MIN_CHARACTERS {
            let message = format!("String should have at least {MIN_CHARACTERS} characters");
            fields.wrong_secret("password", "string_too_short", &message);
        } else if password.len() > MAX_BYTES {
            fields.wrong_secret("password", "string_too_long", "String is too long");
        }
        Self(Secret::new(password))
    }
}

/// An account to be made.
#[derive(Debug)]
pub(crate) struct NewAccount {
    name: String,
    password: Password,
    role: Role,
    profile: Profile,
}

const ROLES: &[(&str, Role)] = &[
    ("admin", Role::Admin),
    ("editor", Role::Editor),
    ("viewer", Role::Viewer),
];

fn user_name(fields: &mut Fields) -> String {
    let name = fields.required_name("username");
    if !name.is_empty() && !users::is_name(&name) && name.chars().count() <= 255 {
        let message = "String should have 3 to 255 characters and no blanks";
        fields.wrong("username", "string_pattern_mismatch", message);
    }
    name
}

impl FromFields for NewAccount {
    fn from_fields(fields: &mut Fields) -> Self {
        let optional = |fields: &mut Fields, name: &str| {
            fields.raw(name).filter(|value| !value.is_empty())?;
            Some(fields.required_name(name))
        };
        Self {
            name: user_name(fields),
            password: Password::from_fields(fields),
            role: fields.word("workspace_role", ROLES).unwrap_or(Role::Viewer),
            profile: Profile {
                first_name: optional(fields, "firstName"),
                last_name: optional(fields, "lastName"),
                email: optional(fields, "email"),
                password_hash: None,
                is_enabled: fields.boolean("enabled").unwrap_or(true),
            },
        }
    }
}

/// What is to be changed about an account.
#[derive(Debug)]
pub(crate) struct AccountChange {
    name: Option<String>,
    is_enabled: Option<bool>,
}

impl FromFields for AccountChange {
    fn from_fields(fields: &mut Fields) -> Self {
        let name = fields.raw("username").is_some().then(|| user_name(fields));
        let is_enabled = fields.boolean("enabled");
        if name.is_none() && is_enabled.is_none() && !fields.has_errors() {
            fields.missing("username");
        }
        Self { name, is_enabled }
    }
}

/// A role of the workspace.
#[derive(Debug)]
pub(crate) struct WorkspaceRole(pub(crate) Role);

impl FromFields for WorkspaceRole {
    fn from_fields(fields: &mut Fields) -> Self {
        if fields.raw("role").is_none() {
            fields.missing("role");
        }
        Self(fields.word("role", ROLES).unwrap_or(Role::Viewer))
    }
}

/// Only the admin may touch an admin, or make one: else whoever manages users could become one.
fn must_be_admin_for(manager: &Principal, role: Role) -> Result<(), ApiError> {
    if role == Role::Admin && manager.role != Role::Admin {
        return Err(ApiError::forbidden("Only an admin may do this to an admin"));
    }
    Ok(())
}

fn name_taken(error: StoreError) -> ApiError {
    match error.constraint() {
        Some("users_name_key") => ApiError::bad_request("There is a user of this name"),
        Some("users_email_key") => ApiError::bad_request("There is a user with this address"),
        Some(_) | None => error.into(),
    }
}

/// Makes an account.
///
/// # Errors
/// 400 for a name that is taken, 403 for an admin made by somebody who is none.
pub(crate) async fn create(
    state: &AppState,
    manager: &Principal,
    new: NewAccount,
) -> Result<UserInfo, ApiError> {
    must_be_admin_for(manager, new.role)?;
    let password_hash = Some(state.sign_ins.hash(new.password.0).await?);
    let (pool, heir) = (state.pool.clone(), manager.user_id);
    let made = async move {
        let profile = Profile {
            password_hash,
            ..new.profile
        };
        let mut tx = pool.begin().await?;
        // As a viewer first: whoever becomes the admin takes the place of the one before.
        let made = accounts::create(&mut *tx, &new.name, Role::Viewer, &profile).await;
        let mut user = made.map_err(name_taken)?;
        if new.role != Role::Viewer {
            let changed = accounts::set_role(&mut tx, user.id, new.role, heir).await?;
            user = changed.ok_or_else(unknown)?;
        }
        tx.commit().await?;
        Ok(user)
    };
    state.run(made).await.map(info)
}

/// Changes an account.
///
/// # Errors
/// 400 for a name that is taken, or when the last admin would be kept out.
pub(crate) async fn change(
    state: &AppState,
    manager: &Principal,
    user: User,
    change: AccountChange,
) -> Result<UserInfo, ApiError> {
    must_be_admin_for(manager, user.role)?;
    if change.is_enabled == Some(false) {
        must_not_be_needed(state, manager, &user).await?;
    }
    let pool = state.pool.clone();
    let changed = async move {
        let AccountChange { name, is_enabled } = change;
        let changed = accounts::change(&pool, user.id, name.as_deref(), is_enabled).await;
        changed.map_err(name_taken)?.ok_or_else(unknown)
    };
    state.run(changed).await.map(info)
}

/// Nobody ends their own account, and there is always an admin.
async fn must_not_be_needed(
    state: &AppState,
    manager: &Principal,
    user: &User,
) -> Result<(), ApiError> {
    if user.id == manager.user_id {
        return Err(ApiError::bad_request("You cannot do this to yourself"));
    }
    if user.role == Role::Admin && accounts::other_admins(&state.pool, user.id).await? == 0 {
        return Err(ApiError::bad_request("This is the last admin"));
    }
    Ok(())
}

/// Ends an account; its datasets go to the one who ends it.
///
/// # Errors
/// 400 for oneself and the last admin, 409 while one of its datasets is being worked on.
pub(crate) async fn delete(
    state: &AppState,
    manager: &Principal,
    user: User,
) -> Result<(), ApiError> {
    must_be_admin_for(manager, user.role)?;
    must_not_be_needed(state, manager, &user).await?;
    let (pool, heir) = (state.pool.clone(), manager.user_id);
    let ended = async move {
        let mut tx = pool.begin().await?;
        if !accounts::end(&mut tx, user.id, heir).await? {
            return Err(unknown());
        }
        Ok(tx.commit().await?)
    };
    state.run(ended).await
}

/// Sets a password and ends every session.
///
/// # Errors
/// 403 for the password of an admin.
pub(crate) async fn reset_password(
    state: &AppState,
    manager: &Principal,
    user: User,
    password: Password,
) -> Result<(), ApiError> {
    must_be_admin_for(manager, user.role)?;
    let hash = state.sign_ins.hash(password.0).await?;
    let pool = state.pool.clone();
    let done = async move {
        let mut tx = pool.begin().await?;
        if !accounts::set_password(&mut tx, user.id, &hash).await? {
            return Err(unknown());
        }
        Ok(tx.commit().await?)
    };
    state.run(done).await
}

/// Replaces the realm roles of an account.
///
/// # Errors
/// 403 for those who are no admin.
pub(crate) async fn set_realm_roles(
    state: &AppState,
    manager: &Principal,
    user: User,
    roles: Vec<String>,
) -> Result<UserInfo, ApiError> {
    // A manager who gives away managing could take over by another account.
    must_be_admin_for(manager, Role::Admin)?;
    let known: Vec<String> = REALM_ROLES
        .iter()
        .filter(|role| roles.iter().any(|wanted| wanted == *role))
        .map(|role| (*role).to_owned())
        .collect();
    let pool = state.pool.clone();
    let done = async move {
        let changed = accounts::set_realm_roles(&pool, user.id, &known).await?;
        changed.ok_or_else(unknown)
    };
    state.run(done).await.map(info)
}

/// Gives a member another role in the workspace.
///
/// # Errors
/// 400 for one's own role, 404, 409 when a dataset of somebody who becomes a viewer is being worked on.
pub(crate) async fn set_workspace_role(
    state: &AppState,
    admin: &Principal,
    id: UserId,
    role: Role,
) -> Result<User, ApiError> {
    if id == admin.user_id {
        return Err(ApiError::bad_request("You cannot change your own role"));
    }
    let (pool, heir) = (state.pool.clone(), admin.user_id);
    let done = async move {
        let mut tx = pool.begin().await?;
        let changed = accounts::set_role(&mut tx, id, role, heir).await?;
        let user = changed.ok_or_else(unknown)?;
        tx.commit().await?;
        Ok(user)
    };
    state.run(done).await
}
