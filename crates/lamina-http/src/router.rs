//! All routes in one table: what is served is what is described.

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use lamina_api::ErrorCode;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder, SecurityRequirement};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::ApiError;
use crate::auth::guard_browsers;
use crate::docs_page::DocsPage;
use crate::examples;
use crate::observe::{no_such_method, no_such_path, observe, panicked};
use crate::routes::{
    accounts, additions, annotations, custom_metadata, datasets, docs, duplicates, enrichment,
    explore, export, health, images, ingestion, media, notifications, oidc, process, search_image,
    settings, sharing, snapshots, tags, tasks, uploads, user_config, users, vector_search, views,
    workspaces,
};
use crate::state::AppState;

/// Where the API lives.
const PREFIX: &str = "/api/v1";

/// The whole HTTP side.
pub fn router(state: AppState) -> Router {
    let (api, mut openapi) = api(&state).split_for_parts();
    examples::add(&mut openapi);
    let page = DocsPage::new(openapi);
    let descriptions = Router::new()
        .route(&format!("{PREFIX}/openapi.json"), get(docs::get_openapi))
        .route(&format!("{PREFIX}/docs"), get(docs::get_docs))
        .layer(Extension(page));
    let guarded = api
        .merge(descriptions)
        .layer(middleware::from_fn_with_state(
            state.clone(),
            guard_browsers,
        ));
    guarded
        // Links are opened from other sites by design; health is asked for by supervisors under any name.
        .route(
            "/media/{dataset_id}/{media_id}/{variant}",
            get(media::get_media),
        )
        .route(
            "/cdn/{dataset_id}/images/{export_id}/{file}",
            get(export::get_archive),
        )
        .route("/healthz", get(health::get_healthz))
        .route("/readyz", get(health::get_readyz))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        // Bodies are read by our own extractors, each under its own limit.
        .layer(DefaultBodyLimit::disable())
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(observe))
        .with_state(state)
}

/// The description of the API.
pub fn openapi() -> OpenApi {
    let mut openapi = described(plain_routes().merge(upload_routes())).into_openapi();
    examples::add(&mut openapi);
    openapi
}

fn api(state: &AppState) -> OpenApiRouter<AppState> {
    // An upload takes as long as it takes; its body has clocks of its own.
    let plain = plain_routes().layer(middleware::from_fn_with_state(state.clone(), limit_time));
    described(plain.merge(upload_routes()))
}

fn described(routes: OpenApiRouter<AppState>) -> OpenApiRouter<AppState> {
    let info = InfoBuilder::new()
        .title("Lamina")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Picture collections: clusters, duplicates, visual search. Compatible with the Visual Layer API."));
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .build();
    let components = utoipa::openapi::ComponentsBuilder::new()
        .security_scheme("bearer", SecurityScheme::Http(bearer))
        .build();
    let description = OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .security(Some([SecurityRequirement::new("bearer", [""; 0])]))
        .build();
    OpenApiRouter::with_openapi(description).nest(PREFIX, routes)
}

fn plain_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(health::get_healthcheck))
        .routes(routes!(
            process::process_path,
            process::process_path_by_post
        ))
        .routes(routes!(datasets::list_datasets))
        .routes(routes!(datasets::list_sample_data))
        .routes(routes!(datasets::get_creation_status))
        .routes(routes!(datasets::create_dataset))
        .routes(routes!(datasets::get_dataset, datasets::delete_dataset))
        .routes(routes!(datasets::get_dataset_stats))
        .routes(routes!(additions::add_media_from_path))
        .routes(routes!(additions::reindex_dataset))
        .routes(routes!(
            snapshots::list_snapshots,
            snapshots::create_snapshot
        ))
        .routes(routes!(
            snapshots::change_snapshot,
            snapshots::delete_snapshot
        ))
        .routes(routes!(snapshots::restore_snapshot))
        .routes(routes!(snapshots::clone_snapshot))
        .routes(routes!(ingestion::create_draft_dataset))
        .routes(routes!(ingestion::open_upload))
        .routes(routes!(ingestion::process_files))
        .routes(routes!(images::get_image))
        .routes(routes!(explore::explore_dataset))
        .routes(routes!(explore::get_similarity_cluster))
        .routes(routes!(explore::get_exploration_metadata))
        .routes(routes!(vector_search::vector_search))
        .routes(routes!(vector_search::list_embedding_models))
        .routes(routes!(duplicates::search_media_id))
        .routes(routes!(duplicates::get_media_id))
        .routes(routes!(duplicates::list_duplicates))
        .routes(routes!(annotations::list_annotations))
        .routes(routes!(annotations::get_annotations))
        .routes(routes!(export::export_context_async))
        .routes(routes!(export::export_entities_async))
        .routes(routes!(export::get_export_status))
        .routes(routes!(export::export_document))
        .routes(routes!(export::export_media_id))
        .routes(routes!(enrichment::list_models))
        .routes(routes!(tags::list_tags, tags::create_tag))
        .routes(routes!(tags::rename_tag, tags::delete_tag))
        .routes(routes!(tags::assign_tag))
        .routes(routes!(tags::unassign_tag))
        .routes(routes!(enrichment::get_enrichment_context))
        .routes(routes!(enrichment::enrich_dataset))
        .routes(routes!(enrichment::get_enrichment_status))
        .routes(routes!(enrichment::abort_enrichment))
        .routes(routes!(tasks::list_tasks))
        .routes(routes!(tasks::get_task_filters))
        .routes(routes!(tasks::get_task))
        .routes(routes!(tasks::abort_task))
        .routes(routes!(tasks::retry_task))
        .routes(routes!(user_config::get_user_config))
        .merge(people_routes())
        .merge(view_routes())
        .merge(metadata_routes())
}

/// Who may do what with whose datasets.
fn people_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(accounts::sign_in, accounts::sign_out))
        .routes(routes!(accounts::get_api_credentials))
        .routes(routes!(oidc::begin_provider_sign_in))
        .routes(routes!(oidc::finish_provider_sign_in))
        .routes(routes!(sharing::invite_user))
        .routes(routes!(sharing::list_shares, sharing::withdraw_share))
        .routes(routes!(sharing::share_dataset))
        .routes(routes!(sharing::set_dataset_public))
        .routes(routes!(users::list_users, users::create_user))
        .routes(routes!(
            users::get_user,
            users::change_user,
            users::delete_user
        ))
        .routes(routes!(users::reset_user_password))
        .routes(routes!(users::log_user_out))
        .routes(routes!(users::list_user_sessions))
        .routes(routes!(users::set_user_roles))
        .routes(routes!(workspaces::list_workspaces))
        .routes(routes!(workspaces::get_workspace))
        .routes(routes!(workspaces::list_organizations))
        .routes(routes!(workspaces::get_organization))
        .routes(routes!(workspaces::list_members))
        .routes(routes!(workspaces::set_member_role))
        .routes(routes!(workspaces::get_workspace_access))
        .routes(routes!(settings::get_setting, settings::change_setting))
}

/// Saved views, and what people are told of them.
fn view_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(views::list_views, views::create_view))
        .routes(routes!(views::change_view, views::delete_view))
        .routes(routes!(views::get_view_trend))
        .routes(routes!(views::set_view_alerting))
        .routes(routes!(notifications::list_notifications))
        .routes(routes!(notifications::count_unread_notifications))
        .routes(routes!(notifications::read_notification))
        .routes(routes!(notifications::read_all_notifications))
        .routes(routes!(notifications::stream_notifications))
}

/// Custom metadata.
fn metadata_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(custom_metadata::create_metadata_field))
        .routes(routes!(custom_metadata::get_metadata_task))
        .routes(routes!(custom_metadata::get_metadata_schema))
        .routes(routes!(
            custom_metadata::get_image_metadata,
            custom_metadata::set_image_metadata
        ))
}

fn upload_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(annotations::add_annotations))
        .routes(routes!(
            custom_metadata::fill_metadata_field,
            custom_metadata::delete_metadata_field
        ))
        .routes(routes!(ingestion::upload_files))
        // Loading a model may take longer than any other request.
        .routes(routes!(enrichment::preview_enrichment))
        .routes(routes!(uploads::upload_archive))
        .routes(routes!(additions::add_media))
        .routes(routes!(search_image::search_image_similarity))
}

/// Gives up on a request after the configured time. What changes something runs on by itself.
async fn limit_time(State(state): State<AppState>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(state.config.request_timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            ApiError::new(ErrorCode::Unavailable, "The request took too long").into_response()
        }
    }
}
