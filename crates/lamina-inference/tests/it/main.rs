//! Lamina-inference against the real ONNX Runtime.

mod encoder;
mod library;
mod packages;
mod starter;
mod support;
