//! The HTTP side through its real router and a real database; only the read side is played by a fake, so that no model is
//! needed. Shapes are those of `tests/contract`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail the test by panicking, as the tests do"
)]

mod annotations;
mod app;
mod auth;
mod changes;
mod custom_metadata;
mod datasets;
mod enrichment;
mod envelope;
mod explore;
mod export;
mod fake;
mod fake_models;
mod health;
mod isolation;
mod matrix;
mod media;
mod near;
mod no_auth;
mod objects;
mod oidc;
mod openapi;
mod people;
mod process;
mod search_image;
mod serve;
mod sharing;
mod tags;
mod tasks;
mod uploads;
mod views;
