//! The queue against a real Postgres: a database per test, time moved by moving rows, no sleeps.

#[cfg(test)]
mod claims;
#[cfg(test)]
mod endings;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod phases;
#[cfg(test)]
mod runners;
#[cfg(test)]
mod support;
