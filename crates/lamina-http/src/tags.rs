//! Tags of a dataset, on behalf of its routes.

use axum::extract::FromRequestParts;
use http::request::Parts;
use lamina_api::{TagChange, TagDetails};
use lamina_store::StoreError;
use lamina_store::tags::{self, TagSummary, Tagged};
use lamina_types::{DatasetId, TagId};

use crate::ApiError;
use crate::extract::{Fields, FromFields, OpenDataset, path_parameter};
use crate::selection::Selection;
use crate::state::AppState;

/// The tag of a path; text that is no id names no tag.
pub(crate) struct TagPath(pub(crate) TagId);

impl FromRequestParts<AppState> for TagPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        let tag = path_parameter(parts, "tag_id").await;
        tag.map(Self).ok_or_else(not_found)
    }
}

fn not_found() -> ApiError {
    ApiError::not_found("Tag not found")
}

/// The body of a tag that is made or renamed.
pub(crate) struct TagName(pub(crate) String);

impl FromFields for TagName {
    fn from_fields(fields: &mut Fields) -> Self {
        Self(fields.required_name("name"))
    }
}

/// As sent.
pub(crate) fn details(tag: TagSummary) -> TagDetails {
    TagDetails {
        id: tag.id.as_uuid(),
        name: tag.name,
        created_at: tag.created_at.into(),
        media_count: tag.media_count,
    }
}

/// One tag.
///
/// # Errors
/// 404.
pub(crate) async fn one(
    state: &AppState,
    dataset: DatasetId,
    tag: TagId,
) -> Result<TagDetails, ApiError> {
    let found = tags::find(&state.pool, dataset, tag).await?;
    found.map(details).ok_or_else(not_found)
}

/// Makes a tag.
///
/// # Errors
/// 403 for those who may only look, 409 for a name that is taken.
pub(crate) async fn create(
    state: &AppState,
    open: &OpenDataset,
    name: String,
) -> Result<TagDetails, ApiError> {
    let (user, dataset, id) = (open.changer()?.user_id, open.access.id(), TagId::new());
    let pool = state.pool.clone();
    let made = async move {
        let mut tx = pool.begin().await?;
        let made = tags::create(&mut tx, dataset, id, &name, user).await;
        made.map_err(name_taken)?;
        Ok(tx.commit().await?)
    };
    state.run(made).await?;
    one(state, dataset, id).await
}

/// Renames a tag.
///
/// # Errors
/// As [`create`], and 404.
pub(crate) async fn rename(
    state: &AppState,
    open: &OpenDataset,
    tag: TagId,
    name: String,
) -> Result<TagDetails, ApiError> {
    open.changer()?;
    let (pool, dataset) = (state.pool.clone(), open.access.id());
    let renamed = async move {
        let done = tags::rename(&pool, dataset, tag, &name).await;
        done.map_err(name_taken)?
            .then_some(())
            .ok_or_else(not_found)
    };
    state.run(renamed).await?;
    one(state, dataset, tag).await
}

/// Deletes a tag.
///
/// # Errors
/// 403 for those who may only look, 404.
pub(crate) async fn delete(
    state: &AppState,
    open: &OpenDataset,
    tag: TagId,
) -> Result<(), ApiError> {
    open.changer()?;
    let (pool, dataset) = (state.pool.clone(), open.access.id());
    let deleted = async move {
        let mut tx = pool.begin().await?;
        if !tags::delete(&mut tx, dataset, tag).await? {
            return Err(not_found());
        }
        Ok(tx.commit().await?)
    };
    state.run(deleted).await
}

/// Puts a tag on a selection, or takes it off.
///
/// # Errors
/// 403 for those who may only look, 404, what the selection's filters say.
pub(crate) async fn change(
    state: &AppState,
    open: &OpenDataset,
    tag: TagId,
    selection: &Selection,
    is_on: bool,
) -> Result<TagChange, ApiError> {
    open.changer()?;
    one(state, open.access.id(), tag).await?;
    let ordinals = selection.ordinals(state, &open.access).await?;
    let selected = ordinals.len() as u64;
    let (pool, dataset) = (state.pool.clone(), open.access.id());
    let changed = async move {
        let pictures = Tagged::Ordinals(ordinals);
        let mut tx = pool.begin().await?;
        let changed = if is_on {
            tags::assign(&mut tx, dataset, tag, &pictures).await?
        } else {
            tags::unassign(&mut tx, dataset, tag, &pictures).await?
        };
        tx.commit().await?;
        Ok(changed)
    };
    Ok(TagChange {
        id: tag.as_uuid(),
        selected,
        changed: state.run(changed).await?,
    })
}

fn name_taken(error: StoreError) -> ApiError {
    match error.constraint() {
        Some("tags_name_key") => ApiError::conflict("The dataset has a tag of this name"),
        Some(_) | None => error.into(),
    }
}
