//! The HTTP side: routes, extractors, tokens, the error envelope, signed media links, the accept loop, the API description.
//!
//! Owns everything that speaks HTTP. Must not know SQL, models, decoding or how an ingest is done: it enqueues jobs and reads
//! through `lamina-explore` and `lamina-store`.
//!
//! One request: [`serve()`] accepts a connection under limits and hands requests to [`router()`]; the outermost layer opens a span
//! and will log a failure once; extractors find the caller, open the dataset for them ([`OpenDataset`], the only way to a
//! dataset) and read parameters, each refusing in the one envelope ([`ApiError`]) and in the contract's order 401, 404, 403,
//! 422/400, 409; the handler calls one function and wraps its result in a type of `lamina-api`. What changes something runs in
//! a task of its own, so that a client that leaves cannot cut it in half.

mod additions;
mod annotations;
mod archives;
mod auth;
mod crops;
mod custom_metadata;
mod datasets;
mod docs_page;
mod documents;
pub mod enrich;
mod error;
mod examples;
mod explore_query;
mod export_query;
mod exports;
mod extract;
mod files;
mod filter_query;
mod ingest;
mod links;
mod metrics_page;
mod notices;
mod now;
mod observe;
mod oidc;
mod people;
mod pictures;
mod places;
mod query_picture;
mod read_side;
mod readiness;
mod recent;
mod roots;
mod router;
mod routes;
mod samples;
mod saved_views;
mod selection;
mod serve;
mod sharing;
mod snapshots;
mod state;
mod stats;
mod switches;
mod tags;
mod tasks;
mod upload;
mod views;

pub use auth::{AuthUser, HostList, MaybeAuthUser, issue_token};
pub use error::ApiError;
pub use extract::OpenDataset;
pub use links::{LinkKeys, LinkMaker, LinkTarget, Origin, Variant};
pub use metrics_page::metrics_router;
pub use oidc::{Oidc, OidcConfig, OidcError};
pub use read_side::ReadSide;
pub use readiness::Readiness;
pub use roots::{IngestRoots, RootError};
pub use router::{openapi, router};
pub use serve::{ServeLimits, serve};
pub use state::{AppParts, AppState, AuthMode, HttpConfig};
pub use upload::UploadLimits;
