//! The dataset of a path, opened for the caller. Everything that is done with a dataset starts from this value, and only the
//! store's access check makes one.

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use lamina_store::datasets::{self, DatasetAccess, Right};
use lamina_store::{Principal, Role};
use lamina_types::DatasetId;

use crate::state::AppState;
use crate::{ApiError, auth::MaybeAuthUser};

/// A dataset the caller may see, and the caller. Unknown, invisible and impossible ids are one and the same 404; without a
/// token they are 401, except for public datasets.
#[derive(Debug, Clone)]
pub struct OpenDataset {
    /// The right to it, and its row.
    pub access: DatasetAccess,
    /// Who asks; nobody for a public dataset.
    pub principal: Option<Principal>,
}

impl OpenDataset {
    /// Opens a dataset by id.
    ///
    /// # Errors
    /// 401 or 404.
    pub async fn by_id(
        state: &AppState,
        principal: Option<Principal>,
        id: Option<DatasetId>,
    ) -> Result<Self, ApiError> {
        let access = match id {
            Some(id) => datasets::access(&state.pool, principal.as_ref(), id).await?,
            None => None,
        };
        match (access, principal) {
            (Some(access), principal) => Ok(Self { access, principal }),
            (None, Some(_)) => Err(ApiError::dataset_not_found()),
            (None, None) => Err(ApiError::unauthenticated()),
        }
    }

    /// The caller, if they may change this dataset.
    ///
    /// # Errors
    /// 401 for nobody, 403 for those who may only look.
    pub fn changer(&self) -> Result<&Principal, ApiError> {
        let principal = self
            .principal
            .as_ref()
            .ok_or_else(ApiError::unauthenticated)?;
        if self.access.right().may_edit() && principal.role != Role::Viewer {
            Ok(principal)
        } else {
            Err(ApiError::forbidden(
                "You may look at this dataset but not change it",
            ))
        }
    }

    /// The caller, whoever it is.
    ///
    /// # Errors
    /// 401 for nobody.
    pub fn reader(&self) -> Result<&Principal, ApiError> {
        self.principal
            .as_ref()
            .ok_or_else(ApiError::unauthenticated)
    }

    /// The caller, if the dataset is theirs or shared with them, not merely public.
    ///
    /// # Errors
    /// 401 for nobody, 403 for everybody else.
    pub fn member(&self) -> Result<&Principal, ApiError> {
        let principal = self
            .principal
            .as_ref()
            .ok_or_else(ApiError::unauthenticated)?;
        if self.access.right() == Right::Public {
            return Err(ApiError::forbidden(
                "This is for those the dataset is shared with",
            ));
        }
        Ok(principal)
    }

    /// The caller, if the dataset is theirs.
    ///
    /// # Errors
    /// 401 for nobody, 403 for everybody else.
    pub fn owner(&self) -> Result<&Principal, ApiError> {
        let principal = self
            .principal
            .as_ref()
            .ok_or_else(ApiError::unauthenticated)?;
        if self.access.right().may_manage() && principal.role != Role::Viewer {
            Ok(principal)
        } else {
            Err(ApiError::forbidden(
                "Only the owner of this dataset may do this",
            ))
        }
    }
}

impl FromRequestParts<AppState> for OpenDataset {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let MaybeAuthUser(principal) = MaybeAuthUser::from_request_parts(parts, state).await?;
        let id = path_parameter(parts, "dataset_id").await;
        Self::by_id(state, principal, id).await
    }
}

/// A parameter of the path, if it can be read as `T`.
pub(crate) async fn path_parameter<T: std::str::FromStr>(
    parts: &mut Parts,
    name: &str,
) -> Option<T> {
    let parameters = RawPathParams::from_request_parts(parts, &()).await.ok()?;
    parameters
        .iter()
        .find(|(key, _)| *key == name)
        .and_then(|(_, value)| value.parse().ok())
}
