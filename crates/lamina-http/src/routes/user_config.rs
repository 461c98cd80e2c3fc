//! What a dataset can be searched by (contract 9.5).

use axum::Json;
use axum::extract::State;
use lamina_api::{ErrorBody, Feature, FeatureOptions, UserConfig};
use lamina_types::DatasetId;
use uuid::Uuid;

use crate::ApiError;
use crate::auth::MaybeAuthUser;
use crate::extract::{Fields, FromFields, OpenDataset, Place};
use crate::state::AppState;

/// Query of `user_config`.
#[derive(utoipa::IntoParams)]
pub(crate) struct UserConfigQuery {
    /// The dataset.
    dataset_id: Option<Uuid>,
}

impl FromFields for UserConfigQuery {
    fn from_fields(fields: &mut Fields) -> Self {
        if fields.raw("dataset_id").is_none_or(str::is_empty) {
            fields.missing("dataset_id");
        }
        // An id that is none is an unknown dataset, here as in a path.
        let dataset_id = fields
            .raw("dataset_id")
            .and_then(|id| id.parse::<DatasetId>().ok())
            .map(DatasetId::as_uuid);
        Self { dataset_id }
    }
}

/// Which kinds of search the dataset supports.
#[utoipa::path(get, path = "/user_config", tag = "datasets", params(UserConfigQuery), responses(
    (status = 200, description = "Features", body = UserConfig),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
    (status = 422, description = "No dataset named", body = ErrorBody),
))]
pub(crate) async fn get_user_config(
    State(state): State<AppState>,
    MaybeAuthUser(principal): MaybeAuthUser,
    uri: axum::extract::OriginalUri,
) -> Result<Json<UserConfig>, ApiError> {
    let fields = Fields::decode(Place::Query, uri.query().unwrap_or_default().as_bytes());
    let query: Result<UserConfigQuery, ApiError> = fields.read();
    // Who calls comes before what they call for.
    let query = query.map_err(|error| {
        if principal.is_none() {
            ApiError::unauthenticated()
        } else {
            error
        }
    })?;
    let dataset = query.dataset_id.map(DatasetId::from_uuid);
    let open = OpenDataset::by_id(&state, principal, dataset).await?;
    let abilities = state.explorer.abilities(&open.access).await?;
    let options = FeatureOptions {
        labels_search: abilities.labels,
        captions_search: abilities.captions,
        semantic_search: abilities.meaning,
    };
    Ok(Json(UserConfig {
        features: vec![Feature::textual_search_image(options)],
    }))
}
