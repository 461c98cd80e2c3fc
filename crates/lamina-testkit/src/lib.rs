//! For tests only: the real binary as a child process, a small HTTP client, folders of good and bad files,
//! and the way to material that is not in the repository.
//!
//! Owns nothing of the product. What it starts it ends; what it waits for has a deadline, never a fixed pause.

#[cfg(feature = "bucket")]
pub mod bucket;
pub mod client;
pub mod hub;
pub mod pictures;
pub mod server;
pub mod shared;
