//! Lamina-inference against the real ONNX Runtime.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot prepare itself should stop there"
)]
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

mod calibration;
mod captioner;
mod conventions;
mod detector;
mod encoder;
mod lanes;
mod library;
mod packages;
mod quality;
mod registry;
mod shared;
mod starter;
mod starters;
mod support;
mod tagger;
mod text_encoder;
mod tiny_encoders;
mod toy;
