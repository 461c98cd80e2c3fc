//! Lamina-inference against the real ONNX Runtime.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot prepare itself should stop there"
)]

mod encoder;
mod library;
mod packages;
mod registry;
mod starter;
mod support;
