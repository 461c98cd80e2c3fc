//! Behaviour of the index from outside: search, derived values, the generation file.

mod derived;
mod file;
mod samples;
mod search;
