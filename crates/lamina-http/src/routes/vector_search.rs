//! Items near a text, one by one, and what made their vectors (contract 10.4).

use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use lamina_api::{
    COSINE_DISTANCE, EmbeddingModel, ErrorBody, VectorSearchAnswer, VectorSearchResult,
};
use lamina_explore::{ExplorePlan, vql};
use lamina_store::spaces;
use lamina_types::{EntityType, SimilarityThreshold};
use serde_json::json;

use crate::ApiError;
use crate::extract::{Fields, FromFields, JsonFields, OpenDataset};
use crate::links::Variant;
use crate::state::AppState;
use crate::views::Linker;

/// Results when no number is asked for.
const USUAL: i64 = 10;
/// Most results.
const MOST: i64 = 1_000;

/// What is looked for.
struct Wanted {
    plan: ExplorePlan,
    limit: usize,
}

impl FromFields for Wanted {
    fn from_fields(fields: &mut Fields) -> Self {
        let entities = [
            ("IMAGES", EntityType::Images),
            ("OBJECTS", EntityType::Objects),
        ];
        let entity_type = fields
            .word("entity_type", &entities)
            .unwrap_or(EntityType::Images);
        let limit = fields.integer("limit", 1..=MOST).unwrap_or(USUAL);
        let mut plan = ExplorePlan::browse(entity_type, SimilarityThreshold::FINEST, 0);
        match fields.text("text").filter(|text| !text.trim().is_empty()) {
            // However far: it is the number that is limited.
            Some(text) => {
                let document = json!([{"text": {"op": "semantic", "value": text, "threshold": 2}}]);
                match vql::parse(&document.to_string()) {
                    Ok(filters) => plan.filters = filters,
                    Err(error) => fields.wrong("text", error.kind, &error.to_string()),
                }
            }
            None => fields.missing("text"),
        }
        Self {
            plan,
            limit: usize::try_from(limit).unwrap_or_default(),
        }
    }
}

/// The items nearest to a text.
#[utoipa::path(post, path = "/vector_search/{dataset_id}", tag = "explore",
    params(("dataset_id" = Uuid, Path, description = "The dataset")),
    request_body(content = Object, content_type = "application/json",
        description = "`{\"text\":\"person wearing a hat\",\"entity_type\":\"IMAGES\",\"limit\":10}`; `limit` 1 to 1,000"),
    responses(
    (status = 200, description = "Nearest first", body = VectorSearchAnswer),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
    (status = 422, description = "No text, or a value out of range", body = ErrorBody),
    (status = 429, description = "Too much to do at the moment", body = ErrorBody),
    (status = 503, description = "No model package that reads text", body = ErrorBody),
))]
pub(crate) async fn vector_search(
    State(state): State<AppState>,
    open: OpenDataset,
    headers: HeaderMap,
    JsonFields(body): JsonFields,
) -> Result<Json<VectorSearchAnswer>, ApiError> {
    let Wanted { plan, limit } = body.read()?;
    let found = state.explorer.best(&open.access, &plan, limit).await?;
    let linker = Linker::new(state.link_maker(&headers), open.access.dataset());
    let result = |view: lamina_explore::MediaView| {
        let variant = match view.entity_type {
            EntityType::Images => Variant::Original,
            EntityType::Objects => Variant::Crop,
        };
        VectorSearchResult {
            media_id: view.media_id,
            media_uri: linker.link(view.media_id, variant),
            caption: view.caption,
            relevance_score: view.relevance_score.unwrap_or_default(),
            relevance_score_type: COSINE_DISTANCE.to_owned(),
        }
    };
    Ok(Json(VectorSearchAnswer {
        results: found.into_iter().map(result).collect(),
    }))
}

/// What made the vectors that a dataset has.
#[utoipa::path(get, path = "/vector_search/{dataset_id}/embedding_models", tag = "explore",
    params(("dataset_id" = Uuid, Path, description = "The dataset")), responses(
    (status = 200, description = "One entry a vector space", body = Vec<EmbeddingModel>),
    (status = 401, description = "No or bad token", body = ErrorBody),
    (status = 404, description = "Unknown or invisible", body = ErrorBody),
))]
pub(crate) async fn list_embedding_models(
    State(state): State<AppState>,
    open: OpenDataset,
) -> Result<Json<Vec<EmbeddingModel>>, ApiError> {
    let spaces = spaces::list(&state.pool, open.access.id()).await?;
    let models = spaces.into_iter().map(|space| EmbeddingModel {
        name: space
            .key
            .package
            .split('@')
            .next()
            .unwrap_or_default()
            .to_owned(),
        id: space.key.package,
        kind: match space.space {
            lamina_types::Space::MultimodelImage => "MULTIMODEL_IMAGE_ENCODING".to_owned(),
            lamina_types::Space::MultimodelObject => "MULTIMODEL_OBJECT_ENCODING".to_owned(),
            other @ (lamina_types::Space::Index | lamina_types::Space::CaptionText) => {
                other.to_string()
            }
        },
        entity_type: space.entity_type.to_string(),
    });
    Ok(Json(models.collect()))
}
