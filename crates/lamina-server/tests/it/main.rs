//! The real binary: boot, the main job by every door, stop, crash, damage.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod boot;
mod crash;
mod damage;
mod doors;
mod support;
