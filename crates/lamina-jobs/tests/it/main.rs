//! The queue against a real Postgres: a database per test, time moved by moving rows, no sleeps.

// The attribute says to the linter what the folder says to people: helpers here may unwrap.
#[cfg(test)]
mod claims;
#[cfg(test)]
mod endings;
#[cfg(test)]
mod fail_points;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod phases;
#[cfg(test)]
mod runners;
#[cfg(test)]
mod support;
