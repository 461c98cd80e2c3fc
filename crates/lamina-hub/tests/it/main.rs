//! Pulls against a hub of our own on the loopback.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot prepare itself should stop there"
)]

mod adding;
mod catalog;
mod every_entry;
mod pulls;
mod refusals;
