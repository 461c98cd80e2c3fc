//! Placeholder crate header.
