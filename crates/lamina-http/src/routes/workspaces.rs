//! Workspaces and organizations (contract 20.2): this server has one of each, and everybody is a member.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use http::request::Parts;
use lamina_api::{
    ErrorBody, MemberInfo, MemberList, OrganizationInfo, OrganizationList, WorkspaceAccess,
    WorkspaceInfo, WorkspaceList, WorkspacePermissions,
};
use lamina_store::users::{self, User};
use lamina_store::{Principal, Role};
use lamina_types::UserId;
use uuid::Uuid;

use crate::ApiError;
use crate::auth::{Admin, AuthUser};
use crate::extract::{Fields, FromFields, JsonFields, Query, path_parameter};
use crate::people::{self, WorkspaceRole};
use crate::state::AppState;

/// The one workspace, and the one organization.
const ONLY: Uuid = Uuid::from_u128(1);

fn of(role: Role) -> WorkspacePermissions {
    WorkspacePermissions {
        can_view: true,
        can_manage_members: role == Role::Admin,
        can_edit_roles: role == Role::Admin,
        can_create_dataset: role.may_create(),
    }
}

/// When it all began: with the first admin.
async fn began(state: &AppState) -> Result<lamina_api::Timestamp, ApiError> {
    let first = users::first_admin(&state.pool).await?;
    let first = first.ok_or_else(|| ApiError::not_found("Workspace not found"))?;
    Ok(first.created_at.into())
}

async fn workspace(state: &AppState, user: &Principal) -> Result<WorkspaceInfo, ApiError> {
    Ok(WorkspaceInfo {
        id: ONLY,
        organization_id: ONLY,
        name: "Default Workspace".to_owned(),
        created_at: began(state).await?,
        updated_at: None,
        permissions: Some(of(user.role)),
    })
}

async fn organization(state: &AppState) -> Result<OrganizationInfo, ApiError> {
    Ok(OrganizationInfo {
        id: ONLY,
        name: "Default Organization".to_owned(),
        created_at: began(state).await?,
        updated_at: None,
    })
}

/// Which organization, or which workspace.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct OfOrganization {
    /// Only those of this organization.
    organization_id: Option<Uuid>,
}

impl FromFields for OfOrganization {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            organization_id: fields.uuid("organization_id"),
        }
    }
}

/// Which workspace.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct OfWorkspace {
    /// The workspace; there is only one.
    workspace_id: Option<Uuid>,
}

impl FromFields for OfWorkspace {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            workspace_id: fields.uuid("workspace_id"),
        }
    }
}

impl OfWorkspace {
    fn must_exist(&self) -> Result<(), ApiError> {
        if self.workspace_id.is_none_or(|id| id == ONLY) {
            return Ok(());
        }
        Err(ApiError::not_found("Workspace not found"))
    }
}

/// The workspaces.
#[utoipa::path(get, path = "/workspaces", tag = "workspaces", params(OfOrganization), responses(
    (status = 200, description = "All", body = WorkspaceList),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 422, description = "A parameter cannot be parsed", body = ErrorBody),
))]
pub(crate) async fn list_workspaces(
    State(state): State<AppState>,
    AuthUser(user): AuthUser,
    Query(query): Query<OfOrganization>,
) -> Result<Json<WorkspaceList>, ApiError> {
    let mut workspaces = Vec::new();
    if query.organization_id.is_none_or(|id| id == ONLY) {
        workspaces.push(workspace(&state, &user).await?);
    }
    Ok(Json(WorkspaceList { workspaces }))
}

/// The id of a path, if it is that of the one there is.
pub(crate) struct OnlyOne;

impl FromRequestParts<AppState> for OnlyOne {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        let workspace: Option<Uuid> = path_parameter(parts, "workspace_id").await;
        let organization = path_parameter(parts, "organization_id").await;
        if workspace.or(organization) == Some(ONLY) {
            return Ok(Self);
        }
        Err(ApiError::not_found("Not found"))
    }
}

/// One workspace.
#[utoipa::path(get, path = "/workspaces/{workspace_id}", tag = "workspaces",
    params(("workspace_id" = Uuid, Path, description = "The workspace")), responses(
    (status = 200, description = "The workspace", body = WorkspaceInfo),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown", body = ErrorBody),
))]
pub(crate) async fn get_workspace(
    State(state): State<AppState>,
    AuthUser(user): AuthUser,
    OnlyOne: OnlyOne,
) -> Result<Json<WorkspaceInfo>, ApiError> {
    Ok(Json(workspace(&state, &user).await?))
}

/// The organizations.
#[utoipa::path(get, path = "/organizations", tag = "workspaces", responses(
    (status = 200, description = "All", body = OrganizationList),
    (status = 401, description = "No or bad token", body = ErrorBody),
))]
pub(crate) async fn list_organizations(
    State(state): State<AppState>,
    AuthUser(_): AuthUser,
) -> Result<Json<OrganizationList>, ApiError> {
    Ok(Json(OrganizationList {
        organizations: vec![organization(&state).await?],
    }))
}

/// One organization.
#[utoipa::path(get, path = "/organizations/{organization_id}", tag = "workspaces",
    params(("organization_id" = Uuid, Path, description = "The organization")), responses(
    (status = 200, description = "The organization", body = OrganizationInfo),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown", body = ErrorBody),
))]
pub(crate) async fn get_organization(
    State(state): State<AppState>,
    AuthUser(_): AuthUser,
    OnlyOne: OnlyOne,
) -> Result<Json<OrganizationInfo>, ApiError> {
    Ok(Json(organization(&state).await?))
}

fn member(user: User) -> MemberInfo {
    MemberInfo {
        user_id: user.id.as_uuid(),
        username: user.name,
        email: user.email,
        first_name: user.first_name,
        last_name: user.last_name,
        role: user.role.as_str().to_owned(),
        created_at: user.created_at.into(),
    }
}

/// The members of the workspace.
#[utoipa::path(get, path = "/workspace/members", tag = "workspaces", params(OfWorkspace), responses(
    (status = 200, description = "By name", body = MemberList),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "Not an admin", body = ErrorBody),
    (status = 404, description = "Unknown workspace", body = ErrorBody),
    (status = 422, description = "A parameter cannot be parsed", body = ErrorBody),
))]
pub(crate) async fn list_members(
    State(state): State<AppState>,
    Admin(_): Admin,
    Query(query): Query<OfWorkspace>,
) -> Result<Json<MemberList>, ApiError> {
    query.must_exist()?;
    let found = users::list(&state.pool).await?;
    let members: Vec<MemberInfo> = found.into_iter().map(member).collect();
    let total = members.len() as u64;
    Ok(Json(MemberList { members, total }))
}

/// The member of a path.
pub(crate) struct MemberId(Option<UserId>);

impl FromRequestParts<AppState> for MemberId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        Ok(Self(path_parameter(parts, "user_id").await))
    }
}

/// Gives a member another role. There is one admin: a new one takes the place of the old, who becomes an editor and is signed out. The
/// datasets of a member who becomes a viewer go to the admin.
#[utoipa::path(put, path = "/workspace/members/{user_id}/role", tag = "workspaces",
    params(("user_id" = Uuid, Path, description = "The member")),
    request_body(content = Object, content_type = "application/json", description = "`{\"role\":\"editor\"}`, and `workspace_id` if wanted"),
    responses(
    (status = 200, description = "As it is now", body = MemberInfo),
    (status = 400, description = "One's own role", body = ErrorBody),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 403, description = "Not an admin", body = ErrorBody),
    (status = 404, description = "Unknown member or workspace", body = ErrorBody),
    (status = 409, description = "One of the member's datasets is being worked on", body = ErrorBody),
    (status = 422, description = "No role, or one that is none", body = ErrorBody),
))]
pub(crate) async fn set_member_role(
    State(state): State<AppState>,
    Admin(admin): Admin,
    MemberId(id): MemberId,
    JsonFields(mut body): JsonFields,
) -> Result<Json<MemberInfo>, ApiError> {
    let workspace = OfWorkspace::from_fields(&mut body);
    let WorkspaceRole(role) = body.read()?;
    workspace.must_exist()?;
    let id = id.ok_or_else(people::unknown)?;
    let changed = people::set_workspace_role(&state, &admin, id, role).await?;
    Ok(Json(member(changed)))
}

/// What the caller may do in the workspace.
#[utoipa::path(get, path = "/workspace/settings/access", tag = "workspaces", params(OfWorkspace), responses(
    (status = 200, description = "Role and rights", body = WorkspaceAccess),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown workspace", body = ErrorBody),
    (status = 422, description = "A parameter cannot be parsed", body = ErrorBody),
))]
pub(crate) async fn get_workspace_access(
    AuthUser(user): AuthUser,
    Query(query): Query<OfWorkspace>,
) -> Result<Json<WorkspaceAccess>, ApiError> {
    query.must_exist()?;
    Ok(Json(WorkspaceAccess {
        can_access: true,
        can_manage: user.role == Role::Admin,
        role: Some(user.role.as_str().to_owned()),
    }))
}
