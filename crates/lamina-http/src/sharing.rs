//! Who else may see a dataset (contract 13).

use lamina_api::ShareInfo;
use lamina_store::settings::Switch;
use lamina_store::shares::{self, ShareRole};
use lamina_store::users::{self, User};
use lamina_store::{accounts, datasets};

use crate::extract::{Fields, FromFields, OpenDataset};
use crate::state::AppState;
use crate::{ApiError, switches};

/// What is to be shared with whom.
#[derive(Debug)]
pub(crate) struct Invitation {
    address: String,
    role: ShareRole,
}

/// Roles that a share may give.
const ROLES: &[(&str, ShareRole)] = &[("viewer", ShareRole::Viewer), ("editor", ShareRole::Editor)];

impl FromFields for Invitation {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            address: fields.required_name("grant_to_user_email"),
            role: fields.word("role", ROLES).unwrap_or(ShareRole::Viewer),
        }
    }
}

/// The same in the words of the older form.
#[derive(Debug)]
pub(crate) struct OldInvitation(pub(crate) Invitation);

impl FromFields for OldInvitation {
    fn from_fields(fields: &mut Fields) -> Self {
        Self(Invitation {
            address: fields.required_name("user_email"),
            role: ShareRole::Viewer,
        })
    }
}

fn no_account() -> ApiError {
    ApiError::not_found("User not found")
}

/// Whether the caller may share this dataset at all: theirs, and sharing is on.
///
/// # Errors
/// 401, 403.
pub(crate) async fn may_share(state: &AppState, open: &OpenDataset) -> Result<(), ApiError> {
    open.owner()?;
    switches::require(state, Switch::Sharing).await
}

/// Shares a dataset. Repeating it changes the role.
///
/// # Errors
/// 404 for an address without an account.
pub(crate) async fn invite(
    state: &AppState,
    open: &OpenDataset,
    invitation: Invitation,
) -> Result<(), ApiError> {
    may_share(state, open).await?;
    let Invitation { address, role } = invitation;
    let user = accounts::by_address(&state.pool, &address).await?;
    let user = user.ok_or_else(no_account)?;
    if user.id == open.access.dataset().owner_id {
        return Ok(());
    }
    let (pool, access) = (state.pool.clone(), open.access.clone());
    let shared = async move { Ok(shares::put(&pool, &access, user.id, role).await?) };
    state.run(shared).await
}

/// Ends a share and every link that was given out.
///
/// # Errors
/// 404 for an address without an account or without a share.
pub(crate) async fn withdraw(
    state: &AppState,
    open: &OpenDataset,
    invitation: Invitation,
) -> Result<(), ApiError> {
    may_share(state, open).await?;
    let user = accounts::by_address(&state.pool, &invitation.address).await?;
    let user = user.ok_or_else(no_account)?;
    let (pool, access) = (state.pool.clone(), open.access.clone());
    let done = async move { Ok(shares::remove(&pool, &access, user.id).await?) };
    state.run(done).await?.then_some(()).ok_or_else(no_account)
}

/// Makes a dataset public, or ends that.
///
/// # Errors
/// 401, 403.
pub(crate) async fn set_public(
    state: &AppState,
    open: &OpenDataset,
    is_public: bool,
) -> Result<(), ApiError> {
    may_share(state, open).await?;
    let (pool, access) = (state.pool.clone(), open.access.clone());
    let done = async move { Ok(datasets::set_public(&pool, &access, is_public).await?) };
    state.run(done).await
}

/// Owner first, then those it is shared with.
///
/// # Errors
/// 401 for nobody, 403 for those who see the dataset only because it is public.
pub(crate) async fn list(state: &AppState, open: &OpenDataset) -> Result<Vec<ShareInfo>, ApiError> {
    open.member()?;
    let dataset = open.access.dataset();
    let mut people = Vec::new();
    if let Some(owner) = users::by_id(&state.pool, dataset.owner_id).await? {
        people.push(info(owner, "owner"));
    }
    for (id, role) in shares::list(&state.pool, dataset.id).await? {
        if let Some(user) = users::by_id(&state.pool, id).await? {
            people.push(info(user, role.as_str()));
        }
    }
    Ok(people)
}

fn info(user: User, role: &str) -> ShareInfo {
    ShareInfo {
        email: user.email.unwrap_or(user.name),
        role: role.to_owned(),
    }
}
