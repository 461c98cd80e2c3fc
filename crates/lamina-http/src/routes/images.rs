//! One picture or object by itself (contract 10.1).

use axum::Json;
use axum::extract::{FromRequestParts, State};
use http::HeaderMap;
use http::request::Parts;
use lamina_api::{ErrorBody, ImageInfo};
use lamina_store::{boxes, media};
use lamina_types::{EntityType, MediaId, ObjectId};
use uuid::Uuid;

use crate::ApiError;
use crate::auth::MaybeAuthUser;
use crate::extract::{OpenDataset, path_parameter};
use crate::state::AppState;
use crate::views::{self, Linker};

/// The picture of a path, in the dataset it belongs to. Pictures of other people's datasets are as unknown as ids that were
/// never given out.
pub(crate) struct OpenImage {
    open: OpenDataset,
    entity_type: EntityType,
    id: Uuid,
}

impl FromRequestParts<AppState> for OpenImage {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let MaybeAuthUser(principal) = MaybeAuthUser::from_request_parts(parts, state).await?;
        let is_known_user = principal.is_some();
        let nothing = || {
            if is_known_user {
                not_found()
            } else {
                ApiError::unauthenticated()
            }
        };
        let picture: MediaId = path_parameter(parts, "image_id")
            .await
            .ok_or_else(nothing)?;
        let id = picture.as_uuid();
        let (entity_type, dataset) = match media::dataset_of(&state.pool, picture).await? {
            Some(dataset) => (EntityType::Images, dataset),
            None => {
                let dataset = boxes::dataset_of(&state.pool, ObjectId::from_uuid(id)).await?;
                (EntityType::Objects, dataset.ok_or_else(nothing)?)
            }
        };
        let opened = OpenDataset::by_id(state, principal, Some(dataset)).await;
        let open = opened.map_err(|error| {
            if error.code() == lamina_api::ErrorCode::NotFound {
                nothing()
            } else {
                error
            }
        })?;
        Ok(Self {
            open,
            entity_type,
            id,
        })
    }
}

fn not_found() -> ApiError {
    ApiError::not_found("Image not found")
}

/// One picture or object: its links, what is known of it, what is wrong with it, which objects are on it.
#[utoipa::path(get, path = "/image/{image_id}", tag = "media",
    params(("image_id" = Uuid, Path, description = "A media id, or an object id")), responses(
    (status = 200, description = "The picture or object", body = ImageInfo),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
))]
pub(crate) async fn get_image(
    State(state): State<AppState>,
    image: OpenImage,
    headers: HeaderMap,
) -> Result<Json<ImageInfo>, ApiError> {
    let (open, id) = (image.open, image.id);
    let found = state.explorer.item(&open.access, image.entity_type, id);
    let item = found.await?.ok_or_else(not_found)?;
    let dataset = open.access.id();
    let objects = match image.entity_type {
        EntityType::Images => boxes::of_media(&state.pool, dataset, MediaId::from_uuid(id)).await?,
        EntityType::Objects => Vec::new(),
    };
    let linker = Linker::new(state.link_maker(&headers), open.access.dataset());
    Ok(Json(views::image_info(item, objects, dataset, &linker)))
}
