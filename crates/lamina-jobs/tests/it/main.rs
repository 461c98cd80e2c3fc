//! The queue against a real Postgres: a database per test, time moved by moving rows, no sleeps.

mod claims;
mod endings;
mod faults;
mod phases;
mod runners;
mod support;
