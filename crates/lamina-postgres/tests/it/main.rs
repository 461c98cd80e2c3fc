//! The private cluster with the real Postgres of this machine.

mod owners;
mod places;
mod support;
mod survival;
