//! The private cluster with the real Postgres of this machine.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the exemption for tests does not reach the functions that tests share"
)]

mod owners;
mod places;
mod support;
mod survival;
