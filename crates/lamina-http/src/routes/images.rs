//! One picture by itself (contract 10.1).

use axum::Json;
use axum::extract::{FromRequestParts, State};
use http::HeaderMap;
use http::request::Parts;
use lamina_api::{ErrorBody, ImageInfo};
use lamina_store::media;
use lamina_types::MediaId;

use crate::ApiError;
use crate::auth::MaybeAuthUser;
use crate::extract::{OpenDataset, path_parameter};
use crate::state::AppState;
use crate::views::{self, Linker};

/// The picture of a path, in the dataset it belongs to. Pictures of other people's datasets are as unknown as ids that were
/// never given out.
pub(crate) struct OpenImage {
    open: OpenDataset,
    id: MediaId,
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
        let id: MediaId = path_parameter(parts, "image_id")
            .await
            .ok_or_else(nothing)?;
        let dataset = media::dataset_of(&state.pool, id)
            .await?
            .ok_or_else(nothing)?;
        let opened = OpenDataset::by_id(state, principal, Some(dataset)).await;
        let open = opened.map_err(|error| {
            if error.code() == lamina_api::ErrorCode::NotFound {
                nothing()
            } else {
                error
            }
        })?;
        Ok(Self { open, id })
    }
}

fn not_found() -> ApiError {
    ApiError::not_found("Image not found")
}

/// One picture: its links, what is known of it, what is wrong with it.
#[utoipa::path(get, path = "/image/{image_id}", tag = "media",
    params(("image_id" = Uuid, Path, description = "A media id")), responses(
    (status = 200, description = "The picture", body = ImageInfo),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
))]
pub(crate) async fn get_image(
    State(state): State<AppState>,
    OpenImage { open, id }: OpenImage,
    headers: HeaderMap,
) -> Result<Json<ImageInfo>, ApiError> {
    let media = state
        .explorer
        .media(&open.access, id)
        .await?
        .ok_or_else(not_found)?;
    let linker = Linker::new(state.link_maker(&headers), open.access.dataset());
    Ok(Json(views::image_info(media, open.access.id(), &linker)))
}
