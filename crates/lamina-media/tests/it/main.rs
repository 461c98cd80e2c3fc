//! Tests of the crate from outside.

mod quality;
mod truth;
