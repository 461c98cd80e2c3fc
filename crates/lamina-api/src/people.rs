//! People, workspaces, sharing and signing in (contract 13, 19, 20).

use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Timestamp;

/// Answer of `POST /auth`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SignedIn {
    /// To be sent as `Authorization: Bearer`; browsers get it as the cookie `SESSION` too.
    pub access_token: String,
    /// `bearer`.
    pub token_type: String,
    /// Seconds until it ends.
    pub expires_in: u64,
}

/// A sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Message {
    /// For people.
    pub message: String,
}

impl Message {
    /// These words.
    pub fn new(text: &str) -> Self {
        Self {
            message: text.to_owned(),
        }
    }
}

/// Answer of `GET /api_credentials`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ApiCredentials {
    /// Goes into `kid` and `sub` of tokens.
    pub api_key: String,
    /// Signs tokens. Shown when the key is made, and never again.
    pub api_secret: Option<String>,
    /// For people.
    pub message: String,
}

/// Somebody who may see a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ShareInfo {
    /// Mail address, or the name of an account without one.
    pub email: String,
    /// `owner`, `editor` or `viewer`.
    pub role: String,
}

/// Whether a dataset is public.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Publicity {
    /// Everybody may look at it, without a token.
    pub is_public: bool,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserInfo {
    /// The user.
    pub id: Uuid,
    /// Unique.
    pub username: String,
    /// For people.
    pub first_name: Option<String>,
    /// For people.
    pub last_name: Option<String>,
    /// Whether they may enter.
    pub enabled: bool,
    /// Milliseconds since 1970.
    pub created_timestamp: Option<i64>,
    /// Realm roles: `manage-users`, `view-users`, `query-users`, `query-groups`.
    pub roles: Vec<String>,
    /// Milliseconds since 1970; when they were last seen in a browser.
    pub last_access: Option<i64>,
}

/// Answer of `GET /keycloak/admin/users`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UserList {
    /// One page.
    pub users: Vec<UserInfo>,
    /// How many there are on all pages.
    pub total: u64,
}

/// A browser that is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionInfo {
    /// The session.
    pub id: Uuid,
    /// Whose.
    pub username: String,
    /// Where the browser was when it signed in; empty when that is not known.
    pub ip_address: String,
    /// Milliseconds since 1970.
    pub start: i64,
    /// Milliseconds since 1970, to the minute.
    pub last_access: i64,
    /// Always empty: there are no clients behind a session.
    #[schema(value_type = Object)]
    pub clients: Empty,
}

/// An object without members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Empty;

impl Serialize for Empty {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        serializer.serialize_map(Some(0))?.end()
    }
}

/// Answer of `GET /keycloak/admin/users/{user_id}/sessions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SessionList {
    /// Newest first.
    pub sessions: Vec<SessionInfo>,
    /// How many there are.
    pub total: u64,
}

/// What the caller may do in a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct WorkspacePermissions {
    /// See it.
    pub can_view: bool,
    /// See and manage its members.
    pub can_manage_members: bool,
    /// Change roles.
    pub can_edit_roles: bool,
    /// Make datasets.
    pub can_create_dataset: bool,
}

/// A workspace; this server has one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct WorkspaceInfo {
    /// The workspace.
    pub id: Uuid,
    /// Its organization.
    pub organization_id: Uuid,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Never changed.
    pub updated_at: Option<Timestamp>,
    /// What the caller may do.
    pub permissions: Option<WorkspacePermissions>,
}

/// Answer of `GET /workspaces`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct WorkspaceList {
    /// All.
    pub workspaces: Vec<WorkspaceInfo>,
}

/// An organization; this server has one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OrganizationInfo {
    /// The organization.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Never changed.
    pub updated_at: Option<Timestamp>,
}

/// Answer of `GET /organizations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OrganizationList {
    /// All.
    pub organizations: Vec<OrganizationInfo>,
}

/// A member of a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MemberInfo {
    /// The user.
    pub user_id: Uuid,
    /// Unique.
    pub username: String,
    /// If known.
    pub email: Option<String>,
    /// For people.
    #[serde(rename = "firstName")]
    pub first_name: Option<String>,
    /// For people.
    #[serde(rename = "lastName")]
    pub last_name: Option<String>,
    /// `admin`, `editor` or `viewer`.
    pub role: String,
    /// When the account was made.
    pub created_at: Timestamp,
}

/// Answer of `GET /workspace/members`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MemberList {
    /// By name.
    pub members: Vec<MemberInfo>,
    /// How many there are.
    pub total: u64,
}

/// Answer of `GET /workspace/settings/access`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct WorkspaceAccess {
    /// Whether the caller may see the workspace.
    pub can_access: bool,
    /// Whether they may manage it.
    pub can_manage: bool,
    /// `admin`, `editor` or `viewer`.
    pub role: Option<String>,
}

/// The value of a setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SettingValue {
    /// Always a string: `true`.
    pub value: String,
}
