//! Tests of the crate from outside.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot make its picture should stop there"
)]

mod decoding;
mod demo;
mod files;
mod hostile;
mod inputs;
mod processors;
mod quality;
mod truth;
