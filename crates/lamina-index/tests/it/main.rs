//! Behaviour of the index from outside: search, derived values, the generation file.

// The attribute says to the linter what the folder says to people: helpers here may unwrap.
#[cfg(test)]
mod contrast;
#[cfg(test)]
mod derived;
#[cfg(test)]
mod file;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod search;
