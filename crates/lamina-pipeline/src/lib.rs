//! Placeholder crate header.

pub mod sources;
