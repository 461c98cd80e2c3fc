//! Handlers, one module per resource: take the request apart, call one function, wrap the answer.

pub(crate) mod accounts;
pub(crate) mod annotations;
pub(crate) mod custom_metadata;
pub(crate) mod datasets;
pub(crate) mod docs;
pub(crate) mod duplicates;
pub(crate) mod enrichment;
pub(crate) mod explore;
pub(crate) mod export;
pub(crate) mod health;
pub(crate) mod images;
pub(crate) mod ingestion;
pub(crate) mod media;
pub(crate) mod notifications;
pub(crate) mod process;
pub(crate) mod search_image;
pub(crate) mod settings;
pub(crate) mod sharing;
pub(crate) mod tags;
pub(crate) mod tasks;
pub(crate) mod uploads;
pub(crate) mod user_config;
pub(crate) mod users;
pub(crate) mod vector_search;
pub(crate) mod views;
pub(crate) mod workspaces;
